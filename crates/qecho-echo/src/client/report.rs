//! Events, counts and failures of a client.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use qecho_engine::{CloseReason, Handshake};

use crate::dial::DialFailure;

/// Event of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The server refused ALPN `echo`; a second connection offers none.
    WithoutAlpn,
    /// The handshake is complete.
    Connected(Box<Connected>),
    /// A message came back whole and equal.
    Echoed(Echoed),
    /// A DATAGRAM frame did not come back in time.
    Lost {
        /// The message's number, from 1.
        number: u64,
        /// Time that was waited.
        after: Duration,
    },
    /// The client has ended; no event follows.
    Ended(Result<Report, Failure>),
}

/// A completed handshake.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The server's address.
    pub address: SocketAddr,
    /// Result of the handshake.
    pub handshake: Handshake,
    /// From the first packet of this connection to the completed handshake.
    pub elapsed: Duration,
}

/// A message that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echoed {
    /// The message's number, from 1.
    pub number: u64,
    /// Its bytes.
    pub data: Bytes,
    /// From the instant it was to be sent to the arrival of its last byte.
    pub echo_time: Duration,
}

/// Counts of a client that ended well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Messages that came back whole.
    pub messages: u64,
    /// DATAGRAM frames that did not come back.
    pub lost: u64,
    /// Bytes sent for echoing.
    pub bytes_sent: u64,
    /// Bytes that came back.
    pub bytes_received: u64,
}

/// Reason that a client did not get what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection came about.
    #[error(transparent)]
    Dial(#[from] DialFailure),
    /// The connection ended before its time.
    #[error("connection lost: {0}")]
    Closed(CloseReason),
    /// The peer fell silent and its host says that nobody listens there.
    #[error("connection lost: nobody listens there any more")]
    Gone,
    /// The peer ended a stream too early.
    #[error("peer closed the stream without echoing {missing} of {total} bytes")]
    NotEchoed {
        /// Bytes that did not come back.
        missing: u64,
        /// Bytes that were sent.
        total: u64,
    },
    /// The peer ended a stream into which more was to be sent.
    #[error("peer closed the stream after {echoed} bytes, before everything was sent")]
    EndedEarly {
        /// Bytes that came back.
        echoed: u64,
    },
    /// A byte came back changed.
    #[error("byte {offset} differs: sent {sent:#04x}, received {received:#04x}")]
    Differs {
        /// Its position, from 0.
        offset: u64,
        /// The byte that was sent.
        sent: u8,
        /// The byte that came back.
        received: u8,
    },
    /// More came back than was sent.
    #[error("peer sent {bytes} bytes more than it was sent")]
    TooMuch {
        /// Bytes that nobody had sent.
        bytes: u64,
    },
    /// The peer abandoned its side of a stream.
    #[error("peer reset the stream with code {code}; {missing} of {total} bytes did not come back")]
    Reset {
        /// The peer's code.
        code: u64,
        /// Bytes that did not come back.
        missing: u64,
        /// Bytes that were sent.
        total: u64,
    },
    /// The peer wants no more on a stream.
    #[error(
        "peer stopped the stream with code {code}; {missing} of {total} bytes did not come back"
    )]
    Stopped {
        /// The peer's code.
        code: u64,
        /// Bytes that did not come back.
        missing: u64,
        /// Bytes that were sent.
        total: u64,
    },
    /// The peer wants no more on a stream that had ended already.
    #[error("peer stopped the stream after its end; {missing} of {total} bytes did not come back")]
    StoppedAfterEnd {
        /// Bytes that did not come back.
        missing: u64,
        /// Bytes that were sent.
        total: u64,
    },
    /// The answer to a message did not come in time.
    #[error(
        "no echo within {}; {missing} of {total} bytes did not come back",
        qecho_packet::text::duration(*.after)
    )]
    NoEcho {
        /// Time that was waited.
        after: Duration,
        /// Bytes that did not come back.
        missing: u64,
        /// Bytes that were sent.
        total: u64,
    },
    /// A transfer stood still, and it was the peer that was waited for.
    #[error(
        "nothing came back for {}; {missing} of {total} bytes are missing",
        qecho_packet::text::duration(*.after)
    )]
    NoProgress {
        /// Time that was waited.
        after: Duration,
        /// Bytes that did not come back.
        missing: u64,
        /// Bytes that were sent.
        total: u64,
    },
    /// Everything came back, but the peer did not end the stream.
    #[error(
        "peer did not end the stream within {} of our FIN",
        qecho_packet::text::duration(*.after)
    )]
    NoFin {
        /// Time that was waited.
        after: Duration,
    },
    /// DATAGRAM frames did not come back.
    #[error("{lost} of {total} datagrams did not come back")]
    Lost {
        /// Those that did not.
        lost: u64,
        /// All that were sent.
        total: u64,
    },
    /// The peer takes no DATAGRAM frames.
    #[error("peer takes no DATAGRAM frames (RFC 9221)")]
    NoDatagrams,
    /// A message does not fit into one DATAGRAM frame.
    #[error("message {number} has {length} bytes, but a DATAGRAM frame takes at most {most} here")]
    DatagramTooLarge {
        /// The message's number, from 1.
        number: u64,
        /// Its length.
        length: usize,
        /// The length that would fit.
        most: usize,
    },
    /// The peer allows no stream of the kind that is needed.
    #[error("peer allows no such stream (waited {})", qecho_packet::text::duration(*.after))]
    NoStream {
        /// Time that was waited.
        after: Duration,
    },
    /// The program's own thread or socket failed.
    #[error("{0}")]
    Broken(String),
}
