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

/// Bytes of out-of-order CRYPTO data kept in each packet number space, of a peer that sends no
/// certificates.
pub const CRYPTO_BUFFER_MAX: usize = 16 * 1024;

/// [`CRYPTO_BUFFER_MAX`] of a peer that sends certificates (RFC 9000 §7.5): room for the largest
/// chain that TLS takes, 64 KiB, and what comes after it. In Initial packets a client has no
/// more than others: its address is not validated yet.
pub const CRYPTO_BUFFER_CERTIFICATES_MAX: usize = 80 * 1024;

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

/// Time for which a token of a NEW_TOKEN frame (RFC 9000 §8.1.3) is good.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Tokens that were issued within one [`TOKEN_LIFETIME`] and used, of which a server remembers
/// that they are no longer good; beyond that none is taken, and a client pays the Retry.
pub const TOKENS_USED_MAX: usize = 65_536;

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

/// Part of a machine's memory, or of its cgroup's, that a server may use unless configured
/// otherwise: one half.
pub const MEMORY_SHARE_DIVISOR: u64 = 2;

/// Bytes of the least memory that a server can be limited to.
pub const MEMORY_MAX_LEAST: u64 = 64 << 20;

/// Percentage of the memory that a server may use from which on windows are
/// [small](RECEIVE_WINDOW_CROWDED).
pub const MEMORY_CROWDED_PERCENT: u64 = 75;

/// Percentage of the memory that a server may use beyond which it grows only by what is no
/// connection's: an allocator's reserves, files that wait to be written.
pub const MEMORY_SLACK_PERCENT: u64 = 25;

/// Bytes that a connection may hold whatever happens to others, by estimate. A server lets no
/// more connections in than have so much each.
pub const CONNECTION_MEMORY_SPARED: u64 = 64 * 1024;

/// Bytes of the receive window of a connection of a server that is near its memory's limit;
/// the send window is [`SEND_WINDOW_MIN`].
pub const RECEIVE_WINDOW_CROWDED: u32 = 64 * 1024;

/// Time between two attempts to give connections their windows back, once there is memory
/// enough.
pub const WINDOWS_RESTORED_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two looks at the memory of the process while there is work.
pub const MEMORY_LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// [`MEMORY_LOOK_INTERVAL`] of a shard that has connections and no work.
pub const MEMORY_LOOK_INTERVAL_IDLE: Duration = Duration::from_secs(1);

/// Time after which all connections are weighed again that could not explain a process at its
/// memory's limit, unless it grows.
pub const MEMORY_WEIGHED_AGAIN: Duration = Duration::from_millis(200);

/// Time that a closing endpoint waits for its CONNECTION_CLOSE to be answered.
pub const LINGER: Duration = Duration::from_secs(1);

/// Time after which a received packet is answered, even past a full congestion window: the
/// answer carries the acknowledgement (RFC 9000 §13.2.1, and max_ack_delay in §18.2). Also the
/// time between two PATH_CHALLENGEs that are answered at once past that window.
pub const ANSWER_DELAY_MAX: Duration = Duration::from_millis(25);

/// Doublings of [`ANSWER_DELAY_MAX`] while the window stays full.
pub const ANSWER_DOUBLINGS_MAX: u32 = 6;
