//! A packet on its line: what it is, and what it carries.

use std::net::SocketAddr;

use anstyle::Style;
use qecho_packet::{
    Direction, DropReason,
    text::{self, counted, grouped},
    trace::{AnnotatedFrame, Datagram, Packet, PacketContent},
    wire::{Frame, Header, PacketType},
};

use super::{
    colour::{self, DIM, PLAIN, WRONG},
    frame,
    line::Line,
    names,
    number::{hex, hex_or_empty},
};

/// Versions of a Version Negotiation packet that are shown.
const VERSIONS_SHOWN_MAX: usize = 16;

/// Columns of a packet's kind and number, and of its size.
const NAME_COLUMNS: usize = 12;
const SIZE_COLUMNS: usize = 7;

/// Columns from the beginning of [`begin`] to what follows.
pub(super) const COLUMNS: usize = NAME_COLUMNS + 1 + SIZE_COLUMNS + 2;

/// Returns the kind and number of a packet, as they are said.
pub(crate) fn name(packet: &Packet<'_>) -> String {
    match (packet.header, &packet.content) {
        _ if packet.is_stateless_reset => "Stateless Reset".into(),
        (None, _) => "no packet".into(),
        (Some(header), None) => header.packet_type.name().into(),
        (Some(header), Some(content)) => numbered(header.packet_type, content.number),
    }
}

/// Returns the kind and number of a packet, as they are said.
pub(crate) fn numbered(packet_type: PacketType, number: u64) -> String {
    format!("{} {number}", packet_type.name())
}

/// Returns the style of a packet's name.
pub(super) fn style(packet: &Packet<'_>) -> Style {
    match packet.header {
        _ if packet.is_stateless_reset => WRONG,
        _ if packet.dropped.is_some() => ignored(packet),
        Some(header) => colour::packet(header.packet_type),
        None => PLAIN,
    }
}

/// Returns the style of what was not processed: of a connection that was
/// closed, that is as it should be (RFC 9000 §10.2.1), and padding is none.
fn ignored(packet: &Packet<'_>) -> Style {
    match packet.dropped {
        Some(DropReason::Closed | DropReason::Padding) => DIM,
        _ => WRONG,
    }
}

/// Appends the columns of a packet's name and size.
pub(super) fn begin(line: &mut Line, style: Style, name: &str, size: usize) {
    line.word(style, format!("{name:<NAME_COLUMNS$}"));
    let size = format!("{} B", grouped(size));
    line.push(PLAIN, format!(" {size:>SIZE_COLUMNS$} "));
}

/// Appends what became of a packet, if not the usual.
pub(super) fn fate(line: &mut Line, datagram: &Datagram<'_>, packet: &Packet<'_>, strange: bool) {
    if let Some(reason) = datagram.unsent {
        line.item(WRONG, format!("not sent: {}", text::shown(reason)));
    }
    if packet.is_stateless_reset {
        line.item(WRONG, "the peer has lost the connection (RFC 9000 §10.3)");
    } else if packet.dropped == Some(DropReason::Padding) {
        line.item(DIM, DropReason::Padding.to_string());
    } else if let Some(reason) = packet.dropped {
        line.item(ignored(packet), format!("not processed: {reason}"));
    }
    // What belongs to no connection says elsewhere whose it is.
    if strange {
        line.item(PLAIN, far_end(datagram.direction, datagram.remote));
    }
}

fn far_end(direction: Direction, remote: SocketAddr) -> String {
    match direction {
        Direction::Received => format!("from {remote}"),
        Direction::Sent => format!("to {remote}"),
    }
}

/// Appends what a packet carries, in short.
pub(super) fn in_short(line: &mut Line, packet: &Packet<'_>) {
    if let Some(header) = packet.header {
        short_header(line, header);
    }
    let Some(content) = &packet.content else {
        return not_opened(line, packet);
    };
    let mut frames = content.frames.as_slice();
    while let Some((noted, rest)) = frames.split_first() {
        if let Some((count, text)) = frame::together(frames) {
            line.item(PLAIN, text);
            frames = &frames[count..];
            continue;
        }
        let style = frame_style(noted);
        let mut pieces = frame::short(noted).into_iter();
        line.item(style, pieces.next().unwrap_or_default());
        for piece in pieces {
            line.word(style, piece);
        }
        frames = rest;
    }
    end(line, content);
}

/// Appends what is remarkable of a header among frames.
fn short_header(line: &mut Line, header: &Header) {
    match header.packet_type {
        PacketType::VersionNegotiation => {
            line.item(PLAIN, versions(&header.versions));
        }
        PacketType::Retry => {
            let source = header.source.unwrap_or_default();
            line.item(PLAIN, token(&header.token));
            line.item(PLAIN, format!("source {}", hex_or_empty(&source)));
        }
        PacketType::Initial if !header.token.is_empty() => {
            line.item(PLAIN, token(&header.token));
        }
        PacketType::Unknown => {
            let version = header.version.unwrap_or_default();
            line.item(PLAIN, format!("version {}", names::version(version)));
        }
        _ => {}
    }
}

