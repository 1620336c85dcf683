//! Report of a ping.

use std::{net::SocketAddr, time::Duration};

use qecho_echo::dial::DialFailure;
use qecho_engine::{CloseReason, EarlyData, Handshake};
use qecho_packet::RecoveryMetrics;

use crate::latency::LatencyRecorder;

/// A completed handshake.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connected {
    /// The server's address.
    pub address: SocketAddr,
    /// Result of the handshake.
    pub handshake: Handshake,
    /// From the first packet of this connection to the completed handshake.
    pub elapsed: Duration,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Number of the ping, from 1.
    pub sequence: u64,
    /// From the instant at which it was to be sent to its answer: the echo
    /// time of a message, the round trip of a frame, the time of a handshake
    /// until it was complete.
    pub time: Duration,
    /// Address that answered.
    pub address: SocketAddr,
    /// Kind of the answer.
    pub kind: ReplyKind,
}

/// Kind of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyKind {
    /// The message itself.
    Echo {
        /// Its length.
        bytes: usize,
    },
    /// The acknowledgement of a PING frame.
    Acknowledgement {
        /// Time for which the peer says that it held it back (RFC 9000 §13.2.5);
        /// `None` if its ACK frame says that of another packet.
        delay: Option<Duration>,
    },
    /// A completed handshake.
    Handshake(HandshakeTimes),
    /// Version Negotiation.
    Versions {
        /// Those that the server speaks, in its order.
        versions: Vec<u32>,
        /// Bytes of its datagram.
        bytes: usize,
    },
}

/// Times of a handshake, all from the instant at which it was to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeTimes {
    /// Time until the first datagram of the server.
    pub first_reply: Option<Duration>,
    /// Time until it was complete (RFC 9001 §4.1.1).
    pub complete: Duration,
    /// Time until it was confirmed (RFC 9001 §4.1.2); `None` if that was not in
    /// time.
    pub confirmed: Option<Duration>,
    /// Whether the session of an earlier connection was resumed (RFC 8446 §2.2).
    pub resumed: bool,
    /// Fate of the message, if one was to be sent as early as possible.
    pub early: Option<EarlyEcho>,
}

/// Fate of a message that was sent as early as possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlyEcho {
    /// Fate of 0-RTT; `None` if the server has allowed none, or was not
    /// known yet, and the message had to wait for the handshake.
    pub early_data: Option<EarlyData>,
    /// Time from the instant at which the handshake was to begin to the echo; `None` if there was none in time,
    /// or none was expected of a server with another protocol.
    pub echoed: Option<Duration>,
}

/// A ping without an answer in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Number of the ping, from 1.
    pub sequence: u64,
    /// Reason, if more is known than that nothing came.
    pub reason: Option<String>,
}

/// Counts of pings: `received + lost + unanswered + left_out` is `sent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that were sent.
    pub sent: u64,
    /// Answered in time.
    pub received: u64,
    /// Not answered in time, those answered late included.
    pub lost: u64,
    /// Without an answer when it ended, but not for long enough to be lost.
    pub unanswered: u64,
    /// Under way while this program itself stood still, answered or not.
    pub left_out: u64,
    /// Answered after they were given up.
    pub late: u64,
    /// Answers that came once more.
    pub duplicates: u64,
    /// Answers that came after that of a later ping.
    pub reordered: u64,
}

/// Report of pinging one host.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Counts of the pings.
    pub counts: Counts,
    /// The times of the answers that came in time.
    pub times: LatencyRecorder,
    /// Other times that were measured with them.
    pub others: Vec<(Measure, LatencyRecorder)>,
    /// The transport's estimates of the path; `None` if there was more than one
    /// connection.
    pub transport: Option<Transport>,
    /// Failure that ended it before its time, if any.
    pub outcome: Result<(), Failure>,
}

/// A time that is measured beside the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measure {
    /// A round trip less the time for which the peer held the answer back.
    LessAckDelay,
    /// Until the first datagram of a handshake's other side.
    FirstReply,
    /// Until a handshake was confirmed.
    Confirmed,
    /// Until a message that was sent as early as possible had come back.
    Echoed,
}

/// The transport's estimates of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transport {
    /// Round trips, windows, losses.
    pub recovery: RecoveryMetrics,
    /// Explicit Congestion Notification.
    pub ecn: Ecn,
}

/// State of Explicit Congestion Notification on a path (RFC 9000 §13.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ecn {
    /// Whether we still mark what we send: we stop when the peer's counts do
    /// not confirm it. `None` if it was not looked at.
    pub validated: Option<bool>,
    /// Datagrams received with the mark of congestion.
    pub congestion_experienced: u64,
}

/// Failure that ends the ping of a host before its time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No address answered.
    #[error(transparent)]
    Dial(#[from] DialFailure),
    /// The connection ended.
    #[error("connection lost: {0}")]
    Closed(CloseReason),
    /// The peer fell silent and its host says that nobody listens there.
    #[error("connection lost: nobody listens there any more")]
    Gone,
    /// The peer ended the stream.
    #[error("peer closed the stream without echoing everything")]
    StreamEnded,
    /// The peer abandoned its side of the stream.
    #[error("peer reset the stream with code {0}")]
    Reset(u64),
    /// The peer wants no more on the stream.
    #[error("peer stopped the stream with code {0}")]
    Stopped(u64),
    /// The peer allows no bidirectional stream.
    #[error("peer allows no bidirectional stream")]
    NoStream,
    /// The peer leaves everything unanswered.
    #[error("peer left {0} messages in a row without an answer")]
    Silent(usize),
    /// A message came back changed.
    #[error("what came back differs from message {sequence}")]
    Differs {
        /// Number of the message.
        sequence: u64,
    },
    /// More came back than was sent.
    #[error("peer sent more than it was sent")]
    TooMuch,
    /// The peer takes no DATAGRAM frames.
    #[error("peer takes no DATAGRAM frames (RFC 9221)")]
    NoDatagrams,
    /// The messages do not fit into DATAGRAM frames.
    #[error("a message of {length} bytes is too large: a DATAGRAM frame takes at most {most} here")]
    DatagramTooLarge {
        /// Bytes of a message.
        length: usize,
        /// Bytes that would fit.
        most: usize,
    },
    /// The program's own socket or thread failed.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// Tells whether another connection may go better: the server has gone, or is not there
    /// yet.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Dial(dial) => match dial.most_telling() {
                DialFailure::Impossible { .. } => false,
                DialFailure::Handshake { reason, .. } => may_pass(reason),
                _ => true,
            },
            Self::Closed(reason) => may_pass(reason),
            Self::Gone => true,
            _ => false,
        }
    }
}

/// Tells whether a server may take a connection later that has ended so: not if it was found
/// not to be the right one, or wants another client or protocol.
fn may_pass(reason: &CloseReason) -> bool {
    let by_tls = |code| TLS_ALERTS.contains(&code);
    match reason {
        CloseReason::Violation { .. } | CloseReason::VersionMismatch => false,
        reason => !reason.transport_code().is_some_and(by_tls),
    }
}

/// Error codes that carry a TLS alert (RFC 9000 §20.1).
const TLS_ALERTS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;
