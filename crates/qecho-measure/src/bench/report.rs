//! What came of a load.

mod comparison;
mod histogram;
mod merge;
mod numbers;
mod parts;
mod reading;
mod sequence;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::{
    comparison::{Comparison, Ratio},
    merge::MergeError,
    numbers::{Interval, Latency},
    parts::{
        EarlyCounts, ErrorCount, ErrorKind, GeneratorCost, MaxRate, Run, ScheduleKept, Server,
        ServerCost, Start, Stop, ThresholdResult, TotalCounts, TransportCounts,
    },
};
use super::{
    config::{Arrival, Config, Goal, Mode, Sessions},
    generator::Outcome,
    probe::Reached,
    processor::Usage,
    tally::{PathCounts, Tally},
    threshold::Threshold,
};

/// The form of a report; a new number means that members have changed their
/// meaning.
pub const SCHEMA: u32 = 1;

/// Share of the time from which on a thread counts as always busy.
const BUSY: f64 = 0.95;

/// Lateness that an open loop's messages may have.
const LATE: Duration = Duration::from_millis(1);

/// What came of a load, as it is written to files too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Always `report`.
    pub event: String,
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of qecho.
    pub version: String,
    /// When it was begun (RFC 3339), if the program has said so.
    pub started_at: Option<String>,
    /// When it was to begin, if it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// Why the run ended before its time, if it did: what was measured until
    /// then stands here.
    pub partial: Option<String>,
    /// Whom load was put on.
    pub server: Server,
    /// What was asked for.
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
    /// is no achievement.
    pub rate_per_s: f64,
    /// Bytes of those messages a second, counted in one direction.
    pub goodput_bytes_per_s: f64,
    /// From the instant a message was meant to be sent until its last byte
    /// came back.
    pub latency: Latency,
    /// From the first packet of a connection to its completed handshake.
    pub connect: Latency,
    /// How many of those connections went on with a TLS session, if they were
    /// to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<u64>,
    /// What became of the messages that were to go with the first packets of
    /// those (0-RTT), if any were to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_data: Option<EarlyCounts>,
    /// DATAGRAM frames that did not come back in time.
    pub lost: u64,
    /// DATAGRAM frames that came back after that, or twice.
    pub late: u64,
    /// Messages that were still awaited at the end, or whose connection had
    /// ended.
    pub unanswered: u64,
    /// What went wrong.
    pub errors: Vec<ErrorCount>,
    /// What the transport tells.
    pub transport: TransportCounts,
    /// What the load cost here.
    pub generator: GeneratorCost,
    /// What it cost the server, if its process was named.
    pub server_process: Option<ServerCost>,
    /// How an open loop was kept; a closed loop has no schedule.
    pub schedule: Option<ScheduleKept>,
    /// The same over time.
    pub intervals: Vec<Interval>,
    /// Everything since the start, warm-up included: what the server counts.
    pub totals: TotalCounts,
    /// Whether it fails by what the user has set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fail_if: Vec<ThresholdResult>,
    /// The runs of which this tells together, if it is of several that followed
    /// one another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Self>,
    /// The same load over another transport, in turns with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Box<Comparison>>,
    /// What a search for the highest rate has found.
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

/// What a report is made of.
pub(super) struct Findings<'a> {
    pub(super) config: &'a Config,
    pub(super) server: Server,
    /// Connections that found the server.
    pub(super) probes: u64,
    pub(super) sockets: usize,
    pub(super) outcomes: &'a [Outcome],
    pub(super) intervals: Vec<Interval>,
    /// What the server's process had used: before the first connection, when
    /// the measuring began, and when it ended.
    pub(super) usages: Option<[Usage; 3]>,
}

impl Report {
    pub(super) fn new(findings: Findings<'_>) -> Self {
        let mut tally = Tally::default();
        for outcome in findings.outcomes {
            tally.add(&outcome.tally);
        }
        let elapsed = findings
            .outcomes
            .iter()
            .map(|outcome| outcome.elapsed)
            .max();
        let elapsed = elapsed.unwrap_or_default();
        let per_second = |count: u64| match elapsed {
            Duration::ZERO => 0.0,
            elapsed => count as f64 / elapsed.as_secs_f64(),
        };
        let sessions = findings.config.sessions;
        let stop = findings.outcomes.iter().find_map(|outcome| outcome.stop);
        Self {
            event: "report".into(),
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: None,
            start: start(findings.config, findings.outcomes),
            partial: stop.map(|stop| stop.to_string()),
            server: findings.server,
            run: run(findings.config, findings.sockets),
            elapsed_s: elapsed.as_secs_f64(),
            offered: tally.offered,
            messages: tally.messages,
            bytes: tally.bytes,
            rate_per_s: per_second(tally.in_time),
            goodput_bytes_per_s: per_second(tally.bytes_in_time),
            latency: Latency::of(&tally.latency),
            connect: Latency::of(&tally.connect),
            resumed: (sessions != Sessions::New).then_some(tally.resumed),
            early_data: (sessions == Sessions::EarlyData).then_some(tally.early),
            lost: tally.lost,
            late: tally.late,
            unanswered: tally
                .offered
                .saturating_sub(tally.messages + tally.lost + tally.unsent),
            errors: errors(&tally),
            transport: transport(&tally.path),
            generator: generator(findings.outcomes),
            server_process: findings.usages.and_then(|usages| {
                let pid = findings.config.server_pid?;
                Some(server_cost(pid, usages, &tally))
            }),
            schedule: schedule(findings.config.arrival, &tally),
            intervals: findings.intervals,
            totals: TotalCounts {
                connections: tally.totals.connections + findings.probes,
                messages: tally.totals.messages,
                bytes: tally.totals.bytes,
            },
            fail_if: Vec::new(),
            steps: Vec::new(),
            limit: None,
            comparison: None,
            histogram: histogram::encode(&tally.latency),
            connect_histogram: histogram::encode(&tally.connect),
        }
    }

