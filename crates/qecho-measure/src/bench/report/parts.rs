//! The parts of a report.

use serde::{Deserialize, Serialize};

/// Server that load was put on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Server {
    /// The name that its certificate has.
    pub name: String,
    /// Its address.
    pub address: String,
    /// The application protocol that was agreed on.
    pub alpn: Option<String>,
    /// The cipher suite.
    pub cipher_suite: String,
    /// The group of the key exchange.
    pub key_exchange: Option<String>,
}

/// Host that made a load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its operating system, with the version and the machine's kind.
    pub system: String,
    /// Processors that the program may use.
    pub processors: u64,
}

/// Settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Carrier of the messages.
    pub over: String,
    /// `quic`, or the baseline: `tls` or `udp`.
    #[serde(default = "quic")]
    pub transport: String,
    /// Bytes of a message; of the shortest, if they differ.
    pub size_bytes: u64,
    /// Bytes of the longest, if they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_max_bytes: Option<u64>,
    /// Connections at once.
    pub connections: u64,
    /// Connections beside them that are held and on which nothing is sent, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_connections: Option<u64>,
    /// Long-lived streams of each.
    pub streams: u64,
    /// Messages that a closed loop has under way on each.
    pub in_flight: u64,
    /// Threads that made the load.
    pub shards: u64,
    /// Sockets of all threads together.
    pub sockets: u64,
    /// `closed`, `constant` or `poisson`.
    pub arrival: String,
    /// Messages a second that an open loop offers.
    pub offered_rate_per_s: Option<f64>,
    /// Time of measuring that was asked for, in seconds.
    pub duration_s: Option<f64>,
    /// Messages that were asked for.
    pub count: Option<u64>,
    /// Time before the measuring, in seconds.
    pub warmup_s: f64,
    /// Whether every byte was compared.
    pub verified: bool,
    /// Seed of the random numbers.
    pub seed: u64,
}

fn quic() -> String {
    "quic".into()
}

/// Instant at which a run was to begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Start {
    /// The instant (RFC 3339).
    pub at: String,
    /// Lateness of the beginning, in seconds.
    pub late_s: f64,
}

/// Cost of the load here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GeneratorCost {
    /// Processor time of all threads, in seconds.
    pub processor_s: f64,
    /// Share of the time in which the busiest thread had a processor.
    pub busiest_share: f64,
    /// Whether that was always: then the generator was measured, not the
    /// server.
    pub is_bottleneck: bool,
    /// Longest time for which the generator itself stood still, in seconds, if it did: it was stopped,
    /// or had no processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_s: Option<f64>,
}

/// Cost of the load at the server.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerCost {
    /// Its process.
    pub pid: u32,
    /// Processor time of all its threads, in seconds.
    pub processor_s: f64,
    /// The same for each message, in microseconds.
    pub processor_us_per_message: Option<f64>,
    /// The same for each megabyte of messages, in milliseconds.
    pub processor_ms_per_megabyte: Option<f64>,
    /// Resident memory before the first connection, in bytes.
    pub memory_before_bytes: Option<u64>,
    /// Resident memory when the measuring ended, in bytes.
    pub memory_after_bytes: Option<u64>,
}

/// Punctuality of an open loop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduleKept {
    /// Whether 99 of 100 messages left at most a millisecond late, and none
    /// was left out.
    pub is_kept: bool,
    /// Lateness that 99 of 100 messages did not exceed, in microseconds; `null` if
    /// fewer than 100 left.
    pub late_p99_us: Option<f64>,
    /// Messages that were never sent, because a million waited already.
    pub unsent: u64,
}

/// Result of a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ThresholdResult {
    /// The threshold, as it was typed.
    pub bound: String,
    /// The metric.
    pub figure: String,
    /// The metric's value: microseconds, messages or bytes a second, or a
    /// count. `null` if there is none.
    pub value: Option<f64>,
    /// The longest time, in microseconds, which was compared in place of a percentile
    /// that the messages were too few for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_us: Option<f64>,
    /// Whether the run fails by it.
    pub fails: bool,
}

/// The highest rate at which a server stays within a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MaxRate {
    /// The threshold.
    pub bound: String,
    /// The highest rate that was offered and sustained, in messages a second;
    /// `null` if none was.
    pub rate_per_s: Option<f64>,
    /// The lowest rate that was offered and not sustained, two times in a row.
    pub broken_at_per_s: Option<f64>,
    /// Whether it was the generator that could not sustain that rate: then the
    /// limit is its own, and the server may do better.
    pub is_generators: bool,
}

impl GeneratorCost {
    pub(super) fn add(&mut self, other: Self) {
        self.processor_s += other.processor_s;
        self.busiest_share = self.busiest_share.max(other.busiest_share);
        self.is_bottleneck |= other.is_bottleneck;
        let paused = self.paused_s.into_iter().chain(other.paused_s);
        self.paused_s = paused.reduce(f64::max);
    }
}
