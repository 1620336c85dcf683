//! Decodes a received datagram, with the reason for which each packet was dropped, if it was.

use std::net::SocketAddr;

use qecho_packet::{
    DecodedDatagram, DecodedPacket, DecryptedPacket, Direction, DropReason,
    wire::{self, Frame, Header, PacketNumber, PacketType, Protected},
};

use crate::{connection::ConnectionKey, connection_id, crypto::OpenedPacket, datagram::Received};

/// A datagram while the state machine has it.
pub(crate) struct InboundDatagram {
    local: SocketAddr,
    pub(crate) remote: SocketAddr,
    ecn: u8,
    data: Vec<u8>,
}

/// Disposition of a datagram by the shard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Disposition {
    /// Handed it to a connection, which was closed already or not.
    Handed(ConnectionKey, bool),
    /// Began a connection with it.
    Admitted(ConnectionKey),
    /// Answered with Retry.
    Retried,
    /// Turned the client away.
    Refused,
    /// The handshake failed at its first packet.
    Failed,
    /// Knew no connection for it, answered or not.
    Unknown,
    /// Dropped it unread: no peer has a reason to send so much at once.
    Oversized,
    /// Dropped it unread: an Initial packet of a server has a token (RFC 9000 §17.2.2).
    WithToken,
}

impl Disposition {
    /// Returns the connection that has the datagram, if one has.
    pub(crate) fn connection(self) -> Option<ConnectionKey> {
        match self {
            Self::Handed(key, _) | Self::Admitted(key) => Some(key),
            _ => None,
        }
    }
}

/// State of the connection after a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionAfter {
    pub(crate) connection: Option<u64>,
    pub(crate) handshaking: bool,
    /// Whether the datagram came from the address that the handshake is with.
    pub(crate) same_address: bool,
    /// Whether a Retry or Version Negotiation had its effect.
    pub(crate) turned: bool,
}

impl InboundDatagram {
    pub(crate) fn new(received: &Received, local: SocketAddr) -> Self {
        let mut local = local;
        if let Some(ip) = received.local_ip {
            local.set_ip(ip);
        }
        Self {
            local,
            remote: received.remote,
            ecn: received.ecn,
            data: received.data.to_vec(),
        }
    }

    /// Takes the datagram apart; `opened` are those that keys were tried
    /// on.
    pub(crate) fn dissect(
        &self,
        disposition: Disposition,
        after: ConnectionAfter,
        opened: Vec<OpenedPacket>,
    ) -> DecodedDatagram {
        let mut opened = opened.into_iter().peekable();
        let mut packets = Vec::new();
        let mut reading = wire::packets(&self.data, connection_id::LENGTH);
        for protected in reading.by_ref() {
            let packet = match protected {
                Ok(protected) => {
                    let copy = opened.next_if(|copy| belongs(copy, &protected));
                    let mut packet = self.packet(&protected, copy, disposition, after);
                    packet.doubt(&protected, &packets);
                    packet
                }
                Err(malformed) => {
                    let read = packets.iter().map(|packet: &DecodedPacket| packet.size);
                    DecodedPacket {
                        header: None,
                        size: self.data.len() - read.sum::<usize>(),
                        decrypted: None,
                        dropped: Some(DropReason::Malformed(malformed)),
                        tail: self.data.last_chunk().copied(),
                    }
                }
            };
            packets.push(packet);
        }
        if !reading.rest().is_empty() {
            packets.push(DecodedPacket::padding(reading.rest().len()));
        }
        DecodedDatagram {
            connection: after.connection,
            direction: Direction::Received,
            local: self.local,
            remote: self.remote,
            ecn: self.ecn,
            size: self.data.len(),
            packets,
            unsent: None,
        }
    }

