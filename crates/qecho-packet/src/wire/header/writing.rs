//! Headers as bytes.

use super::{
    FIXED_BIT, Header, LONG_HEADER, LONG_TYPES, PacketType, SPIN_BIT, VERSION_1, VERSION_2,
};
use crate::wire::{ConnectionId, version::shares_lengths, writer::write_counted};

impl Header {
    /// Writes the bytes before the Length of a long header or the packet number of a short one;
    /// of a Version Negotiation packet all, of a Retry packet all before its tag.
    ///
    /// In the first byte are the form, the fixed bit, the type and the spin bit; what header
    /// protection hides (RFC 9001 §5.4.1) is 0. Version Negotiation has version 0, and other
    /// long headers without a version have 1.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.packet_type == PacketType::OneRtt {
            out.push(FIXED_BIT | if self.spin { SPIN_BIT } else { 0 });
            return out.extend_from_slice(&self.destination);
        }
        let version = match self.packet_type {
            PacketType::VersionNegotiation => 0,
            _ => self.version.unwrap_or(VERSION_1),
        };
        let place = LONG_TYPES.iter().position(|one| *one == self.packet_type);
        let type_bits = match (place, version) {
            (Some(place), VERSION_2) => (place as u8 + 1) & 0x03,
            (Some(place), _) => place as u8,
            (None, _) => 0,
        };
        out.push(LONG_HEADER | FIXED_BIT | type_bits << 4);
        out.extend_from_slice(&version.to_be_bytes());
        let source = self.source.unwrap_or_default();
        write_connection_ids(out, version, &self.destination, &source);
        match self.packet_type {
            PacketType::Initial => write_counted(out, &self.token),
            PacketType::Retry => out.extend_from_slice(&self.token),
            PacketType::VersionNegotiation => {
                out.extend(self.versions.iter().flat_map(|one| one.to_be_bytes()));
            }
            _ => {}
        }
    }
}

/// Writes connection IDs as [`connection_ids`](super::connection_ids) reads them; of lengths
/// that the version does not have, as all others have them.
fn write_connection_ids(
    out: &mut Vec<u8>,
    version: u32,
    destination: &ConnectionId,
    source: &ConnectionId,
) {
    let shared = || Some(four_bits(destination)? << 4 | four_bits(source)?);
    match shared().filter(|_| shares_lengths(version)) {
        Some(lengths) => {
            out.push(lengths);
            out.extend_from_slice(destination);
            out.extend_from_slice(source);
        }
        None => {
            for id in [destination, source] {
                out.push(id.len() as u8);
                out.extend_from_slice(id);
            }
        }
    }
}

fn four_bits(id: &ConnectionId) -> Option<u8> {
    match id.len() as u8 {
        0 => Some(0),
        length @ 4..=18 => Some(length - 3),
        _ => None,
    }
}
