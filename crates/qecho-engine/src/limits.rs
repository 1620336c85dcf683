//! Every limit of the engine, by name.
//!
//! Memory that a peer can make us hold is bounded by these and by the windows
//! of [`crate::config::Transport`]: a connection keeps at most
//! `receive_window + send_window` bytes of stream data, the two DATAGRAM
//! queues, and while its handshake lasts one pending ClientHello.

use std::time::Duration;

/// Bytes of an incomplete ClientHello that are kept until it is whole.
///
/// A post-quantum ClientHello is about 1.8 kB; TLS allows far more.
pub const CLIENT_HELLO_MAX: usize = 64 * 1024;

/// Bytes of out-of-order CRYPTO data kept in each packet number space.
pub const CRYPTO_BUFFER_MAX: usize = 16 * 1024;

/// Bytes of received DATAGRAM frames that wait for the application.
pub const DATAGRAM_RECEIVE_BUFFER: usize = 256 * 1024;

/// Bytes of DATAGRAM frames that wait to be sent.
pub const DATAGRAM_SEND_BUFFER: usize = 256 * 1024;

/// Streams of each direction that a peer may have open on one connection,
/// unless configured otherwise.
pub const STREAMS_PER_CONNECTION_MAX: u64 = 100;

/// Bidirectional streams that a connection starts with.
///
/// Every allowed stream costs memory from the start, so the allowance begins
/// small and doubles while a connection uses it. With the unidirectional ones
/// they are 14, as many as the state machine's table of 16 places takes; one more
/// would double it.
pub const BIDIRECTIONAL_STREAMS_INITIAL: u64 = 11;

/// Unidirectional streams that a connection starts with: what they hold unread
/// leaves room in a receive window of four stream windows.
pub const UNIDIRECTIONAL_STREAMS_INITIAL: u64 = 3;

/// Written pieces of a connection that may be unacknowledged, about: with
/// smaller pieces the send window shrinks, down to [`SEND_WINDOW_MIN`].
pub const PIECES_UNACKNOWLEDGED_MAX: u64 = 16_384;

/// Send window, in bytes, that a connection has for the smallest pieces.
pub const SEND_WINDOW_MIN: u64 = 16 * 1024;

/// Bytes of the smallest piece of a stream that is worth handing on as it came:
/// smaller ones are joined, so that there are few.
pub const PIECE_UNCOPIED_MIN: usize = 16 * 1024;

/// Transmits that wait in the outbox for the socket to take them.
///
/// Each holds one datagram or one GSO batch of at most [`GSO_BYTES_MAX`].
pub const OUTBOX_TRANSMITS_MAX: usize = 64;

/// Bytes of the largest UDP payload (RFC 9000 §18.2).
pub const UDP_PAYLOAD_MAX: u16 = 65_527;

/// Bytes of the largest UDP payload that is tried on a route of which nothing
/// is known: an Ethernet's, with an IPv6 header.
pub const UNKNOWN_ROUTE_PAYLOAD: u16 = 1_452;

/// Kinds of routes, by what they can carry, for which settings are kept.
pub const ROUTE_KINDS_MAX: usize = 16;

/// Peers for which it is kept what the route to them can carry.
pub const ROUTES_MAX: usize = 1_024;

/// Bytes that one GSO batch may have: the kernel refuses more than a UDP
/// datagram can say in its length field.
pub const GSO_BYTES_MAX: usize = 65_000;

/// Letters that wait in a shard's mailbox; a sender blocks or is told so.
pub const MAILBOX_MAX: usize = 1_024;

/// Letters read in one turn.
pub const MAIL_PER_TURN_MAX: usize = 64;

/// Peers for which it is kept from which address they are sent to, for a tap.
pub const TAP_SOURCES_MAX: usize = 1_024;

/// Bytes of the smallest datagram in which a client may send an Initial packet
/// (RFC 9000 §14.1).
pub const INITIAL_DATAGRAM_MIN: u16 = 1_200;

/// Datagrams that other shards have received for one and it has not taken yet;
/// more are lost.
pub const HANDED_OVER_MAX: usize = 1_024;

/// Receive batches taken from one socket before the turn goes on.
pub const RECEIVE_BATCHES_PER_TURN: usize = 4;

/// Bytes that a turn aims to take from one socket: as many as stay in a core's cache
/// until their echo is sent. A batch that is larger than the last was is taken whole.
pub const RECEIVE_BYTES_PER_TURN: usize = 192 * 1024;

/// Receive buffers of 64 KiB that an event loop may have handed on whole and somebody
/// still keeps a part of; beyond that, each datagram gets memory of its own.
pub const RECEIVE_BUFFERS_LENT_MAX: usize = 32;

/// Shards of a server: each has a thread and, for each address, a socket.
pub const SHARDS_MAX: usize = 256;

/// TLS sessions that a server remembers so that clients may resume them.
pub const TLS_SESSIONS_MAX: usize = 256;

/// Handshakes under way on a shard from addresses that have not been
/// validated; one more gets a Retry.
pub const HALF_OPEN_UNVALIDATED_MAX: usize = 256;

/// Handshakes under way on a shard in all; one more is refused.
pub const HALF_OPEN_MAX: usize = 1_024;

/// Handshakes under way on a shard from one unvalidated address (IPv6: /64);
/// one more gets a Retry.
pub const HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX: usize = 64;

/// Closed connections that a shard remembers, each for three probe timeouts
/// (RFC 9000 §10.2); at this number newcomers are refused.
pub const DRAINING_MAX: usize = 10_000;

/// Connections that a server serves at once on all its shards, unless configured otherwise.
pub const CONNECTIONS_MAX: usize = 10_000;

/// Connections from one address (IPv6: /64) that is not loopback, unless
/// configured otherwise.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 1_000;

/// Time that a connection may take to complete its handshake.
///
/// Where 30 % of all datagrams are lost each way, one handshake of a hundred
/// takes more than 30 seconds: both ends wait twice as long each time.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(60);

/// Time that a closing endpoint waits for its CONNECTION_CLOSE to be answered.
pub const LINGER: Duration = Duration::from_secs(1);

/// Time after which something is sent because something was heard, one packet
/// even past a full congestion window: it carries the acknowledgement
/// (RFC 9000 §13.2.1, and max_ack_delay in §18.2).
pub const ANSWER_DELAY_MAX: Duration = Duration::from_millis(25);

/// Doublings of [`ANSWER_DELAY_MAX`] while the window stays full.
pub const ANSWER_DOUBLINGS_MAX: u32 = 6;
