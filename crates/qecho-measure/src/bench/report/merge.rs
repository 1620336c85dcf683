//! Several generators' reports as one.

use super::{
    histogram,
    latency::{Interval, Latency},
    parts::Start,
    schema::Report,
    sequence,
    sum::{add_counts, worst},
};
use crate::latency::empty_histogram;

/// Reason for which reports cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There is none.
    #[error("there is no report to merge")]
    Nothing,
    /// They are about different things.
    #[error("the runs differ in what they sent: {one}, and {other}")]
    Different {
        /// Load of one run.
        one: String,
        /// Load of another run.
        other: String,
    },
    /// One lacks the distribution, without which nothing exact can be said.
    #[error("a report has no distribution of its times: keep it by --output FILE.json")]
    NoDistribution,
    /// One searched for a limit, at rates of its own.
    #[error("a search for a limit cannot be merged: generators that search go different ways")]
    Search,
    /// One compares QUIC with something else, in turns of its own.
    #[error(
        "a comparison cannot be merged: while one generator measures QUIC, another may measure \
         what it is compared with"
    )]
    Comparison,
}

impl Report {
    /// Merges the reports of generators that ran at the same time: counts are
    /// added and percentiles are those of all messages together. Only what
    /// each interval tells of times is the worst of them.
    ///
    /// # Errors
    /// [`MergeError`] if they were not parts of one load.
    pub fn merge(reports: &[Self]) -> Result<Self, MergeError> {
        let (first, others) = reports.split_first().ok_or(MergeError::Nothing)?;
        let mut merged = first.clone();
        let (mut latency, mut connect) = (empty_histogram(), empty_histogram());
        for report in reports {
            let decode = |text: &str| {
                let histogram = histogram::decode(text);
                histogram.ok_or(MergeError::NoDistribution)
            };
            let both = [
                decode(&report.histogram)?,
                decode(&report.connect_histogram)?,
            ];
            for (sum, part) in [&mut latency, &mut connect].into_iter().zip(both) {
                sum.add(part).map_err(|_| MergeError::NoDistribution)?;
            }
        }
        if reports.iter().any(|report| report.limit.is_some()) {
            return Err(MergeError::Search);
        }
        if reports.iter().any(|report| report.comparison.is_some()) {
            return Err(MergeError::Comparison);
        }
        for other in others {
            if description(first) != description(other) {
                return Err(MergeError::Different {
                    one: description(first),
                    other: description(other),
                });
            }
            merged.add(other);
        }
        merged.latency = Latency::of(&latency);
        merged.connect = Latency::of(&connect);
        merged.histogram = histogram::encode(&latency);
        merged.connect_histogram = histogram::encode(&connect);
        let whole = merged.elapsed_s;
        let joint = |of: fn(&Self) -> Option<f64>| {
            let rates = reports
                .iter()
                .filter_map(|report| Some((of(report)?, report)));
            let counts = rates.map(|(rate, report)| rate * report.elapsed_s);
            (whole > 0.0).then(|| counts.sum::<f64>() / whole)
        };
        merged.rate_per_s = joint(|report| report.rate_per_s);
        merged.goodput_bytes_per_s = joint(|report| report.goodput_bytes_per_s);
        for (place, step) in merged.steps.iter_mut().enumerate() {
            let parts = reports
                .iter()
                .map(|report| report.steps.get(place).cloned());
            let parts: Vec<_> = parts.flatten().collect();
            *step = Self::merge(&parts)?;
        }
        if !merged.steps.is_empty() {
            merged.intervals = sequence::intervals(&merged.steps);
        }
        Ok(merged)
    }

    /// Adds the report of a run at the same time.
    fn add(&mut self, other: &Self) {
        self.started_at = self.started_at.take().min(other.started_at.clone());
        // Each generator has its own.
        self.command_line = None;
        self.host = None;
        let starts = self.start.take().zip(other.start.as_ref());
        let together = starts.filter(|(start, other)| start.at == other.at);
        self.start = together.map(|(start, other)| Start {
            late_s: start.late_s.max(other.late_s),
            ..start
        });
        self.partial = self.partial.take().or_else(|| other.partial.clone());
        self.elapsed_s = self.elapsed_s.max(other.elapsed_s);
        let run = &mut self.run;
        for (sum, part) in [
            (&mut run.connections, other.run.connections),
            (&mut run.shards, other.run.shards),
            (&mut run.sockets, other.run.sockets),
        ] {
            *sum = sum.saturating_add(part);
        }
        let idle = [run.idle_connections, other.run.idle_connections];
        run.idle_connections = idle.into_iter().flatten().reduce(u64::saturating_add);
        let rates = run.offered_rate_per_s.zip(other.run.offered_rate_per_s);
        run.offered_rate_per_s = rates.map(|(one, other)| one + other);
        run.count = run
            .count
            .zip(other.run.count)
            .map(|(one, other)| one.saturating_add(other));
        self.generator.add(other.generator);
        self.server_process = self.server_process.or(other.server_process);
        add_counts(self, other);
        add_intervals(&mut self.intervals, &other.intervals);
    }
}

/// Returns a description of what must be the same.
fn description(report: &Report) -> String {
    let run = &report.run;
    let steps = match report.steps.len() {
        0 => String::new(),
        steps => format!(" in {steps} steps"),
    };
    let size = match run.size_max_bytes {
        Some(most) => format!("{} to {most}", run.size_bytes),
        None => run.size_bytes.to_string(),
    };
    format!("{} of {size} bytes, {}{steps}", run.over, run.arrival)
}

/// Adds what was measured in the same interval; of late answers only those can
/// have been in the same.
fn add_intervals(rows: &mut Vec<Interval>, others: &[Interval]) {
    let (mut late, mut measured): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.after_end);
    let (others_late, others_measured): (Vec<_>, Vec<_>) =
        others.iter().partition(|row| row.after_end);
    add_rows(&mut measured, &others_measured);
    add_rows(&mut late, &others_late);
    rows.clear();
    rows.extend(measured.into_iter().chain(late));
}

fn add_rows(rows: &mut Vec<Interval>, others: &[Interval]) {
    for (row, other) in rows.iter_mut().zip(others) {
        row.messages = row.messages.saturating_add(other.messages);
        row.rate_per_s += other.rate_per_s;
        row.p50_us = worst(row.p50_us, other.p50_us);
        row.p99_us = worst(row.p99_us, other.p99_us);
        row.max_us = worst(row.max_us, other.max_us);
    }
    rows.extend(others.iter().skip(rows.len()).copied().collect::<Vec<_>>());
}
