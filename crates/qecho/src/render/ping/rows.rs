//! What a ping shows, as JSON or as comma-separated values: the same rows.

use std::{
    io::{self, Write},
    time::Duration,
};

use qecho_engine::EarlyData;
use qecho_measure::ping::{
    Connected, LatencyRecorder, LatencySummary, Measure, PingEvent, Reply, ReplyKind, Report,
};
use serde::Serialize;
use serde_json::Value;

use super::{Subject, version_name};
use crate::render::{alpn_name, cipher_suite, json_line, microseconds};

/// Version of the form of these rows.
const SCHEMA: u32 = 1;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Csv,
}

/// The columns of comma-separated values; a row leaves empty what it has not.
const COLUMNS: &[&str] = &[
    "type",
    "host",
    "over",
    "seq",
    "bytes",
    "echo_time_us",
    "round_trip_us",
    "ack_delay_us",
    "handshake_us",
    "first_reply_us",
    "confirmed_us",
    "resumed",
    "early_data",
    "echoed_us",
    "negotiation_us",
    "versions",
    "reason",
    "sent",
    "received",
    "lost",
    "unanswered",
    "late",
    "duplicates",
    "reordered",
    "min_us",
    "mean_us",
    "p50_us",
    "p90_us",
    "p99_us",
    "max_us",
    "jitter_us",
    "smoothed_rtt_us",
    "min_rtt_us",
    "congestion_window",
    "mtu",
    "packets_lost",
    "ecn",
    "schema",
];

/// A row of its kind, with what it has.
#[derive(Debug, Default, Serialize)]
struct Row<'a> {
    r#type: &'static str,
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    echo_time_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack_delay_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_reply_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    early_data: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    echoed_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negotiation_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alpn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher_suite: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// Writes the header that the form has.
pub(crate) fn header(form: Form, out: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Json => Ok(()),
        Form::Csv => writeln!(out, "{}", COLUMNS.join(",")),
    }
}

/// Writes whom the ping has reached.
pub(crate) fn connected(
    form: Form,
    subject: &Subject,
    connected: &Connected,
    anchor: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let handshake = &connected.handshake;
    let row = Row {
        r#type: "connected",
        host: &subject.host,
        handshake_us: Some(microseconds(connected.elapsed)),
        address: Some(connected.address.to_string()),
        verified_by: Some(anchor),
        alpn: handshake.alpn.as_deref().map(alpn_name),
        cipher_suite: Some(cipher_suite(handshake)),
        ..Row::default()
    };
    write(form, &row, out)
}

/// Writes what there is to tell of a ping.
pub(crate) fn news(
    form: Form,
    subject: &Subject,
    event: &PingEvent,
    out: &mut dyn Write,
) -> io::Result<()> {
    let host = &subject.host;
    let row = match event {
        PingEvent::Reply(reply) => replied("reply", host, reply),
        PingEvent::Late(reply) => replied("late", host, reply),
        PingEvent::Duplicate { sequence } => Row {
            r#type: "duplicate",
            host,
            seq: Some(*sequence),
            ..Row::default()
        },
        PingEvent::Lost(lost) => Row {
            r#type: "lost",
            host,
            seq: Some(lost.sequence),
            reason: lost.reason.as_deref(),
            ..Row::default()
        },
        PingEvent::WithoutAlpn => Row {
            r#type: "without_alpn",
            host,
            ..Row::default()
        },
        _ => return Ok(()),
    };
    write(form, &row, out)
}

fn replied<'a>(kind: &'static str, host: &'a str, reply: &Reply) -> Row<'a> {
    let mut row = Row {
        r#type: kind,
        host,
        seq: Some(reply.sequence),
        ..Row::default()
    };
    let time = Some(microseconds(reply.time));
    match &reply.kind {
        ReplyKind::Echo { bytes } => {
            row.bytes = Some(*bytes);
            row.echo_time_us = time;
        }
        ReplyKind::Acknowledgement { delay } => {
            row.round_trip_us = time;
            row.ack_delay_us = delay.map(microseconds);
        }
        ReplyKind::Handshake(phases) => {
            row.handshake_us = time;
            row.first_reply_us = phases.first_reply.map(microseconds);
            row.confirmed_us = phases.confirmed.map(microseconds);
            row.resumed = Some(phases.resumed);
            row.early_data = phases.early.map(|early| match early.early_data {
                None => "not_sent",
                Some(EarlyData::Accepted) => "accepted",
                Some(EarlyData::Rejected) => "rejected",
            });
            row.echoed_us = phases
                .early
                .and_then(|early| early.echoed)
                .map(microseconds);
        }
        ReplyKind::Versions { versions, bytes } => {
            row.bytes = Some(*bytes);
            row.negotiation_us = time;
            row.versions = Some(versions.iter().map(|one| version_name(*one)).collect());
        }
        _ => {}
    }
    row
}

