//! What one shard measured.

use std::time::Duration;

use crate::bench::{
    report::{EarlyCounts, ErrorKind, Latency, Stop, TotalCounts},
    tally::Tally,
};

/// What one shard measured.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(in crate::bench) tally: Tally,
    pub(in crate::bench) elapsed: Duration,
    /// How late it began, if it was told when to.
    pub(in crate::bench) late: Option<Duration>,
    pub(in crate::bench) processor: Duration,
    pub(in crate::bench) stop: Option<Stop>,
}

impl Outcome {
    /// Returns the times from the instant a message was meant to be sent until
    /// its last byte came back.
    pub fn latency(&self) -> Latency {
        Latency::of(&self.tally.latency)
    }

    /// Returns what was done since the start, warm-up included.
    pub fn totals(&self) -> TotalCounts {
        TotalCounts {
            connections: self.tally.totals.connections,
            messages: self.tally.totals.messages,
            bytes: self.tally.totals.bytes,
        }
    }

    /// Returns how late it began, if it was told when to.
    pub fn late(&self) -> Option<Duration> {
        self.late
    }

    /// Returns what became of messages that went with the first packets.
    pub fn early_data(&self) -> EarlyCounts {
        self.tally.early
    }

    /// Returns how many DATAGRAM frames did not come back.
    pub fn lost(&self) -> u64 {
        self.tally.lost
    }

    /// Returns what went wrong, and how often.
    pub fn errors(&self) -> Vec<(ErrorKind, u64)> {
        let errors = self.tally.errors.0.iter();
        errors.map(|(kind, (count, _))| (*kind, *count)).collect()
    }

    /// Returns why it ended before its time, if it did.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }
}
