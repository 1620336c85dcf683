//! A datagram, as far as a capture has it.

use std::{borrow::Cow, net::SocketAddr};

use crate::{
    DecodedPacket, Direction, DropReason,
    wire::{self, PacketType, Protected},
};

/// Bytes of the largest UDP payload (RFC 9000 §18.2).
const UDP_PAYLOAD_MAX: usize = 65_527;

/// Bytes of a long header's first byte, its version, and the lengths of its connection IDs.
const LONG_HEAD: usize = 1 + 4 + 1 + 1;

/// Bytes of a connection ID that tells a connection whatever the addresses
/// are: a shorter one is too easily met by chance.
pub(super) const TELLING_LENGTH: usize = 4;

/// A datagram of a capture.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CapturedDatagram<'a> {
    /// The sender's address.
    pub source: SocketAddr,
    /// The receiver's address.
    pub destination: SocketAddr,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// The way that it passed the host that made the capture, if that is told.
    pub direction: Option<Direction>,
    /// Its UDP payload, as far as the capture has it.
    pub payload: &'a [u8],
    /// Whether the capture has only the beginning of it.
    pub cut: bool,
}

impl<'a> CapturedDatagram<'a> {
    /// Returns a whole datagram without ECN bits, of which nothing tells which
    /// way it passed.
    pub fn new(source: SocketAddr, destination: SocketAddr, payload: &'a [u8]) -> Self {
        Self {
            source,
            destination,
            ecn: 0,
            direction: None,
            payload,
            cut: false,
        }
    }

    /// Lengthens what was cut, so that the headers that are left can be read.
    pub(super) fn whole(&self) -> Cow<'_, [u8]> {
        if !self.cut {
            return Cow::Borrowed(self.payload);
        }
        let mut payload = self.payload.to_vec();
        payload.resize(UDP_PAYLOAD_MAX.max(payload.len() + 1), 0);
        Cow::Owned(payload)
    }

    /// Returns the first packet of the whole datagram, if what its long header says of the
    /// connection is there.
    pub(super) fn first_packet<'d>(&self, datagram: &'d [u8]) -> Option<Protected<'d>> {
        let packet = wire::packets(datagram, 0).next()?.ok()?;
        (ids_end(&packet) <= self.payload.len()).then_some(packet)
    }
}

/// Returns where the connection IDs of a packet end.
fn ids_end(packet: &Protected<'_>) -> usize {
    match &packet.header.source {
        Some(source) if packet.header.packet_type != PacketType::Unknown => {
            LONG_HEAD + packet.header.destination.len() + source.len()
        }
        _ => packet.number_offset,
    }
}

/// Tells of a packet of which only the first `rest` bytes are there.
pub(super) fn cut(read: Protected<'_>, rest: usize) -> DecodedPacket {
    let ids_end = ids_end(&read);
    let Protected {
        mut header,
        number_offset,
        ..
    } = read;
    let is_whole = ids_end <= rest;
    // What goes on to the end of the packet is not whole either.
    if !header.packet_type.is_protected() || number_offset > rest {
        header.token.clear();
        header.versions.clear();
    }
    DecodedPacket {
        header: Some(header).filter(|_| is_whole),
        size: rest,
        decrypted: None,
        dropped: Some(DropReason::Cut),
        tail: None,
    }
}

/// Returns the bytes by which a stateless reset is known.
pub(super) fn tail(bytes: &[u8]) -> Option<[u8; 16]> {
    bytes.last_chunk().copied()
}