    fn packet(
        &self,
        protected: &Protected<'_>,
        copy: Option<OpenedPacket>,
        disposition: Disposition,
        after: ConnectionAfter,
    ) -> DecodedPacket {
        let header = &protected.header;
        let tried = copy.is_some();
        let refused = copy.as_ref().is_some_and(|copy| copy.refused);
        let opened = copy.and_then(clear);
        let dropped = match (&opened, header.packet_type) {
            _ if refused => Some(DropReason::TooFragmented),
            (Some(opened), packet_type) => {
                // A closed connection heeds the peer's CONNECTION_CLOSE alone.
                let closed = matches!(disposition, Disposition::Handed(_, true)) && !closes(opened);
                let early = packet_type == PacketType::OneRtt && after.handshaking;
                match (closed, early) {
                    (true, _) => Some(DropReason::Closed),
                    (_, true) => Some(DropReason::HandshakePending),
                    _ => None,
                }
            }
            (None, PacketType::Retry | PacketType::VersionNegotiation) if after.turned => None,
            (None, _) => Some(self.why_not(header, tried, disposition, after)),
        };
        DecodedPacket {
            header: Some(header.clone()),
            size: protected.bytes.len(),
            tail: match opened {
                None => protected.bytes.last_chunk().copied(),
                Some(_) => None,
            },
            decrypted: opened,
            dropped,
        }
    }

    /// Returns the reason for which a packet was not opened.
    fn why_not(
        &self,
        header: &Header,
        tried: bool,
        disposition: Disposition,
        after: ConnectionAfter,
    ) -> DropReason {
        match disposition {
            _ if tried => DropReason::NotAuthentic,
            Disposition::Retried => DropReason::AnsweredWithRetry,
            Disposition::Refused => DropReason::Refused,
            Disposition::Failed => DropReason::HandshakeFailed,
            Disposition::Oversized => DropReason::Oversized,
            Disposition::WithToken => DropReason::ServerToken,
            _ if header.packet_type == PacketType::Unknown => DropReason::UnsupportedVersion,
            Disposition::Unknown => {
                let small = self.data.len() < usize::from(crate::limits::INITIAL_DATAGRAM_MIN);
                match header.packet_type {
                    PacketType::Initial if small => DropReason::DatagramTooSmall,
                    _ => DropReason::UnknownConnection,
                }
            }
            Disposition::Handed(_, true) => DropReason::Closed,
            Disposition::Handed(..) | Disposition::Admitted(_) => match header.packet_type {
                PacketType::Retry => DropReason::InvalidRetry,
                PacketType::VersionNegotiation => DropReason::IdleNegotiation,
                _ if after.handshaking && !after.same_address => DropReason::OtherAddress,
                _ => DropReason::NoKeys,
            },
        }
    }
}

fn closes(decrypted: &DecryptedPacket) -> bool {
    let mut frames = wire::frames(&decrypted.payload);
    frames.any(|frame| matches!(frame, Ok(Frame::ConnectionClose { .. })))
}

/// Tells whether a key was tried on this packet.
fn belongs(copy: &OpenedPacket, protected: &Protected<'_>) -> bool {
    let head = &protected.bytes[1..protected.number_offset];
    let Some(first) = copy.header.first() else {
        return false;
    };
    // The bits that tell the type are not under header protection.
    copy.size == protected.bytes.len()
        && (first ^ protected.bytes[0]) & 0xf0 & type_bits(*first) == 0
        && copy.header.get(1..protected.number_offset) == Some(head)
}

fn type_bits(first: u8) -> u8 {
    match first & 0x80 {
        0 => 0x80,
        _ => 0xf0,
    }
}

fn clear(copy: OpenedPacket) -> Option<DecryptedPacket> {
    let first = *copy.header.first()?;
    let number_length = usize::from(first & 0x03) + 1;
    let number_offset = copy.header.len().checked_sub(number_length)?;
    let number = PacketNumber::read(first, &copy.header[number_offset..])?;
    Some(DecryptedPacket {
        number: copy.number,
        number_length,
        first_byte: first,
        key_phase: number.key_phase,
        generation: copy.generation,
        payload: copy.payload?,
    })
}
