//! Colours, which only repeat what the text says.
//!
//! They are the terminal's own, without white, black and yellow, so that they
//! can be read on dark and on light ground.

use anstyle::{AnsiColor, Effects, Style};
use qecho_packet::wire::PacketType;

/// Text that nothing sets apart.
pub(crate) const PLAIN: Style = Style::new();

/// Style of stamps, padding and separators, which the eye may pass over.
pub(crate) const DIM: Style = Style::new().effects(Effects::DIMMED);

/// Style of text that stands out without being wrong.
pub(crate) const STRONG: Style = Style::new().effects(Effects::BOLD);

/// Style of losses, and of packets that were not processed.
pub(crate) const WRONG: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);

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
