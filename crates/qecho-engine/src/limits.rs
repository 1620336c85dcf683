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

/// CRYPTO frames in a packet number space that do not continue the data before them, repeated
/// ones included; a packet with one more is dropped. Clients that deliberately split their
/// ClientHello send about ten at a time.
pub const CRYPTO_PIECES_MAX: usize = 512;

/// Gaps in the received data of all streams of a connection; a packet that leaves one more is
/// dropped.
pub const GAPS_MAX: usize = 4_096;

/// Streams of a connection whose received ranges are tracked before those that have ended are
/// removed.
pub const STREAMS_TRACKED_MIN: usize = 1_024;

/// Fragments that one packet may make the state machine copy, at a microsecond or less
/// each; a packet that would take more is dropped.
pub const FRAGMENTS_COPIED_MAX: u64 = 4_096;

/// [`FRAGMENTS_COPIED_MAX`] for packets before 1-RTT.
pub const FRAGMENTS_COPIED_UNCONFIRMED_MAX: u64 = 256;

/// Packets of a connection that may be dropped for their gaps; one more closes it.
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
/// Every allowed stream costs memory from the start, so the limit begins small and doubles
/// while a connection uses it. With the unidirectional ones there are 14, as many as fit
/// into the state machine's table of 16 entries; one more would double it.
pub const BIDIRECTIONAL_STREAMS_INITIAL: u64 = 11;

/// Unidirectional streams that a connection starts with: unread, they fill three of the four
/// stream windows that a receive window has.
pub const UNIDIRECTIONAL_STREAMS_INITIAL: u64 = 3;

/// Unacknowledged writes of a connection, about: the smaller they are, the smaller is the
/// send window, down to [`SEND_WINDOW_MIN`].
pub const PIECES_UNACKNOWLEDGED_MAX: u64 = 16_384;

/// Bytes of the send window of a connection with the smallest writes.
pub const SEND_WINDOW_MIN: u64 = 16 * 1024;

/// Bytes of the smallest received piece of a stream that is passed on without a copy; smaller
/// ones are joined, so that there are few.
pub const PIECE_UNCOPIED_MIN: usize = 16 * 1024;

/// Shortest interval at which a connection is kept alive, however short the peer's idle timeout
/// is: no connection is given up before three probe timeouts (RFC 9000 §10.1).
pub const KEEP_ALIVE_MIN: Duration = Duration::from_millis(50);

/// Transmits in the outbox.
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
/// have no reason to be larger than an Ethernet carries, and anyone can send them.
pub const LONG_HEADER_DATAGRAM_MAX: usize = 4_096;

/// Sizes of routes for which settings are kept.
pub const ROUTE_SETTINGS_MAX: usize = 16;

/// Peers for which the size of their route is remembered.
pub const ROUTES_MAX: usize = 1_024;

/// Bytes of a GSO batch: the kernel refuses more than the length field of a UDP datagram
/// can hold.
pub const GSO_BYTES_MAX: usize = 65_000;

/// Commands in a shard's mailbox; when it is full, a sender waits or gets an error.
pub const MAILBOX_MAX: usize = 1_024;

/// Commands read in one turn.
pub const COMMANDS_PER_TURN_MAX: usize = 64;

/// Peers whose local address is remembered for observers.
pub const OBSERVED_SOURCES_MAX: usize = 1_024;

/// Bytes of the smallest datagram in which a client may send an Initial packet
/// (RFC 9000 §14.1).
pub const INITIAL_DATAGRAM_MIN: u16 = 1_200;

/// Bytes that may be sent to an address for each byte received from there, before the address
/// is validated (RFC 9000 §8).
pub const AMPLIFICATION_MAX: u64 = 3;

/// Unvalidated addresses of a client whose bytes are counted.
pub const UNVALIDATED_ADDRESSES_MAX: usize = 8;

/// Validated addresses of a client that are remembered.
pub const VALIDATED_ADDRESSES_MAX: usize = 3;

/// PATH_CHALLENGE frames to an address whose responses are recognised.
pub const CHALLENGES_KEPT_MAX: usize = 4;

/// Datagrams of a connection that may exceed [`AMPLIFICATION_MAX`], each the first on a new
/// path; one more for each address that was validated since.
pub const EXCEEDING_MAX: u32 = 3;

/// [`EXCEEDING_MAX`] for all connections of a shard together, in a second.
pub const EXCEEDING_PER_SECOND_MAX: u32 = 1_024;

/// Time for which the bytes of an address that the client has left are counted.
pub const UNVALIDATED_KEPT_TIME: Duration = Duration::from_secs(10);

/// Datagrams that other shards have handed over to one and it has not taken yet; more are
/// dropped.
pub const HANDED_OVER_MAX: usize = 1_024;

/// Receive batches taken from one socket before the turn goes on.
pub const RECEIVE_BATCHES_PER_TURN: usize = 4;

/// Bytes that a turn aims to take from one socket: as many as stay in a core's cache
/// until their echo is sent. A batch that is larger than the last was is taken whole.
pub const RECEIVE_BYTES_PER_TURN: usize = 192 * 1024;

/// Receive buffers of 64 KiB of an event loop of which some part is still in use; beyond
/// that, each datagram is copied.
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

/// Handshakes under way from one address (IPv6: /64) when there are [`HALF_OPEN_MAX`]: one
/// more takes the place of its own oldest.
pub const HALF_OPEN_PER_ADDRESS_MAX: usize = 64;

/// Handshakes under way on a shard from one unvalidated address (IPv6: /64);
/// one more gets a Retry.
pub const HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX: usize = 64;

/// Closed connections that a shard remembers, each for three probe timeouts
/// (RFC 9000 §10.2); a newcomer takes the place of the oldest of so many.
pub const CLOSED_KEPT_MAX: usize = 10_000;

/// Longest time for which a closed connection is remembered: a peer can make its probe
/// timeout long, by the delays that it announces and shows.
pub const CLOSED_KEPT_TIME_MAX: Duration = Duration::from_secs(10);

/// Connections that a server serves at once on all its shards, unless configured otherwise.
pub const CONNECTIONS_MAX: usize = 10_000;

/// Connections from one address (IPv6: /64) that is not loopback, unless
/// configured otherwise.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 1_000;

/// Time that a connection may take to complete its handshake.
///
/// With 30 % loss each way, one handshake of a hundred takes more than 30 seconds: both ends
/// double their timeouts each time.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(60);

/// [`HANDSHAKE_DEADLINE`] when another client comes and half of [`HALF_OPEN_MAX`] handshakes
/// are under way.
pub const HANDSHAKE_DEADLINE_CROWDED: Duration = Duration::from_secs(10);

/// Time that a closing endpoint waits for its CONNECTION_CLOSE to be answered.
pub const LINGER: Duration = Duration::from_secs(1);

/// Time after which a received packet is answered, even past a full congestion window: the
/// answer carries the acknowledgement (RFC 9000 §13.2.1, and max_ack_delay in §18.2).
pub const ANSWER_DELAY_MAX: Duration = Duration::from_millis(25);

/// Doublings of [`ANSWER_DELAY_MAX`] while the window stays full.
pub const ANSWER_DOUBLINGS_MAX: u32 = 6;
