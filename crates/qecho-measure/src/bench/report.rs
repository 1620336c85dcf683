//! Report of a load: made of counters, written to files, read back and merged.

mod build;
mod compare;
mod histogram;
pub(super) mod latency;
mod merge;
mod metrics;
mod parts;
mod schema;
mod sequence;
mod sum;

pub(super) use self::build::Measurements;
pub use self::{
    latency::{Interval, Latency},
    merge::MergeError,
    parts::{
        GeneratorCost, Host, MaxRate, Run, ScheduleKept, Server, ServerCost, Start, ThresholdResult,
    },
    schema::{Comparison, Ratio, Report, SCHEMA},
};
