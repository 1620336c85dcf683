//! Packets that came, went, or were of no use (QUIC events §5.5–§5.7).

use serde::Serialize;

use super::{
    frame::FrameRecord,
    record::{EventContext, Records},
    value::{Hex, RawInfo, Token, Version, hex},
};
use crate::{
    Direction, DropReason,
    trace::{LossReason, Lost, Packet, PacketContent},
    wire::{Header, PacketType},
};

/// Bytes that packet protection adds (QUIC events §1.2).
const AEAD_TAG: usize = 16;

#[derive(Default, Serialize)]
struct PacketHeader<'a> {
    packet_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    spin_bit: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_phase_bit: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet_number_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Token<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scid: Option<Hex<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dcid: Option<Hex<'a>>,
}

/// A packet that was sent, or received and made sense.
#[derive(Serialize)]
struct PacketPassed<'a> {
    header: PacketHeader<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<Vec<FrameRecord<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    supported_versions: Vec<Version>,
    raw: RawInfo<'a>,
    datagram_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<&'static str>,
}

#[derive(Serialize)]
struct PacketDropped<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<PacketHeader<'a>>,
    raw: RawInfo<'a>,
    datagram_id: u32,
    details: Details,
    trigger: &'static str,
}

#[derive(Serialize)]
struct Details {
    reason: String,
}

#[derive(Serialize)]
struct PacketLost<'a> {
    header: PacketHeader<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_mtu_probe_packet: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<&'static str>,
}

/// Writes what became of a packet.
pub(super) fn write(
    packet: &Packet<'_>,
    direction: Direction,
    datagram_id: u32,
    context: EventContext<'_>,
    records: &mut Records,
) {
    let raw = raw(packet);
    if let Some((reason, trigger)) = dropped(packet, direction) {
        let dropped = PacketDropped {
            header: full_header(packet),
            raw,
            datagram_id,
            details: Details {
                reason: reason.to_string(),
            },
            trigger,
        };
        records.event("quic:packet_dropped", context, dropped);
        return;
    }
    let Some(header) = full_header(packet) else {
        return;
    };
    let content = packet.content.as_ref();
    let malformed = content.and_then(|content| content.malformed);
    let malformed = malformed.map(|malformed| malformed.to_string());
    let passed = PacketPassed {
        header,
        frames: content.map(|content| content.frames.iter().map(FrameRecord::from).collect()),
        supported_versions: packet
            .header
            .iter()
            .flat_map(|header| header.versions.iter().copied().map(Version))
            .collect(),
        raw,
        datagram_id,
        trigger: content
            .filter(|_| direction == Direction::Sent)
            .and_then(retransmission_trigger),
    };
    let name = match direction {
        Direction::Received => "quic:packet_received",
        Direction::Sent => "quic:packet_sent",
    };
    let note = malformed.as_deref().or(context.note);
    records.event(name, EventContext { note, ..context }, passed);
}

/// Writes that a packet was declared lost, if its sender's eyes see it: the
/// draft has no event for what the other side believes.
pub(super) fn write_lost(lost: &Lost, context: EventContext<'_>, records: &mut Records) {
    if lost.direction == Direction::Received {
        return;
    }
    let trigger = match lost.reason {
        LossReason::PacketThreshold { .. } => Some("reordering_threshold"),
        LossReason::TimeThreshold { .. } => Some("time_threshold"),
        LossReason::MtuProbe => None,
    };
    let data = PacketLost {
        header: PacketHeader {
            packet_type: type_name(lost.packet_type),
            packet_number: Some(lost.number),
            ..PacketHeader::default()
        },
        is_mtu_probe_packet: matches!(lost.reason, LossReason::MtuProbe).then_some(true),
        trigger,
    };
    records.event("quic:packet_lost", context, data);
}

