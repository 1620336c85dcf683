//! A ping, for people.

pub(crate) mod live;
pub(crate) mod rows;

use std::{
    io::{self, Write},
    time::Duration,
};

use qecho_engine::EarlyData;
use qecho_measure::ping::{
    Connected, Counts, LatencySummary, Measure, PingEvent, Reply, ReplyKind, Report, Transport,
};
use qecho_packet::text::{self, counted, grouped};
use qecho_trace::version;

use super::alpn;

/// Host that is pinged, and the messages that it gets.
#[derive(Clone, Debug)]
pub(crate) struct PingTarget {
    /// As it was typed, with its port.
    pub(crate) host: String,
    /// As it was typed.
    pub(crate) over: &'static str,
    /// Bytes of a message, where there are messages.
    pub(crate) size: Option<usize>,
    /// Time between pings; zero where each waits for the answer to the one before it.
    pub(crate) interval: Duration,
    /// Time for an answer, in words.
    pub(crate) timeout: String,
}

/// Writes that pinging begins.
pub(crate) fn begin(subject: &PingTarget, out: &mut dyn Write) -> io::Result<()> {
    let PingTarget { host, .. } = subject;
    writeln!(out, "PING {host} by version negotiation")
}

/// Writes whom the ping has reached, and who vouches for it.
pub(crate) fn connected(
    subject: &PingTarget,
    connected: &Connected,
    anchor: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let PingTarget {
        host, over, size, ..
    } = subject;
    let what = match (*over, size) {
        ("frame", _) => "PING frames".to_owned(),
        ("handshake", _) => "a new connection each time".to_owned(),
        (over, Some(size)) => format!("{} over {over}", counted(*size, "byte")),
        (over, None) => over.to_owned(),
    };
    writeln!(
        out,
        "PING {host} ({}), {what}; connected in {}, {}, verified by {anchor}",
        connected.address,
        text::duration(connected.elapsed),
        alpn(&connected.handshake),
    )
}

/// Writes what there is to tell of a ping, if it is an answer or that there is
/// none.
pub(crate) fn event(
    subject: &PingTarget,
    event: &PingEvent,
    out: &mut dyn Write,
) -> io::Result<()> {
    let PingTarget { host, timeout, .. } = subject;
    match event {
        PingEvent::Reply(reply) => writeln!(out, "{}", replied(host, reply)),
        PingEvent::Late(reply) => writeln!(out, "{}, late", replied(host, reply)),
        PingEvent::Duplicate { sequence } => writeln!(out, "{host}: seq={sequence} came once more"),
        PingEvent::Lost(lost) => {
            let nothing = || format!("no answer within {timeout}");
            let reason = lost.reason.clone().unwrap_or_else(nothing);
            writeln!(out, "{host}: seq={} lost: {reason}", lost.sequence)
        }
        PingEvent::Paused { pause, left_out } => writeln!(
            out,
            "{host}: qecho itself stood still for {}; {} under way left out",
            text::duration(*pause),
            counted(*left_out, "ping")
        ),
        _ => Ok(()),
    }
}

fn replied(host: &str, reply: &Reply) -> String {
    let Reply { sequence, time, .. } = reply;
    let what = match &reply.kind {
        ReplyKind::Echo { bytes } => counted(*bytes, "byte"),
        ReplyKind::Acknowledgement { .. } => "acknowledgement".into(),
        ReplyKind::Handshake(phases) if phases.resumed => "resumed handshake".into(),
        ReplyKind::Handshake(_) => "handshake".into(),
        _ => "answer".into(),
    };
    let more = match &reply.kind {
        ReplyKind::Acknowledgement { delay: Some(delay) } => {
            let less = text::duration(time.saturating_sub(*delay));
            format!(" ({less} less the peer's ack delay)")
        }
        ReplyKind::Handshake(phases) => {
            let after = |phase: &str, time: Option<std::time::Duration>| match time {
                Some(time) => format!("{phase} {}", text::duration(time)),
                None => format!("not {phase}"),
            };
            let first_reply = after("first reply", phases.first_reply);
            let confirmed = after("confirmed", phases.confirmed);
            let early = phases.early.map_or_else(String::new, |early| {
                let words = match early.early_data {
                    None => "no 0-RTT",
                    Some(EarlyData::Accepted) => "0-RTT accepted",
                    Some(EarlyData::Rejected) => "0-RTT rejected",
                };
                let echoed = early.echoed.map(|time| after(", echoed", Some(time)));
                format!(", {words}{}", echoed.unwrap_or_default())
            });
            format!(" ({first_reply}, {confirmed}{early})")
        }
        ReplyKind::Versions { versions, .. } => {
            format!(", versions {}", versions_in_words(versions))
        }
        _ => String::new(),
    };
    let time = text::duration(*time);
    format!("{what} from {host}: seq={sequence} time={time}{more}")
}

