//! Observations of a traced shard: its packets, and what became of them.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::{
    close::CloseReason,
    direction::Direction,
    stream_id::Side,
    wire::{ConnectionId, Header, Malformed, Protected},
};

/// Something that a watched shard did or met.
///
/// Connections are named by numbers, counted from 1 in the order in which they
/// began.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Observation {
    /// A connection began.
    ConnectionStarted {
        /// The connection.
        connection: u64,
        /// The shard's side of it.
        side: Side,
        /// The shard's address.
        local: SocketAddr,
        /// The peer's address.
        remote: SocketAddr,
        /// The connection ID to which the client addressed its first packet.
        original_destination: ConnectionId,
    },
    /// A datagram came or went.
    Datagram(DecodedDatagram),
    /// The estimates of the path changed.
    Recovery {
        /// The connection.
        connection: u64,
        /// The estimates as they are now.
        recovery: RecoveryMetrics,
    },
    /// A connection was closed by either side, or given up.
    Closed {
        /// The connection.
        connection: u64,
        /// The reason.
        reason: CloseReason,
    },
    /// Nothing more will be told of a connection.
    ConnectionRemoved {
        /// The connection.
        connection: u64,
    },
}

/// A datagram, taken apart into its packets.
#[derive(Clone, Debug)]
pub struct DecodedDatagram {
    /// Its connection; `None` if it belongs to none.
    pub connection: Option<u64>,
    /// The way that it went.
    pub direction: Direction,
    /// The shard's address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// Bytes of its UDP payload.
    pub size: usize,
    /// Its packets, in their order.
    pub packets: Vec<DecodedPacket>,
    /// Reason that it did not leave after all, if it did not.
    pub unsent: Option<String>,
}

/// A packet, and what became of it.
#[derive(Clone, Debug)]
pub struct DecodedPacket {
    /// Its header; `None` if the bytes are no packet.
    pub header: Option<Header>,
    /// Bytes that it takes in its datagram.
    pub size: usize,
    /// Its content, if it was decrypted.
    pub decrypted: Option<DecryptedPacket>,
    /// Reason that the shard did not process it, if it did not.
    pub dropped: Option<DropReason>,
    /// Its last bytes, of one that was not opened: a stateless reset is known
    /// by them (RFC 9000 §10.3).
    pub tail: Option<[u8; 16]>,
}

impl DecodedPacket {
    /// Returns the zero bytes that fill a datagram behind its packets.
    pub fn padding(size: usize) -> Self {
        Self {
            header: None,
            size,
            decrypted: None,
            dropped: Some(DropReason::Padding),
            tail: None,
        }
    }

    /// Calls what stands behind packets of the same datagram junk, if it was not opened and
    /// only looks like a packet: `read` is what it was taken for, `before` are those packets.
    pub fn doubt(&mut self, read: &Protected<'_>, before: &[Self]) {
        let first = before.first().and_then(|packet| packet.header.as_ref());
        let doubtful = first.is_some_and(|first| read.is_doubtful_behind(first));
        if doubtful && self.decrypted.is_none() {
            let offset = before.iter().map(|packet| packet.size).sum();
            self.header = None;
            self.dropped = Some(DropReason::Malformed(Malformed {
                offset,
                what: "packet: it is junk",
                frame_type: None,
            }));
        }
    }
}

/// The part of a packet that only the keys of a connection show.
#[derive(Clone, Debug)]
pub struct DecryptedPacket {
    /// The whole packet number.
    pub number: u64,
    /// Bytes in which the header tells its end.
    pub number_length: usize,
    /// The first byte without its protection, with the reserved bits that ought to be 0 (RFC
    /// 9000 §17.2, §17.3.1).
    pub first_byte: u8,
    /// The key phase bit (RFC 9001 §6).
    pub key_phase: bool,
    /// Number of key updates before its key.
    pub generation: u64,
    /// Its frames, for [`frames`](crate::wire::frames).
    pub payload: Vec<u8>,
}

