//! Packets without protection, and what only looks like a packet (RFC 9000 §17.2.1, §17.2.5,
//! §10.3).

use qecho_packet::{
    protection::retry_tag,
    wire::{ConnectionId, Header, PacketType},
};

use super::VERSION_1;

/// Returns a Version Negotiation packet that answers a long header (RFC 9000 §17.2.1).
pub fn version_negotiation(answered: &Header, versions: &[u32]) -> Vec<u8> {
    let source = answered.source.unwrap_or_default();
    let packet_type = PacketType::VersionNegotiation;
    let mut header = Header::long(packet_type, 0, source, answered.destination);
    header.versions = versions.to_vec();
    let mut packet = Vec::new();
    header.write(&mut packet);
    packet
}

/// Returns a Retry packet with its tag, that answers the header of an Initial packet (RFC 9000
/// §17.2.5).
pub fn retry(answered: &Header, source: ConnectionId, token: &[u8]) -> Vec<u8> {
    let destination = answered.source.unwrap_or_default();
    let version = answered.version.unwrap_or(VERSION_1);
    let mut header = Header::long(PacketType::Retry, version, destination, source);
    header.token = token.to_vec();
    let mut packet = Vec::new();
    header.write(&mut packet);
    let tag = retry_tag(&answered.destination, &packet);
    packet.extend(tag);
    packet
}

/// Returns a stateless reset of so many bytes (RFC 9000 §10.3): `noise` as often as it takes,
/// as a short header, and the token.
pub fn stateless_reset(token: &[u8; 16], length: usize, noise: &[u8; 16]) -> Vec<u8> {
    /// Form 0 and fixed bit 1.
    const SHORT: u8 = 0x40;
    let before = length.saturating_sub(token.len());
    let mut packet: Vec<u8> = noise.iter().copied().cycle().take(before).collect();
    if let Some(first) = packet.first_mut() {
        *first = *first & 0x3f | SHORT;
    }
    packet.extend(token);
    packet
}