/// Writes why a host was not pinged, or not to the end.
pub(crate) fn failed(
    form: Form,
    host: &str,
    reason: &str,
    hint: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let row = Row {
        r#type: "error",
        host,
        reason: Some(reason),
        hint,
        ..Row::default()
    };
    write(form, &row, out)
}

/// What came of pinging a host.
#[derive(Debug, Serialize)]
struct SummaryRow<'a> {
    r#type: &'static str,
    host: &'a str,
    over: &'static str,
    sent: u64,
    received: u64,
    lost: u64,
    unanswered: u64,
    late: u64,
    duplicates: u64,
    reordered: u64,
    #[serde(flatten)]
    times: TimesPart,
    #[serde(skip_serializing_if = "Option::is_none")]
    less_ack_delay: Option<TimesPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_reply: Option<TimesPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<TimesPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    echoed: Option<TimesPart>,
    smoothed_rtt_us: Option<f64>,
    min_rtt_us: Option<f64>,
    congestion_window: Option<u64>,
    mtu: Option<u16>,
    packets_lost: Option<u64>,
    ecn: Option<bool>,
    ecn_congestion_experienced: Option<u64>,
    schema: u32,
}

/// Times in microseconds; `null` if there were none.
#[derive(Debug, Default, Serialize)]
struct TimesPart {
    min_us: Option<f64>,
    mean_us: Option<f64>,
    p50_us: Option<f64>,
    p90_us: Option<f64>,
    p99_us: Option<f64>,
    max_us: Option<f64>,
    jitter_us: Option<f64>,
}

impl From<&LatencyRecorder> for TimesPart {
    fn from(times: &LatencyRecorder) -> Self {
        let summary = times.summary();
        let part =
            |pick: fn(&LatencySummary) -> Duration| summary.as_ref().map(pick).map(microseconds);
        Self {
            min_us: part(|times| times.min),
            mean_us: part(|times| times.mean),
            p50_us: part(|times| times.p50),
            p90_us: part(|times| times.p90),
            p99_us: part(|times| times.p99),
            max_us: part(|times| times.max),
            jitter_us: part(|times| times.jitter),
        }
    }
}

/// Writes what came of pinging a host.
pub(crate) fn ended(
    form: Form,
    subject: &Subject,
    report: &Report,
    out: &mut dyn Write,
) -> io::Result<()> {
    let counts = &report.counts;
    let other = |wanted: Measure| {
        let mut others = report.others.iter();
        let found = others.find(|(measure, _)| *measure == wanted);
        found.map(|(_, times)| times.into())
    };
    let recovery = report.transport.map(|transport| transport.recovery);
    let ecn = report.transport.map(|transport| transport.ecn);
    let row = SummaryRow {
        r#type: "summary",
        host: &subject.host,
        over: subject.over,
        sent: counts.sent,
        received: counts.received,
        lost: counts.lost,
        unanswered: counts.unanswered,
        late: counts.late,
        duplicates: counts.duplicates,
        reordered: counts.reordered,
        times: (&report.times).into(),
        less_ack_delay: other(Measure::LessAckDelay),
        first_reply: other(Measure::FirstReply),
        confirmed: other(Measure::Confirmed),
        echoed: other(Measure::Echoed),
        smoothed_rtt_us: recovery.map(|path| microseconds(path.smoothed_rtt)),
        min_rtt_us: recovery.map(|path| microseconds(path.min_rtt)),
        congestion_window: recovery.map(|path| path.congestion_window),
        mtu: recovery.map(|path| path.mtu),
        packets_lost: recovery.map(|path| path.lost_packets),
        ecn: ecn.and_then(|ecn| ecn.validated),
        ecn_congestion_experienced: ecn.map(|ecn| ecn.congestion_experienced),
        schema: SCHEMA,
    };
    write(form, &row, out)
}

fn write(form: Form, row: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    if form == Form::Json {
        return json_line(row, out);
    }
    let row = serde_json::to_value(row)?;
    let cells: Vec<_> = COLUMNS.iter().map(|column| cell(&row[column])).collect();
    writeln!(out, "{}", cells.join(","))
}

/// Writes one value as RFC 4180 has it.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}
