//! Times as figures.

use serde::{Deserialize, Deserializer, Serialize};

use crate::bench::tally::Times;

/// A distribution of times, in microseconds, exact to three digits; of none
/// there is none of the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many there are.
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
    /// What half of them do not exceed.
    #[serde(default, deserialize_with = "time")]
    pub p50_us: Option<f64>,
    /// What 90 % do not exceed.
    #[serde(default, deserialize_with = "time")]
    pub p90_us: Option<f64>,
    /// What 99 % do not exceed.
    #[serde(default, deserialize_with = "time")]
    pub p99_us: Option<f64>,
    /// What 99.9 % do not exceed.
    #[serde(default, deserialize_with = "time")]
    pub p99_9_us: Option<f64>,
    /// What 99.99 % do not exceed.
    #[serde(default, deserialize_with = "time")]
    pub p99_99_us: Option<f64>,
    /// The longest.
    #[serde(default, deserialize_with = "time")]
    pub max_us: Option<f64>,
}

impl Latency {
    pub(in crate::bench) fn of(times: &Times) -> Self {
        let histogram = &times.0;
        if histogram.is_empty() {
            return Self::default();
        }
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        let quantile = |share: f64| Some(microseconds(histogram.value_at_quantile(share)));
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

/// What was measured in a part of the time; without an answer there is no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Whether the measuring was over: what came back in it is late, and has no
    /// part in the achieved rate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_end: bool,
    /// When it began, in seconds since the measuring began.
    pub at_s: f64,
    /// How long it was, in seconds.
    pub length_s: f64,
    /// Messages that came back in it, and were sent when it was measured.
    pub messages: u64,
    /// Messages a second that came back in it, those too that were sent in the
    /// warm-up: what the achieved rate is made of.
    pub rate_per_s: f64,
    /// What half of them did not exceed, in microseconds.
    #[serde(default, deserialize_with = "time")]
    pub p50_us: Option<f64>,
    /// What 99 % did not exceed, in microseconds.
    #[serde(default, deserialize_with = "time")]
    pub p99_us: Option<f64>,
    /// The longest, in microseconds.
    #[serde(default, deserialize_with = "time")]
    pub max_us: Option<f64>,
}

impl Interval {
    /// Returns an interval with these times, and nothing else yet.
    pub(in crate::bench) fn of(times: &Times) -> Self {
        let latency = Latency::of(times);
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
