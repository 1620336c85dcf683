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

/// Pieces of CRYPTO data in a packet number space that were not appended to what had come
/// before, repeated ones included; the packet that brings one more is lost. A client that
/// cuts its ClientHello to pieces on purpose sends some ten at a time.
pub const CRYPTO_PIECES_MAX: usize = 512;

/// Gaps in the streams of a connection, in all; the packet that leaves one more is lost.
pub const GAPS_MAX: usize = 4_096;

/// Streams of a connection of which it is known what has come, before those that have ended
/// are looked for.
pub const STREAMS_TRACKED_MIN: usize = 1_024;

/// Fragments that one packet may make the state machine copy, at a microsecond or less
/// each; the packet that takes more is lost.
pub const FRAGMENTS_COPIED_MAX: u64 = 4_096;

/// The same while the peer's address or its handshake is not confirmed.
pub const FRAGMENTS_COPIED_UNCONFIRMED_MAX: u64 = 256;

/// Packets of a connection that may be lost for their gaps; one more closes it.
pub const FRAGMENTED_PACKETS_MAX: usize = 4;

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

/// Datagrams and batches of which a shard that traces packets keeps what is in them until
/// they are sent: those in the outbox, and as many that were taken from it.
pub const UNSENT_TRACED_MAX: usize = 2 * OUTBOX_TRANSMITS_MAX;

/// Bytes of the largest UDP payload (RFC 9000 §18.2).
pub const UDP_PAYLOAD_MAX: u16 = 65_527;

/// Bytes of the largest UDP payload that is tried on a route of which nothing
/// is known: an Ethernet's, with an IPv6 header.
pub const UNKNOWN_ROUTE_PAYLOAD: u16 = 1_452;

/// Bytes of the largest UDP payload on an Ethernet, with an IPv4 header.
pub const ETHERNET_PAYLOAD_MAX: usize = 1_472;

/// Bytes of the largest datagram that may begin with a long header: those of a handshake
/// have no reason to be larger than an Ethernet carries, and anybody can send them.
pub const LONG_HEADER_DATAGRAM_MAX: usize = 4_096;

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
pub const OBSERVED_SOURCES_MAX: usize = 1_024;

/// Bytes of the smallest datagram in which a client may send an Initial packet
/// (RFC 9000 §14.1).
pub const INITIAL_DATAGRAM_MIN: u16 = 1_200;

/// Bytes that may be sent to an address for each that came from there, before the client was
/// proved to receive there (RFC 9000 §8).
pub const AMPLIFICATION_MAX: u64 = 3;

/// Addresses of a client for which it is counted what came and what was sent, beside the one
/// that is validated.
pub const UNVALIDATED_ADDRESSES_MAX: usize = 8;

/// Addresses of a client that stay validated, the last of them.
pub const VALIDATED_ADDRESSES_MAX: usize = 3;

/// PATH_CHALLENGE frames to an address of which the answer is known.
pub const CHALLENGES_KEPT_MAX: usize = 4;

/// Datagrams of a connection to addresses that are not validated that may be larger than is
/// allowed, each the first on a new path; one more for each address that was validated since.
pub const EXCEEDING_MAX: u32 = 3;

/// The same of all connections of a shard in a second.
pub const EXCEEDING_PER_SECOND_MAX: u32 = 1_024;

/// Time for which it is known what came from an address that the client has left.
pub const UNVALIDATED_KEPT_TIME: Duration = Duration::from_secs(10);

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

/// Handshakes under way on a shard in all; one more, from a validated address, takes the
/// place of the oldest from the address that has most.
pub const HALF_OPEN_MAX: usize = 1_024;

/// Handshakes from one address (IPv6: /64) with which it has its share of a table that is
/// full: one more takes the place of its own oldest.
pub const HALF_OPEN_PER_ADDRESS_MAX: usize = 64;

/// Handshakes under way on a shard from one unvalidated address (IPv6: /64);
/// one more gets a Retry.
pub const HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX: usize = 64;

/// Closed connections that a shard remembers, each for three probe timeouts
/// (RFC 9000 §10.2); a newcomer takes the place of the oldest of so many.
pub const CLOSED_KEPT_MAX: usize = 10_000;

/// Time for which a closed connection is remembered at the most: three probe timeouts are
/// what the peer makes of them, by the delays that it announces and shows.
pub const CLOSED_KEPT_TIME_MAX: Duration = Duration::from_secs(10);

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

/// The same once half of the handshakes that there may be are under way, and another comes.
pub const HANDSHAKE_DEADLINE_CROWDED: Duration = Duration::from_secs(10);

/// Time that a closing endpoint waits for its CONNECTION_CLOSE to be answered.
pub const LINGER: Duration = Duration::from_secs(1);

/// Time after which something is sent because something was heard, one packet
/// even past a full congestion window: it carries the acknowledgement
/// (RFC 9000 §13.2.1, and max_ack_delay in §18.2).
pub const ANSWER_DELAY_MAX: Duration = Duration::from_millis(25);

/// Doublings of [`ANSWER_DELAY_MAX`] while the window stays full.
pub const ANSWER_DOUBLINGS_MAX: u32 = 6;
