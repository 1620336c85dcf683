//! Measurements of one shard.

use std::time::Duration;

use super::{
    counters::{Counters, EarlyCounts, TotalCounts},
    failure::{ErrorKind, StopReason},
    report::latency::Latency,
};

/// Measurements of one shard.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(super) counters: Counters,
    pub(super) elapsed: Duration,
    /// Lateness of the beginning, if the run was told an instant.
    pub(super) late: Option<Duration>,
    pub(super) processor: Duration,
    pub(super) stop: Option<StopReason>,
}

impl Outcome {
    /// Returns the times from the instant a message was meant to be sent until
    /// its last byte came back.
    pub fn latency(&self) -> Latency {
        Latency::of(self.counters.latency.histogram())
    }

    /// Returns the counts of everything since the start, warm-up included.
    pub fn totals(&self) -> TotalCounts {
        self.counters.totals
    }

    /// Returns how late the run began, if it was told when to.
    pub fn late(&self) -> Option<Duration> {
        self.late
    }

    /// Returns the fate of messages that went with the first packets (0-RTT).
    pub fn early_data(&self) -> EarlyCounts {
        self.counters.early
    }

    /// Returns how many DATAGRAM frames did not come back.
    pub fn lost(&self) -> u64 {
        self.counters.lost
    }

    /// Returns the kinds of failures, and how often each happened.
    pub fn errors(&self) -> Vec<(ErrorKind, u64)> {
        let errors = self.counters.errors.values();
        errors.map(|error| (error.kind, error.count)).collect()
    }

    /// Returns the reason for which the run ended before its time, if it did.
    pub fn stop(&self) -> Option<StopReason> {
        self.stop
    }
}