/// Returns the name of a packet's kind.
fn type_name(packet_type: PacketType) -> &'static str {
    match packet_type {
        PacketType::VersionNegotiation => "version_negotiation",
        PacketType::Initial => "initial",
        PacketType::ZeroRtt => "0RTT",
        PacketType::Handshake => "handshake",
        PacketType::Retry => "retry",
        PacketType::OneRtt => "1RTT",
        PacketType::Unknown => "unknown",
    }
}

fn full_header<'a>(packet: &Packet<'a>) -> Option<PacketHeader<'a>> {
    if packet.is_stateless_reset {
        // What looks like a short header is random (RFC 9000 §10.3).
        return Some(PacketHeader {
            packet_type: "stateless_reset",
            ..PacketHeader::default()
        });
    }
    let header = packet.header?;
    let content = packet.content.as_ref();
    let short = header.packet_type == PacketType::OneRtt;
    Some(PacketHeader {
        packet_type: type_name(header.packet_type),
        spin_bit: short.then_some(header.spin),
        key_phase_bit: content.filter(|_| short).map(|content| content.key_phase),
        packet_number_length: content.map(|content| content.number_length),
        packet_number: content.map(|content| content.number),
        token: token(header),
        version: header.version.map(Version),
        scid: header.source.as_deref().map(hex),
        dcid: Some(hex(&header.destination)),
    })
}

/// Returns the token of an Initial packet, of which nobody can tell where the
/// client has it from, or of a Retry.
fn token(header: &Header) -> Option<Token<'_>> {
    let kind = (header.packet_type == PacketType::Retry).then_some("retry");
    (!header.token.is_empty()).then(|| Token::new(kind, &header.token))
}

/// Returns a packet's length, and its payload's where it can be told: the
/// header of a long packet may have its Length field in 1, 2, 4 or 8 bytes.
fn raw(packet: &Packet<'_>) -> RawInfo<'static> {
    let short = |header: &&Header| header.packet_type == PacketType::OneRtt;
    let payload = |header: &Header, content: &PacketContent<'_>| {
        let around = 1 + header.destination.len() + content.number_length + AEAD_TAG;
        packet.size.checked_sub(around)
    };
    let opened = packet.header.filter(short).zip(packet.content.as_ref());
    RawInfo {
        payload_length: opened.and_then(|(header, content)| payload(header, content)),
        ..RawInfo::of_length(packet.size)
    }
}

/// Returns why the endpoint made nothing of a packet, and how qlog calls that.
fn dropped(packet: &Packet<'_>, direction: Direction) -> Option<(DropReason, &'static str)> {
    let reason = packet.dropped?;
    if direction == Direction::Sent || packet.is_stateless_reset {
        return None;
    }
    let trigger = match reason {
        // Not the endpoint made nothing of it, but who looks on.
        DropReason::NoSecrets | DropReason::Cut if packet.header.is_some() => return None,
        DropReason::Malformed(_) | DropReason::DatagramTooSmall | DropReason::InvalidRetry => {
            "invalid"
        }
        DropReason::NoKeys => "key_unavailable",
        DropReason::NotAuthentic => "decryption_failure",
        DropReason::Duplicate => "duplicate",
        DropReason::OtherAddress
        | DropReason::AnsweredWithRetry
        | DropReason::Refused
        | DropReason::TooFragmented
        | DropReason::Oversized
        | DropReason::HandshakeFailed => "rejected",
        DropReason::UnknownConnection => "connection_unknown",
        DropReason::UnsupportedVersion => "unsupported",
        _ => "general",
    };
    Some((reason, trigger))
}

/// Returns why a packet repeats what another carried, where that is sure: lost
/// frames may come again for other reasons than those that qlog knows.
fn retransmission_trigger(content: &PacketContent<'_>) -> Option<&'static str> {
    let mut earlier = content
        .frames
        .iter()
        .filter_map(|noted| noted.retransmission_of);
    earlier.any(|earlier| !earlier.lost).then_some("pto_probe")
}