fn token(token: &[u8]) -> String {
    match token {
        [] => "no token".into(),
        _ => format!("token {}", counted(token.len(), "byte")),
    }
}

fn versions(versions: &[u32]) -> String {
    let shown = versions.iter().take(VERSIONS_SHOWN_MAX);
    let mut names: Vec<_> = shown.map(|version| names::version(*version)).collect();
    let left_out = versions.len() - names.len();
    if left_out > 0 {
        names.push(counted(left_out, "other"));
    }
    format!("versions {}", names.join(", "))
}

/// Appends that a packet is closed, if nothing else has said why.
fn not_opened(line: &mut Line, packet: &Packet<'_>) {
    let sealed = packet
        .header
        .is_some_and(|header| header.packet_type.is_protected());
    if sealed && packet.dropped.is_none() && !packet.is_stateless_reset {
        line.item(DIM, "not opened");
    }
}

/// Appends where the frames end to make sense.
fn end(line: &mut Line, content: &PacketContent<'_>) {
    if let Some(malformed) = content.malformed {
        line.item(WRONG, malformed.to_string());
    } else if content.frames.is_empty() {
        line.item(WRONG, "no frames");
    }
}

fn frame_style(noted: &AnnotatedFrame<'_>) -> Style {
    match noted.frame {
        Frame::Padding { .. } => DIM,
        _ => PLAIN,
    }
}

/// Appends everything that a header says, and where the packet stands in its
/// datagram.
pub(super) fn header_in_full(line: &mut Line, datagram: &Datagram<'_>, index: usize) {
    let packet = &datagram.packets[index];
    if let Some(header) = packet.header {
        full_header(line, header);
    }
    match &packet.content {
        Some(content) => {
            let length = counted(content.number_length, "byte");
            line.item(PLAIN, format!("number in {length}"));
            if packet.header.is_some_and(is_short) {
                let phase = u8::from(content.key_phase);
                line.item(PLAIN, format!("key phase {phase}"));
            }
        }
        None => not_opened(line, packet),
    }
    let (size, count) = (counted(datagram.size, "byte"), datagram.packets.len());
    line.item(
        PLAIN,
        match count {
            0 | 1 => format!("datagram of {size}"),
            _ => format!("{} of {count} in a datagram of {size}", index + 1),
        },
    );
    if let Some(mark) = names::ecn(datagram.ecn) {
        line.item(PLAIN, mark);
    }
}

fn is_short(header: &Header) -> bool {
    header.packet_type == PacketType::OneRtt
}

fn full_header(line: &mut Line, header: &Header) {
    if let Some(version) = header.version.filter(|version| *version != 0) {
        line.item(PLAIN, format!("version {}", names::version(version)));
    }
    let destination = hex_or_empty(&header.destination);
    line.item(PLAIN, format!("destination {destination}"));
    if let Some(source) = header.source {
        line.item(PLAIN, format!("source {}", hex_or_empty(&source)));
    }
    match header.packet_type {
        PacketType::Initial | PacketType::Retry => {
            line.item(PLAIN, token(&header.token));
            if !header.token.is_empty() {
                line.word(PLAIN, hex(&header.token));
            }
        }
        PacketType::VersionNegotiation => {
            line.item(PLAIN, versions(&header.versions));
        }
        PacketType::OneRtt => {
            line.item(PLAIN, format!("spin {}", u8::from(header.spin)));
        }
        _ => {}
    }
}

/// Returns a line for each frame of a packet, with everything that it says.
pub(super) fn frames_in_full(content: &PacketContent<'_>, indent: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for noted in &content.frames {
        let mut line = Line::indented(indent);
        for field in frame::full(noted) {
            line.item(frame_style(noted), field);
        }
        lines.push(line);
    }
    let mut last = Line::indented(indent);
    end(&mut last, content);
    lines.extend((!last.is_empty()).then_some(last));
    lines
}

/// Tells whether a packet belongs to a handshake, to its end or to what goes
/// wrong: data that flows as it should does not.
pub(super) fn concerns_handshake(packet: &Packet<'_>) -> bool {
    let Some(header) = packet.header else {
        return packet.dropped != Some(DropReason::Padding);
    };
    let says = |content: &PacketContent<'_>| {
        content.malformed.is_some()
            || content.frames.iter().any(|noted| {
                matches!(
                    noted.frame,
                    Frame::HandshakeDone | Frame::ConnectionClose { .. } | Frame::Crypto { .. }
                )
            })
    };
    let ignored = packet
        .dropped
        .is_some_and(|reason| reason != DropReason::Closed);
    !is_short(header)
        || ignored
        || packet.is_stateless_reset
        || packet.content.as_ref().is_some_and(says)
}
