//! Percentiles of times.

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize};

use crate::latency::samples_min;

/// Percentiles of times in microseconds, exact to three digits; without a time
/// there is none of them, and of few times not every percentile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Latency {
    /// Number of times.
    pub count: u64,
    /// The shortest.
    #[serde(default, deserialize_with = "time")]
    pub min_us: Option<f64>,
    /// Their mean.
    #[serde(default, deserialize_with = "time")]
    pub mean_us: Option<f64>,
    /// Their standard deviation.
    #[serde(default)]
    pub deviation_us: Option<f64>,
    /// The median.
    #[serde(default, deserialize_with = "time")]
    pub p50_us: Option<f64>,
    /// The 90th percentile, of ten times or more.
    #[serde(default, deserialize_with = "time")]
    pub p90_us: Option<f64>,
    /// The 99th percentile, of 100 times or more.
    #[serde(default, deserialize_with = "time")]
    pub p99_us: Option<f64>,
    /// The 99.9th percentile, of 1,000 times or more.
    #[serde(default, deserialize_with = "time")]
    pub p99_9_us: Option<f64>,
    /// The 99.99th percentile, of 10,000 times or more.
    #[serde(default, deserialize_with = "time")]
    pub p99_99_us: Option<f64>,
    /// The longest.
    #[serde(default, deserialize_with = "time")]
    pub max_us: Option<f64>,
}

impl Latency {
    pub(in crate::bench) fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        let quantile = |share: f64| {
            let is_carried = histogram.len() >= samples_min(share);
            is_carried.then(|| microseconds(histogram.value_at_quantile(share)))
        };
        Self {
            count: histogram.len(),
            min_us: Some(microseconds(histogram.min())),
            mean_us: Some(histogram.mean() / 1e3),
            deviation_us: Some(histogram.stdev() / 1e3),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p99_9_us: quantile(0.999),
            p99_99_us: quantile(0.999_9),
            max_us: Some(microseconds(histogram.max())),
        }
    }
}

/// Measurements of one interval; without an answer there is no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Interval {
    /// Whether the measuring was over: messages that came back in it are late,
    /// and have no part in the achieved rate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_end: bool,
    /// Its beginning, in seconds since the measuring began.
    pub at_s: f64,
    /// Its length, in seconds.
    pub length_s: f64,
    /// Messages that came back in it, and were sent when it was measured.
    pub messages: u64,
    /// Messages a second that came back in it, those too that were sent in the
    /// warm-up: what the achieved rate is made of.
    pub rate_per_s: f64,
    /// The median, in microseconds.
    #[serde(default, deserialize_with = "time")]
    pub p50_us: Option<f64>,
    /// The 99th percentile, in microseconds, of 100 messages or more.
    #[serde(default, deserialize_with = "time")]
    pub p99_us: Option<f64>,
    /// The longest, in microseconds.
    #[serde(default, deserialize_with = "time")]
    pub max_us: Option<f64>,
}

impl Interval {
    /// Returns an interval with the times of a distribution, and nothing else
    /// yet.
    pub(in crate::bench) fn of(histogram: &Histogram<u64>) -> Self {
        let latency = Latency::of(histogram);
        Self {
            messages: latency.count,
            p50_us: latency.p50_us,
            p99_us: latency.p99_us,
            max_us: latency.max_us,
            ..Self::default()
        }
    }
}

/// Reads a time, which nothing has in no time at all: 0 stands for none in reports
/// of earlier versions.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let time = Option::<f64>::deserialize(deserializer)?;
    Ok(time.filter(|time| *time != 0.0))
}
