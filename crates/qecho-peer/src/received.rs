//! The record of a connection: all that came, and the datagrams that went.

use std::{iter, time::Instant};

use qecho_packet::{
    Direction,
    wire::{Frame, Header, Malformed, PacketType, frames},
};

use crate::{
    network::{Ecn, PathId},
    tls::Level,
};

/// A packet that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPacket {
    /// The time at which it came.
    pub at: Instant,
    /// The path that it came on.
    pub path: PathId,
    /// The ECN codepoint of its datagram.
    pub ecn: Ecn,
    /// Its datagram, by its place among those of [`Record::datagrams`].
    pub datagram: usize,
    /// Bytes of its datagram.
    pub datagram_size: usize,
    /// Its kind.
    pub level: Level,
    /// Its header.
    pub header: Header,
    /// The first byte without protection, with the reserved bits.
    pub first_byte: u8,
    /// The packet number.
    pub number: u64,
    /// Bytes in which the packet number was told.
    pub number_length: usize,
    /// The key phase bit (RFC 9001 §6).
    pub key_phase: bool,
    /// Key updates of the peer before its keys.
    pub generation: u64,
    /// Its frames, as bytes.
    pub payload: Vec<u8>,
    /// Whether it was acted on: not if it came twice, or too late, or was refused.
    pub is_processed: bool,
}

/// Reason for which a packet was not opened, or what it is instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unopened {
    /// It is no packet.
    Malformed(Malformed),
    /// There are no keys for it, not yet or never.
    NoKeys,
    /// It is not authentic.
    NotAuthentic,
    /// It is to a connection ID that is not the endpoint's.
    ForeignDestination,
    /// It has another version, or is of no use to this side.
    Unexpected,
    /// The rules of the endpoint discarded it by its header.
    Refused,
    /// A Version Negotiation packet, which was acted on (RFC 9000 §6.2).
    VersionNegotiation,
    /// A Retry packet, which was acted on (RFC 9000 §17.2.5).
    Retry,
    /// A stateless reset with a token of the peer's (RFC 9000 §10.3).
    StatelessReset,
}

/// A packet, or what looks like one, that has no frames to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnopenedPacket {
    /// The time at which it came.
    pub at: Instant,
    /// The path that it came on.
    pub path: PathId,
    /// Its datagram, by its place among those of [`Record::datagrams`].
    pub datagram: usize,
    /// Its header, if it has one.
    pub header: Option<Header>,
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// Its kind, or the reason for which it was not opened.
    pub why: Unopened,
}

/// A packet that the endpoint has sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// Its datagram, by its place among those of [`Record::datagrams`].
    pub datagram: usize,
    /// Its kind.
    pub level: Level,
    /// The packet number.
    pub number: u64,
    /// Its frames, as bytes.
    pub payload: Vec<u8>,
}

/// A datagram as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedDatagram {
    /// The time at which it came or went.
    pub at: Instant,
    /// Whether it came or went.
    pub direction: Direction,
    /// Its path.
    pub path: PathId,
    /// Its ECN codepoint.
    pub ecn: Ecn,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether the script has told the endpoint to send it, and not aside.
    pub is_told: bool,
}

/// A CONNECTION_CLOSE of the peer (RFC 9000 §19.19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The kind of packet that it came in.
    pub level: Level,
    /// Whether the application closes, and not the transport.
    pub application: bool,
    /// The code, of the application's or of RFC 9000 §20.1.
    pub code: u64,
    /// The type of the frame that was at fault, if one is told.
    pub frame_type: Option<u64>,
    /// The reason, which ought to be UTF-8.
    pub reason: Vec<u8>,
    /// The time at which it came.
    pub at: Instant,
}

/// A frame, or what is none.
pub(crate) type ReadFrame<'a> = Result<Frame<'a>, Malformed>;

/// All that is known of a connection's past.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Packets that were opened, as they came.
    pub packets: Vec<ReceivedPacket>,
    /// Packets that were not opened, and those that have no protection.
    pub unopened: Vec<UnopenedPacket>,
    /// Packets that were sealed, as they went.
    pub sent: Vec<SentPacket>,
    /// Datagrams of both directions.
    pub datagrams: Vec<RecordedDatagram>,
    /// Lines of a key log (RFC 9850), which open the datagrams.
    pub key_log: Vec<String>,
    /// Datagrams that were thrown away since the record was full.
    pub dropped: u64,
    bytes: usize,
}

impl ReceivedPacket {
    /// Returns its kind as its header tells it.
    pub fn kind(&self) -> PacketType {
        self.header.packet_type
    }

    /// Returns its frames, up to the first that is malformed.
    pub fn frames(&self) -> Vec<Frame<'_>> {
        frames(&self.payload).map_while(Result::ok).collect()
    }

    /// Returns its frames, the first that is malformed included, each with its bytes.
    pub(crate) fn frames_with_bytes(&self) -> impl Iterator<Item = (ReadFrame<'_>, &[u8])> {
        let mut all = frames(&self.payload);
        iter::from_fn(move || {
            let begin = all.offset();
            let read = all.next()?;
            Some((read, &self.payload[begin..all.offset()]))
        })
    }

    /// Returns the reserved bits of its header, which ought to be 0.
    pub fn reserved_bits(&self) -> u8 {
        match self.first_byte & 0x80 {
            0 => self.first_byte >> 3 & 0x03,
            _ => self.first_byte >> 2 & 0x03,
        }
    }

    /// Tells whether it has to be acknowledged (RFC 9000 §13.2).
    pub fn is_ack_eliciting(&self) -> bool {
        is_ack_eliciting(&self.payload)
    }
}

impl Record {
    /// Bytes of datagrams that are kept; what comes after is thrown away unread.
    pub const BYTES_MAX: usize = 8 << 20;

    /// Returns the datagrams that went, or those that came.
    pub fn directed(&self, direction: Direction) -> impl Iterator<Item = &RecordedDatagram> {
        let datagrams = self.datagrams.iter();
        datagrams.filter(move |datagram| datagram.direction == direction)
    }

    /// Returns the packets of a level that were opened.
    pub fn at_level(&self, level: Level) -> impl Iterator<Item = &ReceivedPacket> {
        let packets = self.packets.iter();
        packets.filter(move |packet| packet.level == level)
    }

    /// Returns what was not opened for a reason.
    pub fn unopened_as(&self, why: Unopened) -> impl Iterator<Item = &UnopenedPacket> {
        self.unopened.iter().filter(move |packet| packet.why == why)
    }

    /// Keeps a datagram; returns its place, unless the record is full.
    pub(crate) fn keep(&mut self, datagram: RecordedDatagram) -> Option<usize> {
        if self.bytes + datagram.bytes.len() > Self::BYTES_MAX {
            self.dropped += 1;
            return None;
        }
        // An empty datagram costs its record, too.
        self.bytes += datagram.bytes.len() + size_of::<RecordedDatagram>();
        self.datagrams.push(datagram);
        Some(self.datagrams.len() - 1)
    }
}

/// Tells whether a packet with these frames has to be acknowledged (RFC 9000 §13.2).
pub(crate) fn is_ack_eliciting(payload: &[u8]) -> bool {
    frames(payload).any(|frame| {
        !matches!(
            frame,
            Ok(Frame::Padding { .. } | Frame::Ack(_) | Frame::ConnectionClose { .. })
        )
    })
}
