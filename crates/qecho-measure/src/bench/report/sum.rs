//! Sums of the counts of two reports.

use super::schema::Report;
use crate::bench::counters::ErrorCount;

/// Adds what is added of runs beside and after each other alike.
pub(super) fn add_counts(report: &mut Report, other: &Report) {
    report.resumed = match (report.resumed, other.resumed) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
    report.early_data = match (report.early_data, other.early_data) {
        (Some(mut sum), Some(other)) => {
            sum.add(other);
            Some(sum)
        }
        (one, other) => one.or(other),
    };
    for (sum, part) in [
        (&mut report.offered, other.offered),
        (&mut report.messages, other.messages),
        (&mut report.bytes, other.bytes),
        (&mut report.lost, other.lost),
        (&mut report.late, other.late),
        (&mut report.unanswered, other.unanswered),
    ] {
        *sum = sum.saturating_add(part);
    }
    report.transport.add(other.transport);
    report.totals.add(other.totals);
    report.run.verified &= other.run.verified;
    if let (Some(schedule), Some(other)) = (&mut report.schedule, &other.schedule) {
        schedule.is_kept &= other.is_kept;
        schedule.late_p99_us = worst(schedule.late_p99_us, other.late_p99_us);
        schedule.unsent = schedule.unsent.saturating_add(other.unsent);
    }
    for error in &other.errors {
        add_error(&mut report.errors, error);
    }
}

fn add_error(errors: &mut Vec<ErrorCount>, error: &ErrorCount) {
    match errors.iter_mut().find(|known| known.kind == error.kind) {
        Some(known) => known.count = known.count.saturating_add(error.count),
        None => errors.push(error.clone()),
    }
}

/// Returns the longer of two times, of which there may be none.
pub(super) fn worst(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}
