//! Lines over the time of a run: with a gap where nothing came back, and dashed
//! after the end.

use super::chart::{Gap, Segment, Series};
use crate::bench::{Interval, Report};

/// Time between two intervals from which on they are those of different turns, in seconds.
const TURN_MIN_S: f64 = 1e-3;

/// Returns the line of a figure of each interval, which may lack it.
pub(super) fn series<'a>(
    name: &'a str,
    report: &Report,
    figure: fn(&Interval) -> Option<f64>,
) -> Series<'a> {
    let mut pieces: Vec<Segment> = Vec::new();
    let mut is_gap = true;
    let mut last_row: Option<&Interval> = None;
    for row in &report.intervals {
        let Some(value) = figure(row) else {
            is_gap = true;
            continue;
        };
        // Between the turns of a comparison the other one has its own.
        let follows = |before: &Interval| row.at_s - (before.at_s + before.length_s) < TURN_MIN_S;
        is_gap |= !last_row.is_none_or(follows);
        last_row = Some(row);
        let last = pieces.last().filter(|_| !is_gap);
        let begun = match last {
            Some(piece) if piece.after_end == row.after_end => None,
            // The late answers of a run follow it.
            Some(piece) if row.after_end => Some(piece.points.last().copied()),
            // Here another run begins.
            _ => Some(None),
        };
        pieces.extend(begun.map(|first| Segment {
            after_end: row.after_end,
            points: first.into_iter().collect(),
        }));
        is_gap = false;
        if let Some(piece) = pieces.last_mut() {
            piece.points.push((middle(row), value));
        }
    }
    Series {
        name,
        pieces,
        gap: gap(report, figure),
        until: report.intervals.last().map(middle),
    }
}

/// Returns why the line has gaps, if it has some.
fn gap(report: &Report, figure: fn(&Interval) -> Option<f64>) -> Option<Gap> {
    let lacking = report.intervals.iter().filter(|row| figure(row).is_none());
    lacking
        .map(|row| match row.messages {
            0 => Gap::NoMessages,
            _ => Gap::FewMessages,
        })
        .max()
}

fn middle(row: &Interval) -> f64 {
    row.at_s + row.length_s / 2.0
}
