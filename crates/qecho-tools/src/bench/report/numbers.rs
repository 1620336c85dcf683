//! Times as figures.

use serde::{Deserialize, Serialize};

use crate::bench::tally::Times;

/// A distribution of times, in microseconds, exact to three digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many there are.
    pub count: u64,
    /// The shortest.
    pub min_us: f64,
    /// Their mean.
    pub mean_us: f64,
    /// Their standard deviation.
    pub deviation_us: f64,
    /// What half of them do not exceed.
    pub p50_us: f64,
    /// What 90 % do not exceed.
    pub p90_us: f64,
    /// What 99 % do not exceed.
    pub p99_us: f64,
    /// What 99.9 % do not exceed.
    pub p99_9_us: f64,
    /// What 99.99 % do not exceed.
    pub p99_99_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Latency {
    pub(in crate::bench) fn of(times: &Times) -> Self {
        let histogram = &times.0;
        if histogram.is_empty() {
            return Self::default();
        }
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        let quantile = |share: f64| microseconds(histogram.value_at_quantile(share));
        Self {
            count: histogram.len(),
            min_us: microseconds(histogram.min()),
            mean_us: histogram.mean() / 1e3,
            deviation_us: histogram.stdev() / 1e3,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p99_9_us: quantile(0.999),
            p99_99_us: quantile(0.999_9),
            max_us: microseconds(histogram.max()),
        }
    }
}

/// What was measured in a part of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// When it began, in seconds since the measuring began.
    pub at_s: f64,
    /// How long it was, in seconds.
    pub length_s: f64,
    /// Messages that came back in it.
    pub messages: u64,
    /// Messages a second.
    pub rate_per_s: f64,
    /// What half of them did not exceed, in microseconds.
    pub p50_us: f64,
    /// What 99 % did not exceed, in microseconds.
    pub p99_us: f64,
    /// The longest, in microseconds.
    pub max_us: f64,
}

impl Interval {
    pub(in crate::bench) fn of(times: &Times, at_s: f64, length_s: f64) -> Self {
        let latency = Latency::of(times);
        Self {
            at_s,
            length_s,
            messages: latency.count,
            rate_per_s: match length_s {
                0.0 => 0.0,
                length_s => latency.count as f64 / length_s,
            },
            p50_us: latency.p50_us,
            p99_us: latency.p99_us,
            max_us: latency.max_us,
        }
    }
}
