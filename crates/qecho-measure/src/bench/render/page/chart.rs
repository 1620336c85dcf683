//! Lines in a frame, as SVG.

use std::{
    io::{self, Write},
    time::Duration,
};

use qecho_packet::text;

use super::escaped;

/// Colours that the page's style has.
pub(super) const COLOURS: usize = 6;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;

pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) x: (&'a str, Scale),
    pub(super) y: (&'a str, Scale),
    pub(super) series: Vec<Series<'a>>,
    /// Lines for which there was no room.
    pub(super) left_out: usize,
}

/// One run's line.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    /// Between them is a gap, unless one begins where the other ends.
    pub(super) pieces: Vec<Segment>,
    /// Why it lacks something in the middle, if it does.
    pub(super) gap: Option<Gap>,
    /// Up to where it was measured, if that is more than has points.
    pub(super) until: Option<f64>,
}

/// Why there is no figure of an interval; the last of several is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    NoMessages,
    /// Too few for a percentile.
    FewMessages,
}

/// A part of a line without gaps.
#[derive(Default)]
pub(super) struct Segment {
    /// Whether it is drawn dashed, as what came back after the end of a run.
    pub(super) after_end: bool,
    pub(super) points: Vec<(f64, f64)>,
}

impl<'a> Series<'a> {
    /// Returns a line without gaps.
    pub(super) fn whole(name: &'a str, points: Vec<(f64, f64)>) -> Self {
        let piece = Segment {
            after_end: false,
            points,
        };
        Self {
            name,
            pieces: vec![piece],
            gap: None,
            until: None,
        }
    }
}

/// Rule by which numbers become places and marks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// The same, with zero in sight.
    FromZero,
    /// Microseconds, each tenfold as long as the other.
    Time,
    /// Tenfolds of patience: 1 is 90 %, 2 is 99 %.
    Percentile,
}

impl Scale {
    /// Names an axis, and that it is no linear one.
    fn named(self, axis: &str) -> String {
        match self {
            Self::Linear | Self::FromZero => axis.into(),
            Self::Time | Self::Percentile => format!("{axis}, logarithmic"),
        }
    }

    fn place(self, value: f64) -> f64 {
        match self {
            Self::Time => value.max(1e-3).log10(),
            _ => value,
        }
    }

    /// Returns the least and the greatest place that is shown.
    fn range(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let places = values.map(|value| self.place(value));
        let (mut least, mut greatest) = places.fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(least, greatest), place| (least.min(place), greatest.max(place)),
        );
        match self {
            Self::Time => (least, greatest) = (least - 0.05, greatest + 0.05),
            Self::FromZero => (least, greatest) = (0.0, greatest * 1.05),
            Self::Linear | Self::Percentile => least = 0.0,
        }
        if greatest - least < 1e-9 {
            greatest = least + 1.0;
        }
        (least, greatest)
    }

    /// Returns places in a range with what is written there.
    fn marks(self, (least, greatest): (f64, f64)) -> Vec<(f64, String)> {
        match self {
            Self::Percentile => (0..=greatest.floor() as i32)
                .map(|nines| (f64::from(nines), percentile(nines)))
                .collect(),
            Self::Time => {
                let factors: &[f64] = match greatest - least {
                    2.0.. => &[1.0],
                    0.8.. => &[1.0, 2.0, 5.0],
                    _ => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
                };
                (least.floor() as i32..=greatest.ceil() as i32)
                    .flat_map(|power| factors.iter().map(move |f| f * 10_f64.powi(power)))
                    .map(|time| (time.log10(), microseconds(time)))
                    .filter(|(place, _)| (least..=greatest).contains(place))
                    .collect()
            }
            Self::Linear | Self::FromZero => {
                let rough = (greatest - least) / 5.0;
                let power = 10_f64.powf(rough.log10().floor());
                let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
                let fits = |step: &f64| *step >= rough * 0.999;
                let step = steps.into_iter().find(fits).unwrap_or(rough);
                (0..=(greatest / step).floor() as u32)
                    .map(|number| (f64::from(number) * step, plain(f64::from(number) * step)))
                    .collect()
            }
        }
    }
}

