//! What is asked of a report.

use super::{Report, histogram, name};
use crate::bench::config::Mode;

impl Report {
    /// Returns the step whose rate is the highest that was kept, if this tells of a
    /// search that has found one.
    pub fn limit_step(&self) -> Option<&Self> {
        let rate = self.limit.as_ref()?.rate_per_s?;
        let mut steps = self.steps.iter().rev();
        steps.find(|step| step.run.offered_rate_per_s == Some(rate))
    }

    /// Returns how many of the messages came back when the measuring was over.
    pub fn messages_after_end(&self) -> u64 {
        let late = self.intervals.iter().filter(|row| row.after_end);
        late.map(|row| row.messages).sum()
    }

    /// Returns the distribution of the echo times: microseconds, and how many
    /// messages took so long. Empty if it is not kept, or cannot be read.
    pub fn distribution(&self) -> Vec<(f64, u64)> {
        let Some(histogram) = histogram::decode(&self.histogram) else {
            return Vec::new();
        };
        let values = histogram.iter_recorded();
        let pair = |value: hdrhistogram::iterators::IterationValue<u64>| {
            let microseconds = value.value_iterated_to() as f64 / 1e3;
            (microseconds, value.count_at_value())
        };
        values.map(pair).collect()
    }

    /// Tells whether nothing went wrong; DATAGRAM frames may be lost, and a
    /// search for a limit has to go beyond it.
    pub fn is_flawless(&self) -> bool {
        if let Some(limit) = &self.limit {
            return self.partial.is_none() && limit.rate_per_s.is_some();
        }
        let idle = self.run.over == name(Mode::Idle);
        self.partial.is_none() && self.errors.is_empty() && (idle || self.messages > 0)
    }

    /// Returns the same without the long distributions.
    pub fn without_distributions(&self) -> Self {
        Self {
            histogram: String::new(),
            connect_histogram: String::new(),
            steps: self.steps.iter().map(Self::without_distributions).collect(),
            comparison: self.comparison.clone().map(|mut comparison| {
                comparison.report = comparison.report.without_distributions();
                comparison
            }),
            ..self.clone()
        }
    }
}