/// Versions of an answer that are shown; whoever answers may list thousands.
const VERSIONS_SHOWN_MAX: usize = 16;

/// Names versions as people call them, the first of them if they are many.
pub(super) fn version_names(versions: &[u32]) -> Vec<String> {
    let shown = versions.iter().take(VERSIONS_SHOWN_MAX);
    shown.map(|number| version(*number)).collect()
}

fn versions_in_words(versions: &[u32]) -> String {
    let mut words = version_names(versions);
    let left_out = versions.len() - words.len();
    if left_out > 0 {
        words.push(counted(left_out, "other"));
    }
    match words.is_empty() {
        true => "none".into(),
        false => words.join(", "),
    }
}

/// Writes what came of pinging a host.
pub(crate) fn ended(subject: &PingTarget, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let PingTarget { host, over, .. } = subject;
    writeln!(out, "\n--- {host} over {over} ---")?;
    writeln!(out, "{}", counts(&report.counts))?;
    if let Some(summary) = report.times.summary() {
        let name = match *over {
            "frame" => "round trip",
            "handshake" => "complete",
            "vn" => "answer",
            _ => "echo time",
        };
        times(name, &summary, out)?;
    }
    for (measure, others) in &report.others {
        if let Some(summary) = others.summary() {
            times(measure_name(*measure), &summary, out)?;
        }
    }
    match &report.transport {
        Some(figures) => transport(figures, out),
        None => Ok(()),
    }
}

fn counts(counts: &Counts) -> String {
    let finished = counts.received + counts.lost;
    let share = match finished {
        0 => 0.0,
        _ => counts.lost as f64 * 100.0 / finished as f64,
    };
    let percent = format!("{share:.1}");
    let percent = percent.trim_end_matches('0').trim_end_matches('.');
    let mut words = format!(
        "{} sent, {} received, {} lost ({percent}%)",
        counts.sent, counts.received, counts.lost
    );
    for (count, what) in [
        (counts.late, "of those late"),
        (counts.unanswered, "without an answer yet"),
        (counts.left_out, "left out"),
        (counts.duplicates, "duplicates"),
        (counts.reordered, "reordered"),
    ] {
        if count > 0 {
            words.push_str(&format!(", {count} {what}"));
        }
    }
    words
}

fn times(name: &str, summary: &LatencySummary, out: &mut dyn Write) -> io::Result<()> {
    let times = [
        ("min", Some(summary.min)),
        ("mean", Some(summary.mean)),
        ("p50", Some(summary.p50)),
        ("p90", summary.p90),
        ("p99", summary.p99),
        ("max", Some(summary.max)),
        ("jitter", summary.jitter),
    ];
    let known = times
        .into_iter()
        .filter_map(|(name, time)| Some((name, time?)));
    let words = known.map(|(name, time)| format!("{name} {}", text::duration(time)));
    writeln!(out, "{name:<14} {}", words.collect::<Vec<_>>().join(", "))
}

fn measure_name(measure: Measure) -> &'static str {
    match measure {
        Measure::LessAckDelay => "less ack delay",
        Measure::FirstReply => "first reply",
        Measure::Confirmed => "confirmed",
        Measure::Echoed => "echoed",
        _ => "other",
    }
}

fn transport(figures: &Transport, out: &mut dyn Write) -> io::Result<()> {
    let Transport { recovery, ecn, .. } = figures;
    let ecn = match (ecn.validated, ecn.congestion_experienced) {
        (None, _) => String::new(),
        (Some(false), _) => ", no ECN".into(),
        (Some(true), 0) => ", ECN works".into(),
        (Some(true), met) => format!(", ECN works, {} met congestion", counted(met, "datagram")),
    };
    writeln!(
        out,
        "{:<14} smoothed RTT {}, minimum RTT {}, congestion window {}, MTU {}, {} lost{ecn}",
        "transport",
        text::duration(recovery.smoothed_rtt),
        text::duration(recovery.min_rtt),
        counted(recovery.congestion_window, "byte"),
        grouped(recovery.mtu),
        counted(recovery.lost_packets, "packet"),
    )
}