    /// Notes for each of these whether it is true of the report, which fails
    /// then; so it does if it lacks the figure. Of a report in steps, unless
    /// they were a search, each step is judged.
    pub fn judge(&mut self, bounds: &[Threshold]) {
        if !self.steps.is_empty() && self.limit.is_none() {
            return self.steps.iter_mut().for_each(|step| step.judge(bounds));
        }
        let judged = bounds.iter().map(|bound| ThresholdResult {
            bound: bound.text.clone(),
            figure: bound.figure.to_string(),
            value: bound.figure.of(self),
            fails: bound.is_true_of(self).unwrap_or(true),
        });
        self.fail_if = judged.collect();
    }
}

/// Returns the name of a way as it is typed.
pub fn name(way: Mode) -> &'static str {
    match way {
        Mode::Stream => "stream",
        Mode::Bulk => "bulk",
        Mode::StreamPerMessage => "stream-per-message",
        Mode::Datagram => "datagram",
        Mode::Handshake => "handshake",
        Mode::Idle => "idle",
    }
}

fn start(config: &Config, outcomes: &[Outcome]) -> Option<Start> {
    let late = outcomes.iter().filter_map(|outcome| outcome.late).max()?;
    Some(Start {
        at: config.begin.as_ref()?.name.clone(),
        late_s: late.as_secs_f64(),
    })
}

/// Says whom QUIC has reached.
pub(super) fn server(config: &Config, reached: &Reached) -> Server {
    let handshake = &reached.handshake;
    let alpn = handshake.alpn.as_deref();
    let suite = format!("{:?}", handshake.cipher_suite);
    Server {
        name: config.target.server_name.clone(),
        address: reached.address.to_string(),
        alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()),
        cipher_suite: suite.replacen("TLS13_", "TLS_", 1),
        key_exchange: handshake.key_exchange.map(|group| format!("{group:?}")),
    }
}

fn run(config: &Config, sockets: usize) -> Run {
    let work = config.work;
    Run {
        over: name(work.way).into(),
        transport: "quic".into(),
        size_bytes: work.sizes.least as u64,
        size_max_bytes: (work.sizes.most > work.sizes.least).then_some(work.sizes.most as u64),
        connections: config.connections as u64,
        streams: work.streams as u64,
        in_flight: work.in_flight as u64,
        shards: config.shards as u64,
        sockets: sockets as u64,
        arrival: match config.arrival {
            Arrival::Closed => "closed",
            Arrival::Constant(_) => "constant",
            Arrival::Poisson(_) => "poisson",
        }
        .into(),
        offered_rate_per_s: config.arrival.rate(),
        duration_s: match config.goal {
            Goal::Duration(duration) => Some(duration.as_secs_f64()),
            Goal::Messages(_) => None,
        },
        count: match config.goal {
            Goal::Duration(_) => None,
            Goal::Messages(count) => Some(count.get()),
        },
        warmup_s: config.warmup.as_secs_f64(),
        verified: config.verify,
        seed: config.seed,
    }
}

fn errors(tally: &Tally) -> Vec<ErrorCount> {
    let counts = tally.errors.0.iter();
    let count = |(kind, (count, words)): (&ErrorKind, &(u64, String))| ErrorCount {
        kind: *kind,
        count: *count,
        example: words.clone(),
    };
    counts.map(count).collect()
}

fn transport(path: &PathCounts) -> TransportCounts {
    TransportCounts {
        packets_sent: path.traffic.packets_sent,
        packets_lost: path.packets_lost,
        congestion_events: path.congestion_events,
        datagrams_sent: path.traffic.datagrams_sent,
        datagrams_received: path.traffic.datagrams_received,
        bytes_sent: path.traffic.bytes_sent,
        bytes_received: path.traffic.bytes_received,
        mtu_bytes: path.mtu,
    }
}

fn generator(outcomes: &[Outcome]) -> GeneratorCost {
    let share = |outcome: &Outcome| match outcome.elapsed {
        Duration::ZERO => 0.0,
        // A turn that is long ends after the time that is measured.
        elapsed => (outcome.processor.as_secs_f64() / elapsed.as_secs_f64()).min(1.0),
    };
    let busiest_share = outcomes.iter().map(share).fold(0.0, f64::max);
    let processor: Duration = outcomes.iter().map(|outcome| outcome.processor).sum();
    GeneratorCost {
        processor_s: processor.as_secs_f64(),
        busiest_share,
        is_bottleneck: busiest_share >= BUSY,
    }
}

fn server_cost(pid: u32, [first, begun, ended]: [Usage; 3], tally: &Tally) -> ServerCost {
    let processor = ended.processor.saturating_sub(begun.processor);
    let each =
        |count: f64, unit: f64| (count > 0.0).then(|| processor.as_secs_f64() * unit / count);
    ServerCost {
        pid,
        processor_s: processor.as_secs_f64(),
        processor_us_per_message: each(tally.messages as f64, 1e6),
        processor_ms_per_megabyte: each(tally.bytes as f64 / 1e6, 1e3),
        memory_before_bytes: first.memory,
        memory_after_bytes: ended.memory,
    }
}

fn schedule(arrival: Arrival, tally: &Tally) -> Option<ScheduleKept> {
    arrival.rate()?;
    let late = Latency::of(&tally.lateness).p99_us;
    let limit = LATE.as_nanos() as f64 / 1e3;
    Some(ScheduleKept {
        is_kept: late.is_none_or(|late| late <= limit) && tally.unsent == 0,
        late_p99_us: late,
        unsent: tally.unsent,
    })
}
