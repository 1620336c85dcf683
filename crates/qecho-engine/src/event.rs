//! Events of a connection for its application.

use qecho_packet::{CloseReason, Dir, StreamId};

/// Something that happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete: [`Connection::handshake`] tells what was
    /// agreed, and the peer is who its certificate says.
    ///
    /// [`Connection::handshake`]: crate::Connection::handshake
    Connected,
    /// The handshake is confirmed, which only a client is told
    /// (RFC 9001 §4.1.2): servers give TLS sessions by then.
    Confirmed,
    /// The peer opened a stream; it may already be readable.
    ///
    /// Streams of one direction are reported strictly in order, those too that
    /// the peer opened only implicitly.
    Opened(StreamId),
    /// Data, the end or a reset may wait to be read.
    Readable(StreamId),
    /// A stream that refused data may take some again.
    Writable(StreamId),
    /// Everything up to the FIN was acknowledged by the peer.
    Finished(StreamId),
    /// The peer asks us to send no more (STOP_SENDING, RFC 9000 §3.5).
    Stopped(StreamId, u64),
    /// The peer allows more streams of this direction.
    StreamsAvailable(Dir),
    /// A DATAGRAM frame waits to be read.
    DatagramReceived,
    /// DATAGRAM frames may be sent again after the queue was full.
    DatagramsUnblocked,
    /// The turn that the application asked for by [`Connection::request_turn`].
    ///
    /// [`Connection::request_turn`]: crate::Connection::request_turn
    TurnRequested,
    /// The connection is over; no event follows.
    Closed(CloseReason),
}
