//! Packets of a capture, as tshark sees them.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::env::TestEnv;

/// A packet as somebody sees it; two who look at the same packet must say the
/// same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    /// Whether it came to the end that looks.
    pub(crate) came: bool,
    /// By its name in RFC 9000.
    pub(crate) packet_type: &'static str,
    pub(crate) number: Option<u64>,
    /// Each with its fields.
    pub(crate) frames: Vec<String>,
}

/// A tshark that reads a capture in which all is QUIC.
///
/// Left to itself it goes by port numbers, of which some that the system hands
/// out belong to other protocols, and then by what the first bytes look like.
pub(crate) fn reader(env: &TestEnv, capture: &Path) -> Command {
    let mut command = env.command("tshark");
    command.args(["-d", "udp.port==1-65535,quic", "-r"]);
    command.arg(capture);
    command
}

/// The datagrams of a capture, each with its packets.
pub(crate) fn datagrams(env: &TestEnv, capture: &Path) -> Vec<Vec<Seen>> {
    let mut command = reader(env, capture);
    command.args(["-T", "json", "--no-duplicate-keys", "-J", "frame quic"]);
    let output = command
        .output()
        .expect("tshark is here: `cargo xtask setup` installs it");
    let datagrams: Vec<Value> = serde_json::from_slice(&output.stdout).expect("tshark writes JSON");
    datagrams
        .iter()
        .map(|datagram| packets(&datagram["_source"]["layers"]))
        .collect()
}

fn packets(layers: &Value) -> Vec<Seen> {
    let direction = &layers["frame"]["frame.packet_flags_tree"]["frame.packet_flags_direction"];
    let came = direction == "0x00000001";
    let packets = list(&layers["quic"]).into_iter();
    packets.map(|packet| seen(packet, came)).collect()
}

fn seen(packet: &Value, came: bool) -> Seen {
    // What is known of a short header only once it is decrypted stands deeper.
    let inner = match &packet["quic.short"] {
        Value::Null => packet,
        short => short,
    };
    let number = ["quic.packet_number"]
        .into_iter()
        .flat_map(|key| [&packet[key], &inner[key]])
        .find_map(text);
    let frames = match &packet["quic.frame"] {
        Value::Null => &inner["quic.frame"],
        frames => frames,
    };
    Seen {
        came,
        packet_type: packet_type(packet),
        number: number.map(integer),
        frames: list(frames).into_iter().map(frame).collect(),
    }
}

fn packet_type(packet: &Value) -> &'static str {
    if packet["quic.version"] == "0x00000000" {
        return "Version Negotiation";
    }
    match text(&packet["quic.long.packet_type"]) {
        None if packet["quic.header_form"] == "1" => "unknown",
        None => "1-RTT",
        Some("0") => "Initial",
        Some("1") => "0-RTT",
        Some("2") => "Handshake",
        Some("3") => "Retry",
        Some(other) => panic!("a long header of type {other}"),
    }
}

fn frame(frame: &Value) -> String {
    let field = |name: &str| integer(text(&frame[name]).unwrap_or("0"));
    match field("quic.frame_type") {
        0x00 => format!("PADDING {}", field("quic.padding_length")),
        0x01 => "PING".into(),
        0x02 | 0x03 => ack(frame),
        0x04 => format!("RESET_STREAM {}", field("quic.rsts.stream_id")),
        0x05 => format!("STOP_SENDING {}", field("quic.ss.stream_id")),
        0x06 => format!(
            "CRYPTO {}+{}",
            field("quic.crypto.offset"),
            field("quic.crypto.length")
        ),
        0x07 => "NEW_TOKEN".into(),
        0x08..=0x0f => {
            let data = text(&frame["quic.stream_data"]).unwrap_or_default();
            let length = data.split(':').filter(|byte| !byte.is_empty()).count();
            let fin = frame["quic.frame_type_tree"]["quic.stream.fin"] == "1";
            let (id, offset) = (field("quic.stream.stream_id"), field("quic.stream.offset"));
            stream(id, offset, length as u64, fin)
        }
        0x10 => format!("MAX_DATA {}", field("quic.md.maximum_data")),
        0x11 => format!("MAX_STREAM_DATA {}", field("quic.msd.stream_id")),
        0x12 | 0x13 => format!("MAX_STREAMS {}", field("quic.ms.max_streams")),
        0x14 => "DATA_BLOCKED".into(),
        0x15 => format!("STREAM_DATA_BLOCKED {}", field("quic.sdb.stream_id")),
        0x16 | 0x17 => "STREAMS_BLOCKED".into(),
        0x18 => format!(
            "NEW_CONNECTION_ID {} {}",
            field("quic.nci.sequence"),
            hex(&frame["quic.nci.connection_id"])
        ),
        0x19 => format!("RETIRE_CONNECTION_ID {}", field("quic.rci.sequence")),
        0x1a => "PATH_CHALLENGE".into(),
        0x1b => "PATH_RESPONSE".into(),
        0x1c => format!("CONNECTION_CLOSE {}", field("quic.cc.error_code")),
        0x1d => format!("CONNECTION_CLOSE {}", field("quic.cc.error_code.app")),
        0x1e => "HANDSHAKE_DONE".into(),
        0x1f => IMMEDIATE_ACK.into(),
        0x30 | 0x31 => {
            let data = text(&frame["quic.dg"]).unwrap_or_default();
            let bytes = data.split(':').filter(|byte| !byte.is_empty());
            format!("DATAGRAM {}", bytes.count())
        }
        other => panic!("a frame of type {other:#x}"),
    }
}

/// A frame of an extension (draft-ietf-quic-ack-frequency §5) that tshark does
/// not know; it says nothing of what follows.
pub(crate) const IMMEDIATE_ACK: &str = "IMMEDIATE_ACK";

/// A STREAM frame in our words.
pub(crate) fn stream(id: u64, offset: u64, length: u64, fin: bool) -> String {
    let fin = if fin { " FIN" } else { "" };
    format!("STREAM {id} {offset}+{length}{fin}")
}

/// An ACK frame in our words, the highest range first.
pub(crate) fn acknowledged(mut ranges: Vec<(u64, u64)>) -> String {
    ranges.sort();
    let range = |(first, last): &(u64, u64)| format!("{first}-{last}");
    let ranges: Vec<_> = ranges.iter().rev().map(range).collect();
    format!("ACK {}", ranges.join(" "))
}

/// Reads the ranges as RFC 9000 §19.3.1 writes them.
fn ack(frame: &Value) -> String {
    let field = |name: &str| integer(text(&frame[name]).unwrap_or("0"));
    let numbers = |name: &str| list(&frame[name]).into_iter().filter_map(text).map(integer);
    let mut last = field("quic.ack.largest_acknowledged");
    let mut first = last - field("quic.ack.first_ack_range");
    let mut ranges = vec![(first, last)];
    let gaps = numbers("quic.ack.gap").zip(numbers("quic.ack.ack_range"));
    for (gap, length) in gaps {
        last = first - gap - 2;
        first = last - length;
        ranges.push((first, last));
    }
    acknowledged(ranges)
}

/// A field that is there once, more than once, or not at all.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

fn integer(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|_| panic!("`{text}` is no number"))
}

fn hex(value: &Value) -> String {
    text(value).unwrap_or_default().replace(':', "")
}
