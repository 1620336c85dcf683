//! Results of what an application does to a connection.

use bytes::Bytes;

/// Traffic of a connection so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// UDP datagrams sent.
    pub datagrams_sent: u64,
    /// Bytes of their payloads.
    pub bytes_sent: u64,
    /// UDP datagrams received.
    pub datagrams_received: u64,
    /// Bytes of their payloads.
    pub bytes_received: u64,
    /// QUIC packets sent on the path that is in use.
    pub packets_sent: u64,
}

/// Result of reading a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    /// The bytes, in order and contiguous; may be empty.
    pub data: Bytes,
    /// End of this read.
    pub end: ReadEnd,
}

/// End of a read: what follows the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadEnd {
    /// Nothing yet: [`Event::Readable`](crate::Event::Readable) will follow.
    Blocked,
    /// More bytes, over the limit that was asked for.
    More,
    /// The FIN: the stream was read to its end.
    Fin,
    /// The peer abandoned the stream with this code (RESET_STREAM).
    Reset(u64),
    /// There is no such stream to read (any more).
    Closed,
}

/// Result of writing to a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// All were taken.
    All,
    /// These were not: write them again at
    /// [`Event::Writable`](crate::Event::Writable).
    Blocked(Bytes),
    /// The peer asked by STOP_SENDING with this code for no more.
    Stopped(u64),
    /// There is no such stream to write (any more).
    Closed,
}

/// Reason for which a DATAGRAM frame was not sent (RFC 9221).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendDatagramError {
    /// The peer does not take DATAGRAM frames.
    #[error("the peer does not take DATAGRAM frames")]
    Unsupported,
    /// It does not fit into one packet now; it may when the MTU has grown.
    #[error("too large for one packet")]
    TooLarge,
    /// The queue is full.
    #[error("the queue of unsent DATAGRAM frames is full")]
    Blocked,
}

impl Read {
    pub(super) fn nothing(end: ReadEnd) -> Self {
        Self {
            data: Bytes::new(),
            end,
        }
    }
}
