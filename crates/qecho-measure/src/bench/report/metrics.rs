//! Metrics of a report, and the thresholds that they meet or not.

use super::{histogram, parts::ThresholdResult, schema::Report};
use crate::bench::{
    config::Mode,
    threshold::{Metric, Threshold, Unit},
};

impl Report {
    /// Returns the value of a metric; there is no echo time if nothing came
    /// back, no percentile of too few messages, and no limit if no rate was sustained.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        let latency = &self.latency;
        match metric {
            Metric::Min => latency.min_us,
            Metric::Mean => latency.mean_us,
            Metric::P50 => latency.p50_us,
            Metric::P90 => latency.p90_us,
            Metric::P99 => latency.p99_us,
            Metric::P99_9 => latency.p99_9_us,
            Metric::P99_99 => latency.p99_99_us,
            Metric::Max => latency.max_us,
            Metric::Rate => self.rate_per_s,
            Metric::Goodput => self.goodput_bytes_per_s,
            Metric::Limit => self.limit.as_ref()?.rate_per_s,
            Metric::Lost => Some(self.lost as f64),
            Metric::Unanswered => Some(self.unanswered as f64),
            Metric::Errors => {
                let counts = self.errors.iter().map(|error| error.count);
                Some(counts.sum::<u64>() as f64)
            }
        }
    }

    /// Compares the report with thresholds, and fails by each that is met or
    /// whose metric is missing; the longest echo time stands for a percentile that the
    /// messages are too few for. Of a report in steps, unless they were a search,
    /// each step is compared.
    pub fn check_thresholds(&mut self, thresholds: &[Threshold]) {
        if !self.steps.is_empty() && self.limit.is_none() {
            let steps = self.steps.iter_mut();
            return steps.for_each(|step| step.check_thresholds(thresholds));
        }
        let judged = thresholds.iter().map(|threshold| {
            let value = self.metric(threshold.metric);
            let compared = self.compared(threshold.metric);
            ThresholdResult {
                bound: threshold.text.clone(),
                figure: threshold.metric.to_string(),
                value,
                max_us: compared.filter(|_| value.is_none()),
                fails: compared.is_none_or(|compared| threshold.holds(compared)),
            }
        });
        self.fail_if = judged.collect();
    }

    /// Returns what is compared with a threshold: the metric, or the longest echo time
    /// in place of a percentile that the messages are too few for, which is no longer.
    pub(in crate::bench) fn compared(&self, metric: Metric) -> Option<f64> {
        let is_time = metric.unit() == Unit::Time;
        let longest = self.latency.max_us.filter(|_| is_time);
        self.metric(metric).or(longest)
    }

    /// Returns the step with the highest rate that was sustained, if this is the
    /// report of a search that has found one.
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
        let idle = self.run.over == Mode::Idle.name();
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
