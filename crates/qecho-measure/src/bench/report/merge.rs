//! Several generators' reports as one.

use super::{
    EarlyCounts, ErrorCount, GeneratorCost, Interval, Latency, Report, Start, histogram, sequence,
};
use crate::bench::tally::Times;

/// Why reports cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There is none.
    #[error("there is no report to merge")]
    Nothing,
    /// They are about different things.
    #[error("the runs differ in what they sent: {one}, and {other}")]
    Different {
        /// What one run sent.
        one: String,
        /// What another run sent.
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
        let (mut latency, mut connect) = (Times::default(), Times::default());
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
                sum.0.add(part).map_err(|_| MergeError::NoDistribution)?;
            }
        }
        if reports.iter().any(|report| report.limit.is_some()) {
            return Err(MergeError::Search);
        }
        if reports.iter().any(|report| report.comparison.is_some()) {
            return Err(MergeError::Comparison);
        }
        for other in others {
            if what(first) != what(other) {
                return Err(MergeError::Different {
                    one: what(first),
                    other: what(other),
                });
            }
            merged.add(other);
        }
        merged.latency = Latency::of(&latency);
        merged.connect = Latency::of(&connect);
        merged.histogram = histogram::encode(&latency);
        merged.connect_histogram = histogram::encode(&connect);
        let in_time = |of: fn(&Self) -> f64| {
            let counts = reports.iter().map(|report| of(report) * report.elapsed_s);
            counts.sum::<f64>()
        };
        if merged.elapsed_s > 0.0 {
            merged.rate_per_s = in_time(|report| report.rate_per_s) / merged.elapsed_s;
            let bytes = in_time(|report| report.goodput_bytes_per_s);
            merged.goodput_bytes_per_s = bytes / merged.elapsed_s;
        }
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

    /// Adds what can be added.
    fn add(&mut self, other: &Self) {
        self.started_at = self.started_at.take().min(other.started_at.clone());
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
        let rates = run.offered_rate_per_s.zip(other.run.offered_rate_per_s);
        run.offered_rate_per_s = rates.map(|(one, other)| one + other);
        run.count = run
            .count
            .zip(other.run.count)
            .map(|(one, other)| one.saturating_add(other));
        self.generator = GeneratorCost {
            processor_s: self.generator.processor_s + other.generator.processor_s,
            busiest_share: self
                .generator
                .busiest_share
                .max(other.generator.busiest_share),
            is_bottleneck: self.generator.is_bottleneck || other.generator.is_bottleneck,
        };
        self.server_process = self.server_process.or(other.server_process);
        add_counts(self, other);
        add_intervals(&mut self.intervals, &other.intervals);
    }
}

/// Adds what is added however two runs stand to each other.
pub(super) fn add_counts(report: &mut Report, other: &Report) {
    report.resumed = match (report.resumed, other.resumed) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
    report.early_data = match (report.early_data, other.early_data) {
        (Some(one), Some(other)) => Some(EarlyCounts {
            accepted: one.accepted.saturating_add(other.accepted),
            rejected: one.rejected.saturating_add(other.rejected),
        }),
        (one, other) => one.or(other),
    };
    let transport = &mut report.transport;
    for (sum, part) in [
        (&mut report.offered, other.offered),
        (&mut report.messages, other.messages),
        (&mut report.bytes, other.bytes),
        (&mut report.lost, other.lost),
        (&mut report.late, other.late),
        (&mut report.unanswered, other.unanswered),
        (&mut transport.packets_sent, other.transport.packets_sent),
        (&mut transport.packets_lost, other.transport.packets_lost),
        (
            &mut transport.congestion_events,
            other.transport.congestion_events,
        ),
        (
            &mut transport.datagrams_sent,
            other.transport.datagrams_sent,
        ),
        (
            &mut transport.datagrams_received,
            other.transport.datagrams_received,
        ),
        (&mut transport.bytes_sent, other.transport.bytes_sent),
        (
            &mut transport.bytes_received,
            other.transport.bytes_received,
        ),
        (&mut report.totals.connections, other.totals.connections),
        (&mut report.totals.messages, other.totals.messages),
        (&mut report.totals.bytes, other.totals.bytes),
    ] {
        *sum = sum.saturating_add(part);
    }
    transport.mtu_bytes = transport.mtu_bytes.max(other.transport.mtu_bytes);
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

/// Says what must be the same.
fn what(report: &Report) -> String {
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

fn add_error(errors: &mut Vec<ErrorCount>, error: &ErrorCount) {
    match errors.iter_mut().find(|known| known.kind == error.kind) {
        Some(known) => known.count = known.count.saturating_add(error.count),
        None => errors.push(error.clone()),
    }
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

/// Returns the longer of two times, of which there may be none.
fn worst(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}