impl Chart<'_> {
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (title, unit) = (self.title, self.y.1.named(self.y.0));
        writeln!(
            out,
            "<figure><figcaption>{title} <small>{unit}</small></figcaption>"
        )?;
        let pieces = || self.series.iter().flat_map(|series| &series.pieces);
        let points = || pieces().flat_map(|piece| &piece.points);
        let gap = self.series.iter().filter_map(|series| series.gap).max();
        if points().next().is_none() {
            let words = match gap {
                Some(Gap::FewMessages) => "No interval has enough messages for it.",
                _ => "Nothing was measured.",
            };
            return writeln!(out, "<p>{words}</p></figure>");
        }
        let until = self.series.iter().filter_map(|series| series.until);
        let x_range = self.x.1.range(points().map(|(x, _)| *x).chain(until));
        let y_range = self.y.1.range(points().map(|(_, y)| *y));
        let along =
            |place: f64, (least, greatest): (f64, f64)| (place - least) / (greatest - least);
        let x_at = |place| LEFT + along(place, x_range) * (WIDTH - LEFT - RIGHT);
        let y_at = |place| HEIGHT - BOTTOM - along(place, y_range) * (HEIGHT - TOP - BOTTOM);
        let (bottom, end) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        writeln!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            self.title
        )?;
        for (place, words) in self.x.1.marks(x_range) {
            let x = x_at(place);
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{words}</text>",
                bottom + 16.0
            )?;
        }
        for (place, words) in self.y.1.marks(y_range) {
            let y = y_at(place);
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{end}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{words}</text>",
                LEFT - 6.0,
                y + 4.0
            )?;
        }
        writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            (LEFT + end) / 2.0,
            HEIGHT - 8.0,
            self.x.1.named(self.x.0),
        )?;
        let place = |(x, y): &(f64, f64)| {
            let (x, y) = (self.x.1.place(*x), self.y.1.place(*y));
            format!("{:.1} {:.1}", x_at(x), y_at(y))
        };
        self.lines(&place, out)?;
        writeln!(out, "</svg>")?;
        self.legend(gap, out)?;
        writeln!(out, "</figure>")
    }

    /// Writes the lines, whose points stand at these places.
    fn lines(&self, place: &dyn Fn(&(f64, f64)) -> String, out: &mut dyn Write) -> io::Result<()> {
        for (number, series) in self.series.iter().enumerate() {
            let (colour, name) = (number % COLOURS, escaped(series.name));
            let pieces = series.pieces.iter();
            for piece in pieces.filter(|piece| !piece.points.is_empty()) {
                let line: Vec<_> = piece.points.iter().map(place).collect();
                let after = if piece.after_end { " after" } else { "" };
                // A line of one point is seen by its round ends.
                let line = line.join("L");
                writeln!(
                    out,
                    "<path class=\"line s{colour}{after}\" d=\"M{line}h0\">\
                     <title>{name}</title></path>"
                )?;
            }
        }
        Ok(())
    }

    fn legend(&self, gap: Option<Gap>, out: &mut dyn Write) -> io::Result<()> {
        let several = self.series.iter().filter(|_| self.series.len() > 1);
        let mut pieces = self.series.iter().flat_map(|series| &series.pieces);
        let has_late = pieces.any(|piece| piece.after_end);
        if self.series.len() < 2 && !has_late && gap.is_none() {
            return Ok(());
        }
        write!(out, "<p class=\"legend\">")?;
        for (number, series) in several.enumerate() {
            let colour = number % COLOURS;
            let name = escaped(series.name);
            write!(
                out,
                "<span><span class=\"key s{colour}\"></span>{name}</span> "
            )?;
        }
        let gap = gap.map(|gap| match gap {
            Gap::NoMessages => "gap: no measured message came back",
            Gap::FewMessages => "gap: too few messages came back for it",
        });
        let late = has_late.then_some("dashed: answers after the end");
        for words in gap.into_iter().chain(late) {
            write!(out, "<span>{words}</span> ")?;
        }
        if self.left_out > 0 {
            let left_out = self.left_out;
            write!(out, "<span>{left_out} more are in the table alone</span>")?;
        }
        writeln!(out, "</p>")
    }
}

/// Writes a time that is given in microseconds.
pub(super) fn microseconds(time: f64) -> String {
    text::duration(Duration::from_nanos((time * 1e3).round() as u64))
}

/// Writes a percentile by the number of its nines.
fn percentile(nines: i32) -> String {
    match nines {
        0 => "0".into(),
        1 => "90".into(),
        2 => "99".into(),
        nines => format!("99.{}", "9".repeat(nines as usize - 2)),
    }
}

fn plain(value: f64) -> String {
    match value {
        1e6.. => format!("{}M", value / 1e6),
        1e3.. => format!("{}k", value / 1e3),
        _ => format!("{}", (value * 1e3).round() / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_within_sight() {
        let words = |scale: Scale, range| -> Vec<String> {
            let marks = scale.marks(range).into_iter();
            marks.map(|(_, words)| words).collect()
        };
        assert_eq!(
            words(Scale::FromZero, (0.0, 9.0)),
            ["0", "2", "4", "6", "8"]
        );
        assert_eq!(
            words(Scale::Percentile, (0.0, 3.2)),
            ["0", "90", "99", "99.9"]
        );
        assert_eq!(
            words(Scale::Time, (1.0, 2.1)),
            ["10 µs", "20 µs", "50 µs", "100 µs"]
        );
    }
}
