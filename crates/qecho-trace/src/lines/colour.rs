//! The styles of what is in a trace.

use anstyle::{AnsiColor, Style};
use qecho_packet::wire::PacketType;

pub(crate) use qecho_terminal::colour::{DIM, PLAIN, STRONG, WRONG};

/// Returns the style of a kind of packet.
pub(crate) fn packet(packet_type: PacketType) -> Style {
    match packet_type {
        PacketType::Initial => AnsiColor::Cyan.on_default(),
        PacketType::ZeroRtt => AnsiColor::BrightBlue.on_default(),
        PacketType::Handshake => AnsiColor::Magenta.on_default(),
        PacketType::OneRtt => AnsiColor::Green.on_default(),
        PacketType::Retry | PacketType::VersionNegotiation | PacketType::Unknown => STRONG,
    }
}
