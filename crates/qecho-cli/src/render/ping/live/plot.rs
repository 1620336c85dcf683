//! The plot of the last answers: a joined line over time, on a scale that one outlier does not
//! flatten.

use std::{collections::VecDeque, time::Duration};

use anstyle::{AnsiColor, Style};
use qecho_packet::text;
use qecho_terminal::canvas::{Area, Canvas};

/// The longest time over the median from which on the scale is logarithmic.
const LINEAR_MAX: f64 = 8.0;

/// Rows from which on there is room for an axis of time.
const ROWS_WITH_TIME_MIN: usize = 6;

/// Begins the axis of time beside a scale that is logarithmic.
const LOGARITHMIC: &str = "└─ log scale ";

/// The shortest time that has a place on a logarithmic scale, in milliseconds.
const SHORTEST_MS: f64 = 1e-6;

/// The last answers by their numbers, `None` for those that did not come.
pub(super) type Recent = VecDeque<(u64, Option<Duration>)>;

/// Where times have their places.
#[derive(Debug)]
struct Scale {
    is_logarithmic: bool,
    bounds: [f64; 2],
}

impl Scale {
    fn of(times_ms: &[f64]) -> Self {
        let mut sorted = times_ms.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
            return Self {
                is_logarithmic: false,
                bounds: [0.0, 1.0],
            };
        };
        let median = sorted[sorted.len() / 2];
        let is_logarithmic = *most > median * LINEAR_MAX;
        let bounds = match is_logarithmic {
            true => [least / 1.1, most * 1.1].map(|time| time.max(SHORTEST_MS).log10()),
            false => [0.0, (most * 1.1).max(SHORTEST_MS)],
        };
        Self {
            is_logarithmic,
            bounds,
        }
    }

    /// Returns where a time stands between the scale's end, 0, and its beginning, 1.
    fn depth(&self, time_ms: f64) -> f64 {
        let place = match self.is_logarithmic {
            true => time_ms.max(SHORTEST_MS).log10(),
            false => time_ms,
        };
        let [low, high] = self.bounds;
        (high - place) / (high - low)
    }

    /// Returns the times at its beginning, its middle and its end.
    fn labels(&self) -> [String; 3] {
        let [low, high] = self.bounds;
        [low, (low + high) / 2.0, high].map(|place| match (place, self.is_logarithmic) {
            (0.0, false) => "0".into(),
            (place, false) => label(place),
            (place, true) => label(10_f64.powf(place)),
        })
    }
}

/// Draws the times one after the other, losses at the top; they are `interval` apart, unless
/// each waits for the one before it.
pub(super) fn draw(
    canvas: &mut Canvas,
    area: Area,
    recent: &Recent,
    interval: Duration,
    has_colours: bool,
) {
    // A Braille character has two dots side by side.
    let shown = area.width * 2;
    let first = recent.len().saturating_sub(shown);
    let recent: Vec<_> = recent.iter().skip(first).copied().collect();
    let came = recent.iter().filter_map(|(_, time)| *time);
    let scale = Scale::of(&came.map(milliseconds).collect::<Vec<_>>());
    let last = recent.last().map_or(0, |(sequence, _)| *sequence) as f64;
    let begin = last - shown as f64;
    let graph = draw_axes(canvas, area, &scale, &ends(begin, last, interval));
    let colour = |colour: AnsiColor| match has_colours {
        true => colour.on_default(),
        false => Style::new(),
    };
    // The dot that stands at a part of the graph's width or height.
    let dot = |part: f64, dots: usize| (part * dots.saturating_sub(1) as f64).round() as usize;
    let column = |sequence| dot((sequence as f64 - begin) / shown as f64, graph.width * 2);
    for run in recent.split(|(_, time)| time.is_none()) {
        let dots: Vec<_> = run
            .iter()
            .filter_map(|(sequence, time)| {
                let depth = scale.depth(milliseconds((*time)?));
                Some((column(*sequence), dot(depth, graph.height * 4)))
            })
            .collect();
        // A line of one answer is its dot.
        for line in dots
            .windows(2)
            .chain(dots.first().map(std::slice::from_ref))
        {
            canvas.stroke(
                graph,
                line[0],
                line[line.len() - 1],
                colour(AnsiColor::Cyan),
            );
        }
    }
    for (sequence, _) in recent.iter().filter(|(_, time)| time.is_none()) {
        let x = graph.x + column(*sequence) / 2;
        canvas.put(x, graph.y, '█', colour(AnsiColor::Red));
    }
}

/// Draws the axis of the scale and, where there is room, that of time with the words at its
/// ends; returns what is left for the graph.
fn draw_axes(canvas: &mut Canvas, area: Area, scale: &Scale, ends: &[String; 2]) -> Area {
    let labels = scale.labels();
    let margin = labels.iter().map(|label| label.chars().count()).max();
    let below = match area.height >= ROWS_WITH_TIME_MIN {
        true => 2,
        false => 0,
    };
    let (above, below) = area.split_bottom(below);
    let graph_width = area.width.saturating_sub(margin.unwrap_or(0) + 1);
    let (margin, graph) = above.split_right(graph_width);
    let (words, axis) = margin.split_right(1);
    // Of two rows each has an end of the scale.
    let has_middle = words.height >= labels.len();
    let halves = labels.iter().enumerate();
    for (half, label) in halves.filter(|(half, _)| has_middle || *half != 1) {
        let y = words.y + words.height.saturating_sub(1) * (2 - half) / 2;
        canvas.text(Area { y, ..words }, label);
    }
    canvas.lines(axis, vec!["│"; axis.height]);
    let (corner, times) = below.split_bottom(1);
    let corner = corner.split_right(graph_width + 1).1;
    canvas.text(corner, &format!("└{}", "─".repeat(graph_width)));
    // In the graph it would hide what is drawn there; where there is no axis the labels say it.
    if scale.is_logarithmic && LOGARITHMIC.chars().count() <= corner.width {
        canvas.text(corner, LOGARITHMIC);
    }
    let [begin, end] = ends;
    if begin.chars().count() + end.chars().count() < times.width {
        canvas.text(times, begin);
    }
    canvas.text(
        times.split_right(end.chars().count() + 1).1,
        &format!(" {end}"),
    );
    graph
}

/// Returns the words at both ends of the axis of time: how long ago, or which numbers the pings
/// have where they have no times of their own.
fn ends(begin: f64, last: f64, interval: Duration) -> [String; 2] {
    if interval.is_zero() {
        return [begin, last].map(|sequence| format!("seq {}", sequence.max(1.0)));
    }
    let ago = interval.as_secs_f64() * (last - begin);
    // Less than a tenth of a second is of no interest here.
    [format!("{:.1} s ago", ago), "now".into()]
}

fn label(time_ms: f64) -> String {
    text::duration(Duration::from_secs_f64(time_ms / 1e3))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
