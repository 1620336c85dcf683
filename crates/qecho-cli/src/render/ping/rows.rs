//! A ping as rows of JSON or of comma-separated values.

use std::{
    io::{self, Write},
    time::Duration,
};

use qecho_engine::EarlyData;
use qecho_measure::ping::{
    Connected, LatencyRecorder, LatencySummary, Measure, PingEvent, Reply, ReplyKind, Report,
};
use qecho_packet::text::csv_field;
use serde_json::Value;

use super::{PingTarget, version_names};
use crate::render::{Object, alpn_name, cipher_suite, microseconds};

/// The columns of comma-separated values; a row leaves empty what it has not.
pub(crate) const COLUMNS: &str = "\
    event,host,over,seq,bytes,echo_time_us,round_trip_us,ack_delay_us,handshake_us,\
    first_reply_us,confirmed_us,resumed,early_data,echoed_us,negotiation_us,versions,versions_offered,reason,\
    sent,received,lost,unanswered,left_out,pause_us,late,duplicates,reordered,min_us,mean_us,p50_us,p90_us,\
    p99_us,max_us,jitter_us,smoothed_rtt_us,min_rtt_us,congestion_window,mtu,packets_lost,\
    ecn,schema,time";

fn row(kind: &str, host: &str) -> Object {
    Object::event(kind).with("host", host)
}

/// Returns whom the ping has reached.
pub(crate) fn connected(subject: &PingTarget, connected: &Connected, anchor: &str) -> Object {
    let handshake = &connected.handshake;
    row("connected", &subject.host)
        .with("handshake_us", microseconds(connected.elapsed))
        .with("address", connected.address)
        .with("verified_by", anchor)
        .with_some("alpn", handshake.alpn.as_deref().map(alpn_name))
        .with("cipher_suite", cipher_suite(handshake))
}

/// Returns what there is to tell of a ping, if that is anything.
pub(crate) fn event(subject: &PingTarget, event: &PingEvent) -> Option<Object> {
    let host = &subject.host;
    Some(match event {
        PingEvent::Reply(reply) => replied("reply", host, reply),
        PingEvent::Late(reply) => replied("late", host, reply),
        PingEvent::Duplicate { sequence } => row("duplicate", host).with("seq", sequence),
        PingEvent::Lost(lost) => row("lost", host)
            .with("seq", lost.sequence)
            .with_some("reason", lost.reason.as_deref()),
        PingEvent::Paused { pause, left_out } => row("paused", host)
            .with("pause_us", microseconds(*pause))
            .with("left_out", left_out),
        PingEvent::WithoutAlpn => row("without_alpn", host),
        _ => return None,
    })
}

fn replied(kind: &str, host: &str, reply: &Reply) -> Object {
    let row = row(kind, host).with("seq", reply.sequence);
    let time = microseconds(reply.time);
    match &reply.kind {
        ReplyKind::Echo { bytes } => row.with("bytes", bytes).with("echo_time_us", time),
        ReplyKind::Acknowledgement { delay } => row
            .with("round_trip_us", time)
            .with_some("ack_delay_us", delay.map(microseconds)),
        ReplyKind::Handshake(phases) => {
            let early_data = phases.early.map(|early| match early.early_data {
                None => "not_sent",
                Some(EarlyData::Accepted) => "accepted",
                Some(EarlyData::Rejected) => "rejected",
            });
            let echoed = phases.early.and_then(|early| early.echoed);
            row.with("handshake_us", time)
                .with_some("first_reply_us", phases.first_reply.map(microseconds))
                .with_some("confirmed_us", phases.confirmed.map(microseconds))
                .with("resumed", phases.resumed)
                .with_some("early_data", early_data)
                .with_some("echoed_us", echoed.map(microseconds))
        }
        ReplyKind::Versions { versions, bytes } => row
            .with("bytes", bytes)
            .with("negotiation_us", time)
            .with("versions", version_names(versions))
            .with("versions_offered", versions.len()),
        _ => row,
    }
}

/// Returns why there is no connection to a host, or none any more.
pub(crate) fn disconnected(host: &str, reason: &str, hint: Option<&str>) -> Object {
    row("disconnected", host)
        .with("reason", reason)
        .with_some("hint", hint)
}

/// Returns why a host was not pinged, or not to the end.
pub(crate) fn failed(host: &str, reason: &str, hint: Option<&str>) -> Object {
    row("error", host)
        .with("reason", reason)
        .with_some("hint", hint)
}

/// Returns what came of pinging a host.
pub(crate) fn ended(subject: &PingTarget, report: &Report) -> Object {
    let counts = &report.counts;
    let other = |wanted: Measure| {
        let mut others = report.others.iter();
        let found = others.find(|(measure, _)| *measure == wanted);
        found.map(|(_, other)| times(other))
    };
    let recovery = report.transport.map(|transport| transport.recovery);
    let ecn = report.transport.map(|transport| transport.ecn);
    row("summary", &subject.host)
        .with("over", subject.over)
        .with("sent", counts.sent)
        .with("received", counts.received)
        .with("lost", counts.lost)
        .with("unanswered", counts.unanswered)
        .with("left_out", counts.left_out)
        .with("late", counts.late)
        .with("duplicates", counts.duplicates)
        .with("reordered", counts.reordered)
        .and(times(&report.times))
        .with_some("less_ack_delay", other(Measure::LessAckDelay))
        .with_some("first_reply", other(Measure::FirstReply))
        .with_some("confirmed", other(Measure::Confirmed))
        .with_some("echoed", other(Measure::Echoed))
        .with(
            "smoothed_rtt_us",
            recovery.map(|path| microseconds(path.smoothed_rtt)),
        )
        .with(
            "min_rtt_us",
            recovery.map(|path| microseconds(path.min_rtt)),
        )
        .with(
            "congestion_window",
            recovery.map(|path| path.congestion_window),
        )
        .with("mtu", recovery.map(|path| path.mtu))
        .with("packets_lost", recovery.map(|path| path.lost_packets))
        .with("ecn", ecn.and_then(|ecn| ecn.validated))
        .with(
            "ecn_congestion_experienced",
            ecn.map(|ecn| ecn.congestion_experienced),
        )
        .with_schema()
}

/// Returns times in microseconds; `null` if there were none, or too few for a percentile.
fn times(times: &LatencyRecorder) -> Object {
    let summary = times.summary();
    let time = |pick: fn(&LatencySummary) -> Option<Duration>| {
        summary.as_ref().and_then(pick).map(microseconds)
    };
    Object::default()
        .with("min_us", time(|times| Some(times.min)))
        .with("mean_us", time(|times| Some(times.mean)))
        .with("p50_us", time(|times| Some(times.p50)))
        .with("p90_us", time(|times| times.p90))
        .with("p99_us", time(|times| times.p99))
        .with("max_us", time(|times| Some(times.max)))
        .with("jitter_us", time(|times| times.jitter))
}

/// Writes a row as comma-separated values.
pub(crate) fn csv(row: &Object, out: &mut dyn Write) -> io::Result<()> {
    let row = serde_json::to_value(row)?;
    let cells: Vec<_> = COLUMNS
        .split(',')
        .map(|column| cell(&row[column]))
        .collect();
    writeln!(out, "{}", cells.join(","))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => csv_field(text),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(cell).collect();
            csv_field(&values.join(" "))
        }
        other => other.to_string(),
    }
}
