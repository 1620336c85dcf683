//! The parts of a report.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whom load was put on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// On what messages travelled.
    pub over: String,
    /// `quic`, or what it is compared with: `tls` or `udp`.
    #[serde(default = "quic")]
    pub transport: String,
    /// Bytes of a message; of the shortest, if they differ.
    pub size_bytes: u64,
    /// Bytes of the longest, if they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_max_bytes: Option<u64>,
    /// Connections at once.
    pub connections: u64,
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
    /// What started the chances.
    pub seed: u64,
}

fn quic() -> String {
    "quic".into()
}

/// When a run was to begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The instant (RFC 3339).
    pub at: String,
    /// How much later it began, in seconds.
    pub late_s: f64,
}

/// How often something went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// What.
    pub kind: ErrorKind,
    /// How often.
    pub count: u64,
    /// The words of the first time.
    pub example: String,
}

/// What can go wrong on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// It did not come about.
    Handshake,
    /// It ended.
    Closed,
    /// The peer ended a stream too early.
    NotEchoed,
    /// What came back is not what was sent.
    Differs,
    /// The peer abandoned a stream (RESET_STREAM).
    Reset,
    /// The peer wants no more on a stream (STOP_SENDING).
    Stopped,
    /// An echo did not come in time.
    NoEcho,
    /// The peer takes no DATAGRAM frames.
    NoDatagrams,
    /// A message does not fit into a DATAGRAM frame.
    DatagramTooLarge,
}

/// Why a run ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// It was told to.
    Interrupted,
    /// No connection was left.
    NoConnection,
    /// Nobody listens there any more.
    ServerGone,
    /// One handshake after another failed.
    OnlyFailures,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::NoConnection => "no connection is left",
            Self::ServerGone => "nobody listens there any more",
            Self::OnlyFailures => "one connection after another failed",
        })
    }
}

/// What became of messages that went with the first packets (0-RTT).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyCounts {
    /// The server took so many of them.
    pub accepted: u64,
    /// It did not look at so many, which were sent again.
    pub rejected: u64,
}

/// What the transport tells of the measured time, of all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportCounts {
    /// QUIC packets sent.
    pub packets_sent: u64,
    /// Those of them that were declared lost; what was in them was sent again
    /// (RFC 9002 §6.1).
    pub packets_lost: u64,
    /// How often a congestion window was cut (RFC 9002 §7.3.2).
    pub congestion_events: u64,
    /// UDP datagrams sent.
    pub datagrams_sent: u64,
    /// UDP datagrams received.
    pub datagrams_received: u64,
    /// Bytes of UDP payload sent.
    pub bytes_sent: u64,
    /// Bytes of UDP payload received.
    pub bytes_received: u64,
    /// Largest UDP payload that any connection found to pass.
    pub mtu_bytes: u16,
}

/// What the load cost here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorCost {
    /// Processor time of all threads, in seconds.
    pub processor_s: f64,
    /// Share of the time in which the busiest thread had a processor.
    pub busiest_share: f64,
    /// Whether that was always: then these figures are the generator's, not
    /// the server's.
    pub is_bottleneck: bool,
}

/// What the load cost the server.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

/// How an open loop was kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleKept {
    /// Whether 99 of 100 messages left at most a millisecond late, and none
    /// was left out.
    pub is_kept: bool,
    /// Lateness that 99 of 100 messages did not exceed, in microseconds; `null` if
    /// none left.
    pub late_p99_us: Option<f64>,
    /// Messages that were never sent, because a million waited already.
    pub unsent: u64,
}

/// Everything since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalCounts {
    /// Connections that came about, the first one included, which finds the
    /// server and hangs up.
    pub connections: u64,
    /// Messages that came back.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What became of a bound that was set to a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// The bound, as it was typed.
    pub bound: String,
    /// The figure that it is about.
    pub figure: String,
    /// The figure's value: microseconds, messages or bytes a second, or a
    /// count. `null` if there is none.
    pub value: Option<f64>,
    /// Whether the run fails by it.
    pub fails: bool,
}

/// The highest rate at which a server keeps a bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaxRate {
    /// The bound.
    pub bound: String,
    /// The highest rate that was offered and kept, in messages a second;
    /// `null` if none was.
    pub rate_per_s: Option<f64>,
    /// The lowest rate that was offered and not kept, two times in a row.
    pub broken_at_per_s: Option<f64>,
    /// Whether it was the generator that could not keep that rate: then the
    /// limit is its own, and the server may do better.
    pub is_generators: bool,
}
