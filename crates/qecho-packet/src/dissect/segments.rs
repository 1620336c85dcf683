//! Datagrams that a capture shows as one.
//!
//! A sender may hand its kernel many datagrams at once (UDP_SEGMENT on Linux),
//! and what captures before they are cut apart sees one long one. All of them
//! but the last have the same size, and nothing tells which: it is found by
//! trying which first piece is authentic. Where the same connection ID stands
//! again is a hint, if there is one.

use crate::{DecodedPacket, DropReason, wire, wire::PacketType};

use super::{
    CapturedDatagram, Dissector,
    segment_sizes::{SegmentSizes, USUAL_MIN},
    table::ConnectionMatch,
};

impl Dissector {
    /// Returns the size of the datagrams that this one consists of, if it
    /// consists of many; `packets` are what it seems to have.
    pub(super) fn segment_size(
        &mut self,
        seen: &CapturedDatagram<'_>,
        matched: Option<ConnectionMatch>,
        packets: &[DecodedPacket],
    ) -> Option<usize> {
        let matched = matched.filter(|_| !seen.cut)?;
        let last = packets.last()?;
        if let Some(size) = by_levels(packets) {
            return Some(size);
        }
        let sizes = self.sizes(matched)?;
        if last.decrypted.is_some() && seen.payload.len() >= USUAL_MIN {
            sizes.note(seen.payload.len());
        }
        let offset = seen.payload.len() - last.size;
        // What a datagram is padded with looks like a short header too.
        let may_hold_many = offset == 0 || seen.payload.len() > USUAL_MIN;
        if !is_closed(last) || !may_hold_many {
            return None;
        }
        let id_length = matched.destination_length;
        let candidates = sizes.candidates(seen.payload, offset, id_length);
        let mut candidates = candidates.into_iter();
        let found = candidates.find(|size| self.opens(&seen.payload[offset..*size], matched));
        let sizes = self.sizes(matched)?;
        match found {
            Some(size) => sizes.note(size),
            None => sizes.note_in_vain(),
        }
        found
    }

    fn sizes(&mut self, matched: ConnectionMatch) -> Option<&mut SegmentSizes> {
        let connection = self.table.get(matched.connection)?;
        Some(connection.sizes(matched.sender))
    }

    /// Tells whether these bytes are a packet with a short header.
    fn opens(&mut self, bytes: &[u8], matched: ConnectionMatch) -> bool {
        let packet = wire::packets(bytes, matched.destination_length).next();
        let Some(Ok(packet)) = packet else {
            return false;
        };
        let connection = self.table.get(matched.connection);
        connection.is_some_and(|connection| {
            let opened = connection.open(matched.sender, &packet, &self.key_log);
            opened.is_ok()
        })
    }
}

/// Tells whether a packet has a short header, or seems to, and does not open
/// although there are keys.
fn is_closed(packet: &DecodedPacket) -> bool {
    match (&packet.header, packet.dropped) {
        (Some(header), Some(DropReason::NotAuthentic)) => header.packet_type == PacketType::OneRtt,
        (None, Some(DropReason::Malformed(_))) => true,
        _ => false,
    }
}

/// Returns where a packet begins that nobody coalesces with those before it:
/// levels only rise within a datagram (RFC 9000 §12.2).
fn by_levels(packets: &[DecodedPacket]) -> Option<usize> {
    let level = |packet: &DecodedPacket| match packet.header.as_ref()?.packet_type {
        PacketType::Initial => Some(0),
        PacketType::ZeroRtt => Some(1),
        PacketType::Handshake => Some(2),
        PacketType::OneRtt => Some(3),
        _ => None,
    };
    let mut offset = 0;
    for pair in packets.windows(2) {
        offset += pair[0].size;
        if level(&pair[1])? <= level(&pair[0])? {
            return Some(offset).filter(|size| *size >= USUAL_MIN);
        }
    }
    None
}
