//! Packets that came, went, or were of no use (QUIC events §5.5–§5.7).

use serde::Serialize;

use super::{
    frame::FrameRecord,
    record::{EventContext, Records},
    value::{Version, hex, object, raw, token},
};
use crate::{
    Direction, DropReason,
    trace::{LossReason, Lost, Packet, PacketContent},
    wire::{Header, PacketType},
};

/// Bytes that packet protection adds (QUIC events §1.2).
const AEAD_TAG: usize = 16;

/// Writes what became of a packet.
pub(super) fn write(
    packet: &Packet<'_>,
    direction: Direction,
    datagram_id: u32,
    context: EventContext<'_>,
    records: &mut Records,
) {
    if packet.dropped == Some(DropReason::Padding) {
        return;
    }
    let raw = lengths(packet);
    if let Some((reason, trigger)) = dropped(packet, direction) {
        let dropped = object! {
            header?: full_header(packet),
            raw: raw,
            datagram_id: datagram_id,
            details: object! { reason: reason.to_string() },
            trigger: trigger,
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
    let more_versions = packet.header.and_then(more_versions);
    let passed = object! {
        header: header,
        frames?: content.map(|content| content.frames.iter().map(FrameRecord).collect::<Vec<_>>()),
        supported_versions?: packet.header.and_then(offered_versions),
        raw: raw,
        datagram_id: datagram_id,
        trigger?: content
            .filter(|_| direction == Direction::Sent)
            .and_then(retransmission_trigger),
    };
    let name = match direction {
        Direction::Received => "quic:packet_received",
        Direction::Sent => "quic:packet_sent",
    };
    let note = malformed.as_deref().or(more_versions.as_deref());
    let note = note.or(context.note);
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
    let data = object! {
        header: object! { packet_type: type_name(lost.packet_type), packet_number: lost.number },
        is_mtu_probe_packet?: matches!(lost.reason, LossReason::MtuProbe).then_some(true),
        trigger?: trigger,
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

fn full_header<'a>(packet: &Packet<'a>) -> Option<impl Serialize + use<'a>> {
    // What looks like the short header of a stateless reset is random (RFC 9000
    // §10.3).
    let header = packet.header.filter(|_| !packet.is_stateless_reset);
    if header.is_none() && !packet.is_stateless_reset {
        return None;
    }
    let content = packet.content.as_ref().filter(|_| header.is_some());
    let short = header.filter(|header| header.packet_type == PacketType::OneRtt);
    Some(object! {
        packet_type: header.map_or("stateless_reset", |header| type_name(header.packet_type)),
        spin_bit?: short.map(|header| header.spin),
        key_phase_bit?: short.and(content).map(|content| content.key_phase),
        packet_number_length?: content.map(|content| content.number_length),
        packet_number?: content.map(|content| content.number),
        token?: header.and_then(header_token),
        version?: header.and_then(|header| header.version).map(Version),
        scid?: header.and_then(|header| header.source.as_deref()).map(hex),
        dcid?: header.map(|header| hex(&header.destination)),
    })
}

/// Versions of a Version Negotiation packet that are written: a datagram has place for
/// thousands.
const VERSIONS_MAX: usize = 64;

/// Returns the versions of a Version Negotiation packet, if there are any.
pub(super) fn offered_versions(header: &Header) -> Option<Vec<Version>> {
    let versions = header.versions.iter().take(VERSIONS_MAX);
    let versions = versions.copied().map(Version);
    (!header.versions.is_empty()).then(|| versions.collect())
}

/// Returns how many versions there are, if not all are written.
pub(super) fn more_versions(header: &Header) -> Option<String> {
    let count = header.versions.len();
    (count > VERSIONS_MAX).then(|| format!("{count} versions, of which {VERSIONS_MAX} are told"))
}

/// Returns the token of an Initial packet, of which nobody can tell where the
/// client has it from, or of a Retry.
fn header_token(header: &Header) -> Option<impl Serialize> {
    let kind = (header.packet_type == PacketType::Retry).then_some("retry");
    (!header.token.is_empty()).then(|| token(kind, &header.token))
}

/// Returns a packet's length, and its payload's where it can be told: the
/// header of a long packet may have its Length field in 1, 2, 4 or 8 bytes.
fn lengths(packet: &Packet<'_>) -> impl Serialize + use<> {
    let short = packet
        .header
        .filter(|header| header.packet_type == PacketType::OneRtt);
    let payload = short
        .zip(packet.content.as_ref())
        .and_then(|(header, content)| {
            let around = 1 + header.destination.len() + content.number_length + AEAD_TAG;
            packet.size.checked_sub(around)
        });
    raw(packet.size, payload)
}

/// Returns why the endpoint made nothing of a packet, and how qlog calls that.
fn dropped(packet: &Packet<'_>, direction: Direction) -> Option<(DropReason, &'static str)> {
    let reason = packet.dropped?;
    if direction == Direction::Sent || packet.is_stateless_reset {
        return None;
    }
    let trigger = match reason {
        // Not the endpoint made nothing of it, but who looks on.
        DropReason::NoSecrets
        | DropReason::ClientHelloNotCaptured
        | DropReason::BeginningNotCaptured
        | DropReason::Cut
            if packet.header.is_some() =>
        {
            return None;
        }
        DropReason::Malformed(_)
        | DropReason::DatagramTooSmall
        | DropReason::ServerToken
        | DropReason::InvalidRetry => "invalid",
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
