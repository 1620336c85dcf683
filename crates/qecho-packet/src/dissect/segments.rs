//! Datagrams that a capture shows as one.
//!
//! A sender may hand its kernel many datagrams at once (UDP_SEGMENT on Linux),
//! and what captures before they are cut apart sees one long one. All of them
//! but the last have the same size, and nothing tells which: it is found by
//! trying which first piece is authentic. Where the same connection ID stands
//! again is a hint, if there is one.

use std::collections::VecDeque;

use crate::{DropReason, Packet, wire, wire::PacketType};

use super::{
    CapturedDatagram, Dissector,
    table::{ConnectionMatch, TELLING_LENGTH},
};

/// Sizes that are tried for one datagram.
const TRIALS_MAX: usize = 1_500;

/// Datagrams of one direction for which all sizes are tried in vain; for more
/// only those that are known are. Else a file full of what opens nowhere would
/// take a thousand times as long as another.
const IN_VAIN_MAX: usize = 16;

/// Sizes that are remembered of one direction.
const SIZES_MAX: usize = 8;

/// Sizes as they are on most paths (RFC 9000 §14): all are tried.
const USUAL_MIN: usize = 1_200;
const USUAL_MAX: usize = 1_500;

/// Bytes of the shortest packet with a short header: one of its own, those
/// after the connection ID that hide it, and the tag.
const PACKET_MIN: usize = 21;

/// The sizes of the datagrams that one side sends.
#[derive(Default)]
pub(super) struct Sizes {
    /// The latest first.
    known: VecDeque<usize>,
    /// Datagrams for which none was found.
    in_vain: usize,
}

impl Sizes {
    /// Remembers the size of a datagram that may be one of many.
    fn note(&mut self, size: usize) {
        if self.known.front() == Some(&size) {
            return;
        }
        self.known.retain(|known| *known != size);
        self.known.push_front(size);
        self.known.truncate(SIZES_MAX);
    }

    /// Returns the sizes to try for a datagram in which a packet with a short
    /// header begins at `offset`.
    fn candidates(&self, datagram: &[u8], offset: usize, id_length: usize) -> Vec<usize> {
        let id = |offset: usize| datagram.get(offset + 1..=offset + id_length);
        let tells = id_length >= TELLING_LENGTH;
        let begins_again = |size: &usize| !tells || id(*size) == id(offset);
        let possible = offset + PACKET_MIN + id_length..datagram.len();
        let mut sizes: Vec<usize> = self.known.iter().copied().collect();
        if self.in_vain < IN_VAIN_MAX {
            sizes.extend(USUAL_MIN..=USUAL_MAX);
            // What is short and has no such hint was probably changed on its way.
            if tells || datagram.len() > USUAL_MAX {
                sizes.extend((0..USUAL_MIN).rev());
            }
            if tells {
                sizes.extend(USUAL_MAX + 1..datagram.len());
            }
        }
        sizes.retain(|size| possible.contains(size) && begins_again(size));
        sizes.truncate(TRIALS_MAX);
        sizes
    }
}

impl Dissector {
    /// Returns the size of the datagrams that this one consists of, if it
    /// consists of many; `packets` are what it seems to have.
    pub(super) fn segment_size(
        &mut self,
        seen: &CapturedDatagram<'_>,
        belonging: Option<ConnectionMatch>,
        packets: &[Packet],
    ) -> Option<usize> {
        let belonging = belonging.filter(|_| !seen.cut)?;
        let last = packets.last()?;
        if let Some(size) = by_levels(packets) {
            return Some(size);
        }
        let sizes = self.sizes(belonging)?;
        if last.opened.is_some() && seen.payload.len() >= USUAL_MIN {
            sizes.note(seen.payload.len());
        }
        let offset = seen.payload.len() - last.size;
        // What a datagram is padded with looks like a short header too.
        let may_hold_many = offset == 0 || seen.payload.len() > USUAL_MIN;
        if !is_closed(last) || !may_hold_many {
            return None;
        }
        let id_length = belonging.destination_length;
        let candidates = sizes.candidates(seen.payload, offset, id_length);
        let mut candidates = candidates.into_iter();
        let found = candidates.find(|size| self.opens(&seen.payload[offset..*size], belonging));
        let sizes = self.sizes(belonging)?;
        match found {
            Some(size) => sizes.note(size),
            None => sizes.in_vain = sizes.in_vain.saturating_add(1),
        }
        found
    }

    fn sizes(&mut self, belonging: ConnectionMatch) -> Option<&mut Sizes> {
        let connection = self.table.get(belonging.connection)?;
        Some(connection.sizes(belonging.sender))
    }

    /// Tells whether these bytes are a packet with a short header.
    fn opens(&mut self, bytes: &[u8], belonging: ConnectionMatch) -> bool {
        let packet = wire::packets(bytes, belonging.destination_length).next();
        let Some(Ok(packet)) = packet else {
            return false;
        };
        let connection = self.table.get(belonging.connection);
        connection.is_some_and(|connection| {
            let opened = connection.open(belonging.sender, &packet, &self.key_log);
            opened.is_ok()
        })
    }
}

/// Tells whether a packet has a short header, or seems to, and does not open
/// although there are keys.
fn is_closed(packet: &Packet) -> bool {
    match (&packet.header, packet.unprocessed) {
        (Some(header), Some(DropReason::NotAuthentic)) => header.packet_type == PacketType::OneRtt,
        (None, Some(DropReason::Malformed(_))) => true,
        _ => false,
    }
}

/// Returns where a packet begins that nobody coalesces with those before it:
/// levels only rise within a datagram (RFC 9000 §12.2).
fn by_levels(packets: &[Packet]) -> Option<usize> {
    let level = |packet: &Packet| match packet.header.as_ref()?.packet_type {
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