/// The reason for which a packet was not processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// The bytes are no packet.
    Malformed(Malformed),
    /// Zero bytes behind the packets of their datagram, which mean nothing.
    Padding,
    /// There are no keys for its kind, not yet or not any more.
    NoKeys,
    /// It is not from the peer, or was changed on its way: the key does not
    /// fit.
    NotAuthentic,
    /// Its frames leave so many gaps that it would cost too much work.
    TooFragmented,
    /// It has come before.
    Duplicate,
    /// It came before the end of the handshake that it builds on.
    HandshakePending,
    /// It came from another address before the handshake was complete.
    OtherAddress,
    /// The connection was closed already.
    Closed,
    /// No connection of that ID is known.
    UnknownConnection,
    /// No packet that begins its connection was captured.
    BeginningNotCaptured,
    /// The ClientHello of its connection, by which secrets are found, was not captured whole.
    ClientHelloNotCaptured,
    /// Only version 1 is spoken.
    UnsupportedVersion,
    /// Its datagram is larger than any handshake's, or than the route carries.
    Oversized,
    /// It came with an Initial packet of a server that has a token, which clients alone may
    /// send (RFC 9000 §17.2.2).
    ServerToken,
    /// An Initial packet needs a datagram of 1,200 bytes (RFC 9000 §14.1).
    DatagramTooSmall,
    /// The client is to prove its address first.
    AnsweredWithRetry,
    /// The client was turned away.
    Refused,
    /// It brought a handshake that failed at once.
    HandshakeFailed,
    /// A Retry without a valid integrity tag, or a second one.
    InvalidRetry,
    /// It comes too late, or offers what was asked for (RFC 9000 §6.2).
    IdleNegotiation,
    /// The secrets that it takes are not known.
    NoSecrets,
    /// The file has only a part of it.
    Cut,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(malformed) => return malformed.fmt(f),
            Self::Padding => "padding after the packet",
            Self::NoKeys => "there are no keys for it",
            Self::NotAuthentic => "its key does not fit",
            Self::TooFragmented => "its frames leave too many gaps",
            Self::Duplicate => "it has come before",
            Self::HandshakePending => "the handshake is not complete",
            Self::OtherAddress => "it comes from another address during the handshake",
            Self::Closed => "the connection is closed",
            Self::UnknownConnection => "no such connection is known",
            Self::ClientHelloNotCaptured => "its ClientHello, which names its secrets, is missing",
            Self::BeginningNotCaptured => "its connection began before the capture",
            Self::UnsupportedVersion => "its version is not spoken",
            Self::Oversized => "its datagram is larger than one that can be meant",
            Self::ServerToken => "a server's Initial has no token",
            Self::DatagramTooSmall => "an Initial takes a datagram of 1,200 bytes",
            Self::AnsweredWithRetry => "answered with Retry: the address is not proved yet",
            Self::Refused => "the client is turned away",
            Self::HandshakeFailed => "its handshake fails at once",
            Self::InvalidRetry => "it is no valid Retry for this connection",
            Self::IdleNegotiation => "it changes nothing",
            Self::NoSecrets => "its secrets are not known",
            Self::Cut => "the capture has only a part of it",
        })
    }
}

/// An endpoint's estimates of its path (RFC 9002).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryMetrics {
    /// Round trip, smoothed (RFC 9002 §5.3).
    pub smoothed_rtt: Duration,
    /// The shortest round trip (§5.2).
    pub min_rtt: Duration,
    /// Bytes that may be in flight (§7).
    pub congestion_window: u64,
    /// Number of times that the window was cut (§7.3.2).
    pub congestion_events: u64,
    /// Packets that were declared lost (§6.1), without MTU probes.
    pub lost_packets: u64,
    /// MTU probes that were declared lost (RFC 9000 §14.3).
    pub lost_probes: u64,
    /// Largest UDP payload that the path is known to carry.
    pub mtu: u16,
}
