//! Bounds on the figures of a report, for programs that decide by them.

use std::fmt;

use super::report::Report;

/// A figure of a report that a bound can be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metric {
    /// The shortest echo time.
    Min,
    /// The mean echo time.
    Mean,
    /// What half of the echo times do not exceed.
    P50,
    /// What 90 % do not exceed.
    P90,
    /// What 99 % do not exceed.
    P99,
    /// What 99.9 % do not exceed.
    P99_9,
    /// What 99.99 % do not exceed.
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
    /// The highest rate that a search has found to be kept.
    Limit,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Microseconds.
    Time,
    /// Messages a second.
    Rate,
    /// Bytes a second.
    Bytes,
    /// Things.
    Count,
}

impl Metric {
    /// Every figure, as it is named.
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

    /// Returns what it is counted in.
    pub fn unit(self) -> Unit {
        match self {
            Self::Rate | Self::Limit => Unit::Rate,
            Self::Goodput => Unit::Bytes,
            Self::Lost | Self::Unanswered | Self::Errors => Unit::Count,
            _ => Unit::Time,
        }
    }

    /// Returns the figure of a report; there is no echo time if nothing came
    /// back, and no limit if no rate was kept.
    pub fn of(self, report: &Report) -> Option<f64> {
        let latency = &report.latency;
        match self {
            Self::Min => latency.min_us,
            Self::Mean => latency.mean_us,
            Self::P50 => latency.p50_us,
            Self::P90 => latency.p90_us,
            Self::P99 => latency.p99_us,
            Self::P99_9 => latency.p99_9_us,
            Self::P99_99 => latency.p99_99_us,
            Self::Max => latency.max_us,
            Self::Rate => Some(report.rate_per_s),
            Self::Goodput => Some(report.goodput_bytes_per_s),
            Self::Limit => report.limit.as_ref()?.rate_per_s,
            Self::Lost => Some(report.lost as f64),
            Self::Unanswered => Some(report.unanswered as f64),
            Self::Errors => {
                let counts = report.errors.iter().map(|error| error.count);
                Some(counts.sum::<u64>() as f64)
            }
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, figure)| figure == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// How a figure stands to a value.
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

/// Something that is true of a report or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As it was typed.
    pub text: String,
    /// What is looked at.
    pub figure: Metric,
    /// How it must stand to the value.
    pub relation: Relation,
    /// The value, in the unit of the figure.
    pub value: f64,
}

impl Threshold {
    /// Tells whether it is true of a report; `None` if the report lacks the
    /// figure.
    pub fn is_true_of(&self, report: &Report) -> Option<bool> {
        let figure = self.figure.of(report)?;
        Some(match self.relation {
            Relation::Less => figure < self.value,
            Relation::AtMost => figure <= self.value,
            Relation::More => figure > self.value,
            Relation::AtLeast => figure >= self.value,
        })
    }
}
