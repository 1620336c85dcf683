//! The plot of the last answers: a joined line over time, on a scale that one outlier does not
//! flatten.

use std::{collections::VecDeque, time::Duration};

use qecho_packet::text;
use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Style},
    symbols::Marker,
    widgets::{Axis, Chart, Dataset, GraphType},
};

/// The longest time over the median from which on the scale is logarithmic.
const LINEAR_MAX: f64 = 8.0;

/// Rows from which on there is room for an axis of time.
const ROWS_WITH_TIME_MIN: u16 = 6;

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

    fn place(&self, time_ms: f64) -> f64 {
        match self.is_logarithmic {
            true => time_ms.max(SHORTEST_MS).log10(),
            false => time_ms,
        }
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
    frame: &mut Frame<'_>,
    area: Rect,
    recent: &Recent,
    interval: Duration,
    has_colours: bool,
) {
    // A Braille character has two points side by side.
    let shown = usize::from(area.width) * 2;
    let first = recent.len().saturating_sub(shown);
    let recent: Vec<_> = recent.iter().skip(first).copied().collect();
    let came = recent.iter().filter_map(|(_, time)| *time);
    let scale = Scale::of(&came.map(milliseconds).collect::<Vec<_>>());
    let lines = joined(&recent, &scale);
    let lost = recent.iter().filter(|(_, time)| time.is_none());
    let lost: Vec<_> = lost
        .map(|(sequence, _)| (*sequence as f64, scale.bounds[1]))
        .collect();
    let colour = |colour| match has_colours {
        true => Style::new().fg(colour),
        false => Style::new(),
    };
    let dataset = |points, graph| {
        Dataset::default()
            .marker(Marker::Braille)
            .graph_type(graph)
            .style(colour(Color::Cyan))
            .data(points)
    };
    // A line of one point is not drawn, so each has its points too.
    let points: Vec<_> = lines.concat();
    let mut datasets = vec![dataset(&points, GraphType::Scatter)];
    datasets.extend(lines.iter().map(|line| dataset(line, GraphType::Line)));
    let losses = dataset(&lost, GraphType::Scatter).marker(Marker::Block);
    datasets.push(losses.style(colour(Color::Red)));
    let last = recent.last().map_or(0, |(sequence, _)| *sequence) as f64;
    let begin = last - shown as f64;
    let mut times = Axis::default().bounds([begin, last]);
    if area.height >= ROWS_WITH_TIME_MIN {
        times = times.labels(ends(begin, last, interval));
    }
    let mut scaled = Axis::default().bounds(scale.bounds).labels(scale.labels());
    if scale.is_logarithmic {
        scaled = scaled.title("log scale");
    }
    frame.render_widget(Chart::new(datasets).x_axis(times).y_axis(scaled), area);
}

/// Returns the answers that came without a loss between them, as lines.
fn joined(recent: &[(u64, Option<Duration>)], scale: &Scale) -> Vec<Vec<(f64, f64)>> {
    let runs = recent.split(|(_, time)| time.is_none());
    let line = |run: &[(u64, Option<Duration>)]| {
        let points = run.iter().filter_map(|(sequence, time)| {
            let time = milliseconds((*time)?);
            Some((*sequence as f64, scale.place(time)))
        });
        points.collect::<Vec<_>>()
    };
    runs.map(line).filter(|line| !line.is_empty()).collect()
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
