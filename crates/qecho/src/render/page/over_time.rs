//! Lines over the time of a run: with a gap where nothing came back, and dashed
//! after the end.

use qecho_measure::bench::{Interval, Report};

use super::chart::{Segment, Series};

/// Returns the line of a figure of each interval, which may lack it.
pub(super) fn series<'a>(
    name: &'a str,
    report: &Report,
    figure: fn(&Interval) -> Option<f64>,
) -> Series<'a> {
    let mut pieces: Vec<Segment> = Vec::new();
    let mut is_gap = true;
    for row in &report.intervals {
        let Some(value) = figure(row) else {
            is_gap = true;
            continue;
        };
        let last = pieces.last().filter(|_| !is_gap);
        match last {
            Some(piece) if piece.after_end == row.after_end => {}
            // The late answers of a run follow it.
            Some(piece) if row.after_end => {
                let points = piece.points.last().copied().into_iter().collect();
                pieces.push(piece_of(row, points));
            }
            // Here another run begins.
            _ => pieces.push(piece_of(row, Vec::new())),
        }
        is_gap = false;
        if let Some(piece) = pieces.last_mut() {
            piece.points.push((middle(row), value));
        }
    }
    Series {
        name,
        pieces,
        has_gap: report.intervals.iter().any(|row| figure(row).is_none()),
        until: report.intervals.last().map(middle),
    }
}

fn middle(row: &Interval) -> f64 {
    row.at_s + row.length_s / 2.0
}

fn piece_of(row: &Interval, points: Vec<(f64, f64)>) -> Segment {
    Segment {
        after_end: row.after_end,
        points,
    }
}
