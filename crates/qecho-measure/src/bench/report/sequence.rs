//! Reports of runs that followed one another as one.

use super::{
    histogram,
    latency::{Interval, Latency},
    parts::ServerCost,
    schema::Report,
    sum::add_counts,
};

impl Report {
    /// Joins the reports of runs on one server that followed one another:
    /// counts and times are added, and intervals stand in a row.
    pub(in crate::bench) fn in_sequence(reports: Vec<Self>) -> Option<Self> {
        let mut reports = reports.into_iter();
        let mut joined = reports.next()?;
        for report in reports {
            joined.append(report);
        }
        Some(joined)
    }

    /// Adds the report of the run after this one.
    fn append(&mut self, next: Self) {
        for (text, figures, other) in [
            (&mut self.histogram, &mut self.latency, &next.histogram),
            (
                &mut self.connect_histogram,
                &mut self.connect,
                &next.connect_histogram,
            ),
        ] {
            let times = histogram::joined(text, other);
            *figures = Latency::of(&times);
            *text = histogram::encode(&times);
        }
        append_intervals(&mut self.intervals, &next.intervals);
        self.server_process = joined_cost(self, &next);
        self.generator.add(next.generator);
        let (before, after) = (self.elapsed_s, next.elapsed_s);
        self.elapsed_s += after;
        for (rate, other) in [
            (&mut self.rate_per_s, next.rate_per_s),
            (&mut self.goodput_bytes_per_s, next.goodput_bytes_per_s),
        ] {
            if self.elapsed_s > 0.0 {
                let counts = rate.unwrap_or_default() * before + other.unwrap_or_default() * after;
                *rate = Some(counts / self.elapsed_s);
            }
        }
        self.partial = self.partial.take().or(next.partial.clone());
        let run = &mut self.run;
        if run.offered_rate_per_s != next.run.offered_rate_per_s {
            run.offered_rate_per_s = None;
        }
        let durations = run.duration_s.zip(next.run.duration_s);
        run.duration_s = durations.map(|(one, two)| one + two);
        run.count = run.count.zip(next.run.count).map(|(one, two)| one + two);
        add_counts(self, &next);
    }
}

/// Returns the intervals of runs that followed one another, in a row.
pub(super) fn intervals(reports: &[Report]) -> Vec<Interval> {
    let mut rows = Vec::new();
    for report in reports {
        append_intervals(&mut rows, &report.intervals);
    }
    rows
}

/// Adds intervals to those before, whose last one may be after the end.
fn append_intervals(rows: &mut Vec<Interval>, next: &[Interval]) {
    let end = rows.last().map_or(0.0, |row| row.at_s + row.length_s);
    rows.extend(next.iter().map(|row| Interval {
        at_s: end + row.at_s,
        ..*row
    }));
}

fn joined_cost(before: &Report, next: &Report) -> Option<ServerCost> {
    let (one, two) = (before.server_process?, next.server_process?);
    let processor_s = one.processor_s + two.processor_s;
    let each = |count: u64, unit: f64| (count > 0).then(|| processor_s * unit / count as f64);
    Some(ServerCost {
        processor_s,
        processor_us_per_message: each(before.messages + next.messages, 1e6),
        processor_ms_per_megabyte: each(before.bytes + next.bytes, 1e9),
        memory_after_bytes: two.memory_after_bytes,
        ..one
    })
}
