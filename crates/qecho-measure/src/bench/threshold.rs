//! Thresholds of a report's metrics, for programs that decide by them.

use std::fmt;

/// A metric of a report that a threshold can be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metric {
    /// The shortest echo time.
    Min,
    /// The mean echo time.
    Mean,
    /// The median echo time.
    P50,
    /// The 90th percentile of the echo times.
    P90,
    /// The 99th percentile of the echo times.
    P99,
    /// The 99.9th percentile of the echo times.
    P99_9,
    /// The 99.99th percentile of the echo times.
    P99_99,
    /// The longest echo time.
    Max,
    /// Messages a second.
    Rate,
    /// Bytes of messages a second, counted in one direction.
    Goodput,
    /// DATAGRAM frames that did not come back in time.
    Lost,
    /// Messages that were never answered.
    Unanswered,
    /// Connections that failed.
    Errors,
    /// The highest rate that a search has found to be sustained.
    Limit,
}

/// Unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Microseconds.
    Time,
    /// Messages a second.
    Rate,
    /// Bytes a second.
    Bytes,
    /// A plain number.
    Count,
}

impl Metric {
    /// Every metric, with its name.
    pub const ALL: [(&str, Self); 14] = [
        ("min", Self::Min),
        ("mean", Self::Mean),
        ("p50", Self::P50),
        ("p90", Self::P90),
        ("p99", Self::P99),
        ("p99.9", Self::P99_9),
        ("p99.99", Self::P99_99),
        ("max", Self::Max),
        ("rate", Self::Rate),
        ("goodput", Self::Goodput),
        ("lost", Self::Lost),
        ("unanswered", Self::Unanswered),
        ("errors", Self::Errors),
        ("limit", Self::Limit),
    ];

    /// Returns the metric's unit.
    pub fn unit(self) -> Unit {
        match self {
            Self::Rate | Self::Limit => Unit::Rate,
            Self::Goodput => Unit::Bytes,
            Self::Lost | Self::Unanswered | Self::Errors => Unit::Count,
            _ => Unit::Time,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, metric)| metric == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// Relation of a metric to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// A condition on a metric, which a report meets or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The text that was typed.
    pub text: String,
    /// The metric.
    pub metric: Metric,
    /// Its relation to the value.
    pub relation: Relation,
    /// The value, in the unit of the metric.
    pub value: f64,
}

impl Threshold {
    /// Tells whether a value of its metric is as the threshold says.
    pub fn holds(&self, value: f64) -> bool {
        match self.relation {
            Relation::Less => value < self.value,
            Relation::AtMost => value <= self.value,
            Relation::More => value > self.value,
            Relation::AtLeast => value >= self.value,
        }
    }
}
