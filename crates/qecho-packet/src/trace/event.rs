//! Events of a trace; every form of it is made from these.

use std::{net::SocketAddr, time::Duration};

use crate::{
    CloseReason, Direction, DropReason, RecoveryMetrics, Side, TransportParameters,
    wire::{ConnectionId, Frame, Header, Malformed, PacketType},
};

/// Something that happened at an endpoint, or was seen in a capture.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Time since 1970-01-01 00:00 UTC.
    pub at: Duration,
    /// The connection; `None` for datagrams that belong to none.
    pub connection: Option<&'a Connection>,
    /// The kind of event, with its data.
    pub kind: EventKind<'a>,
}

/// A connection, as it is named in a trace.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Counted from 1, in the order in which they began.
    pub number: u64,
    /// Vantage point: packets of this side are sent, others received.
    pub side: Side,
    /// This side's address, as it is now.
    pub local: SocketAddr,
    /// The other side's address, as it is now.
    pub remote: SocketAddr,
    /// The connection ID to which the client addressed its first packet; it
    /// names the connection in every log.
    pub original_destination: ConnectionId,
}

/// The kinds of events.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind<'a> {
    /// A connection began.
    Began,
    /// A datagram came or went, or did not leave after all.
    Datagram(Datagram<'a>),
    /// A packet of the endpoint that sent it was declared lost.
    Lost(Lost),
    /// A packet that was declared lost has arrived after all.
    SpuriousLoss {
        /// The way that it went.
        direction: Direction,
        /// Its kind.
        packet_type: PacketType,
        /// Its number.
        number: u64,
    },
    /// An endpoint's transport parameters became known.
    Parameters {
        /// Ours went, the peer's came.
        direction: Direction,
        /// The parameters, in the sender's order.
        parameters: &'a TransportParameters,
    },
    /// An endpoint began to use new keys (RFC 9001 §6).
    KeyUpdate {
        /// The way of packets with the new keys.
        direction: Direction,
        /// Number of key updates so far.
        generation: u64,
    },
    /// An address changed (RFC 9000 §9).
    PathChanged {
        /// This side's address and the other's, before.
        before: (SocketAddr, SocketAddr),
    },
    /// This side's estimates of the path changed.
    Recovery(&'a RecoveryMetrics),
    /// The connection was closed.
    Closed(&'a CloseReason),
    /// Nothing more will be told of the connection.
    Forgotten,
    /// Observations were left out, since they came faster than they were shown.
    EventsDropped {
        /// Number of observations.
        count: u64,
    },
}

/// A datagram.
#[derive(Clone, Debug)]
pub struct Datagram<'a> {
    /// The way that it went.
    pub direction: Direction,
    /// This side's address.
    pub local: SocketAddr,
    /// The other side's address.
    pub remote: SocketAddr,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// Bytes of its UDP payload.
    pub size: usize,
    /// Its packets, in their order; more than one are coalesced (RFC 9000
    /// §12.2).
    pub packets: Vec<Packet<'a>>,
    /// Reason that it did not leave after all, if it did not.
    pub unsent: Option<&'a str>,
}

/// A packet.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// Its header; `None` if the bytes are no packet that anybody
    /// could read.
    pub header: Option<&'a Header>,
    /// Bytes that it takes in its datagram.
    pub size: usize,
    /// Its content, if it could be decrypted.
    pub content: Option<PacketContent<'a>>,
    /// Reason that the endpoint dropped it, if it did.
    pub dropped: Option<DropReason>,
    /// Whether it ends the connection without a word (RFC 9000 §10.3).
    pub is_stateless_reset: bool,
}

/// The decrypted content of a packet.
#[derive(Clone, Debug)]
pub struct PacketContent<'a> {
    /// The whole packet number.
    pub number: u64,
    /// Bytes in which the header tells its end.
    pub number_length: usize,
    /// The key phase bit of a 1-RTT packet.
    pub key_phase: bool,
    /// Its frames, in their order.
    pub frames: Vec<AnnotatedFrame<'a>>,
    /// The first malformed frame, if there is one.
    pub malformed: Option<Malformed>,
}

/// A frame, and what is known of it beyond itself.
#[derive(Clone, Debug)]
pub struct AnnotatedFrame<'a> {
    /// The frame.
    pub frame: Frame<'a>,
    /// The packet that carried the same before, if one did.
    pub retransmission_of: Option<RetransmissionOf>,
    /// The TLS messages that a CRYPTO frame begins or completes.
    pub tls: Vec<TlsMessage>,
    /// For an ACK: how long it was held back, if that can be told.
    pub ack_delay: Option<Duration>,
}

/// An earlier packet that carried the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetransmissionOf {
    /// The packet's number; of the same packet number space.
    pub number: u64,
    /// Whether it was declared lost; else it is sent again as a probe, before
    /// anybody knows (RFC 9002 §6.2.4).
    pub lost: bool,
}

/// A TLS handshake message (RFC 8446 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsMessage {
    /// Its name.
    pub name: &'static str,
    /// Whether all of it is there.
    pub complete: bool,
    /// Its gist in words; may be empty.
    pub detail: String,
}

/// A packet that was declared lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The way that it went.
    pub direction: Direction,
    /// Its kind.
    pub packet_type: PacketType,
    /// Its number.
    pub number: u64,
    /// Bytes that it took.
    pub size: usize,
    /// The rule by which it was.
    pub reason: LossReason,
}

/// Rules by which a packet is declared lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// A packet that was sent three or more later was acknowledged (RFC 9002
    /// §6.1.1).
    PacketThreshold {
        /// The highest that was.
        acknowledged: u64,
    },
    /// A later packet was acknowledged, and this one is older than 9/8 of a
    /// round trip (RFC 9002 §6.1.2).
    TimeThreshold {
        /// The highest that was.
        acknowledged: u64,
        /// Time since it was sent.
        age: Duration,
    },
    /// It probed for a larger MTU: no sign of congestion (RFC 9000 §14.4).
    MtuProbe,
}
