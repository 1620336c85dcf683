//! A report as it is written to files.

use serde::{Deserialize, Serialize};

use super::{
    latency::{Interval, Latency},
    parts::{
        GeneratorCost, Host, MaxRate, Run, ScheduleKept, Server, ServerCost, Start, ThresholdResult,
    },
};
use crate::bench::counters::{EarlyCounts, ErrorCount, TotalCounts, TransportCounts};

/// The form of a report; a new number means that members have changed their
/// meaning.
pub const SCHEMA: u32 = 1;

/// Report of a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// Always `report`.
    pub event: String,
    /// Time at which it was written (RFC 3339), if the program has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of qecho.
    pub version: String,
    /// Start of the program (RFC 3339), if it has said so.
    pub started_at: Option<String>,
    /// Words by which the program was started, as a shell takes them, if it has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_line: Option<String>,
    /// Host that made the load, if the program has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// Instant at which the load was to begin, if it was told one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// Reason for which the run ended before its time, if it did: the report
    /// has what was measured until then.
    pub partial: Option<String>,
    /// Server that load was put on.
    pub server: Server,
    /// Settings of the run.
    pub run: Run,
    /// Time of measuring, in seconds.
    pub elapsed_s: f64,
    /// Messages that were meant to be sent in that time.
    pub offered: u64,
    /// Those of them that came back, or connections that were held.
    pub messages: u64,
    /// Bytes of those messages, counted in one direction.
    pub bytes: u64,
    /// Messages a second that came back in that time: what comes back after it
    /// is no achievement. `null` if the run ended before the measuring began.
    pub rate_per_s: Option<f64>,
    /// Bytes of those messages a second, counted in one direction; `null` as the rate.
    pub goodput_bytes_per_s: Option<f64>,
    /// From the instant a message was meant to be sent until its last byte
    /// came back.
    pub latency: Latency,
    /// From the first packet of a connection to its completed handshake.
    pub connect: Latency,
    /// Number of those connections that resumed a TLS session, if they were to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<u64>,
    /// Fate of the messages that were to go with the first packets of those
    /// (0-RTT), if any were to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_data: Option<EarlyCounts>,
    /// DATAGRAM frames that did not come back in time.
    pub lost: u64,
    /// DATAGRAM frames that came back after that, or twice.
    pub late: u64,
    /// Messages that were still awaited at the end, or whose connection had
    /// ended.
    pub unanswered: u64,
    /// Failures of connections.
    pub errors: Vec<ErrorCount>,
    /// The transport's counts.
    pub transport: TransportCounts,
    /// Cost of the load here.
    pub generator: GeneratorCost,
    /// Cost of the load at the server, if its process was named.
    pub server_process: Option<ServerCost>,
    /// Punctuality of an open loop; a closed loop has no schedule.
    pub schedule: Option<ScheduleKept>,
    /// Rate and latency over time; in a comparison, at the times of its turns.
    pub intervals: Vec<Interval>,
    /// Counts of everything since the start, warm-up included, as the server
    /// has them.
    pub totals: TotalCounts,
    /// Results of the thresholds that the user has set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fail_if: Vec<ThresholdResult>,
    /// Reports of the runs that this one joins, if there were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Self>,
    /// The same load over another transport, in turns with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Box<Comparison>>,
    /// Result of a search for the highest rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<MaxRate>,
    /// The distribution of `latency` in nanoseconds: an HdrHistogram, V2
    /// compressed, in Base64 (RFC 4648 §4), as its tools in other languages
    /// read it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub histogram: String,
    /// The distribution of `connect` in the same form.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub connect_histogram: String,
}

/// A load over another transport, and how QUIC compares with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Report of the same load over `run.transport`.
    pub report: Report,
    /// Metrics of QUIC divided by those of the other, of all slices together.
    pub ratios: Vec<Ratio>,
}

/// A metric of QUIC divided by that of another transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ratio {
    /// The metric: `rate`, `goodput`, `p50`, `p99`, or `server_processor`, which
    /// is the server's processor time for each message.
    pub figure: String,
    /// QUIC's.
    pub quic: f64,
    /// The other's.
    pub other: f64,
    /// The one divided by the other.
    pub ratio: f64,
    /// Lower end of the ratio's 95 % confidence interval, as the pairs of slices have
    /// it; `null` if fewer than two pairs have the figure.
    #[serde(default)]
    pub low: Option<f64>,
    /// Its upper end.
    #[serde(default)]
    pub high: Option<f64>,
    /// The least that any pair of slices gave.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Ratio {
    /// Tells whether the confidence interval says that the two differ: it leaves out 1.
    pub fn shows_difference(&self) -> bool {
        let interval = self.low.zip(self.high);
        interval.is_some_and(|(low, high)| !(low..=high).contains(&1.0))
    }
}
