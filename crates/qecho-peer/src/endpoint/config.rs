//! Settings of an endpoint.

use std::{sync::Arc, time::Duration};

use qecho_packet::{TransportParameters, wire::ConnectionId, wire::write_integer};

use crate::{network::Ecn, tls};

/// QUIC version 1 (RFC 9000 §15).
pub const VERSION_1: u32 = 1;

/// A change to the transport parameters before they are sent.
pub type ParametersEdit = Arc<dyn Fn(&mut Parameters) + Send + Sync>;

/// Transport parameters as ids and values, in the order in which they are sent.
pub type Parameters = Vec<(u64, Vec<u8>)>;

/// Settings of a client.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Settings of TLS; its transport parameters are written by the endpoint.
    pub tls: tls::ClientConfig,
    /// Transport parameters, to which the endpoint adds those that are connection IDs.
    pub parameters: Parameters,
    /// A change to all of them.
    pub edit_parameters: Option<ParametersEdit>,
    /// The version that is spoken.
    pub version: u32,
    /// The destination connection ID of the first Initial packet; eight random bytes if none is
    /// given.
    pub destination: Option<ConnectionId>,
    /// The client's connection ID; eight random bytes if none is given.
    pub source: Option<ConnectionId>,
    /// The token of a NEW_TOKEN frame of an earlier connection.
    pub token: Vec<u8>,
    /// Actions that the endpoint takes by itself.
    pub behaviour: Behaviour,
    /// Seed that all random values derive from.
    pub seed: u64,
}

/// Settings of a server's connection.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Settings of TLS; its transport parameters are written by the endpoint.
    pub tls: tls::ServerConfig,
    /// Transport parameters, to which the endpoint adds those that are connection IDs.
    pub parameters: Parameters,
    /// A change to all of them.
    pub edit_parameters: Option<ParametersEdit>,
    /// The version that is spoken.
    pub version: u32,
    /// The server's connection ID; eight random bytes if none is given.
    pub source: Option<ConnectionId>,
    /// The token of a Retry by which the first Initial packet is answered, if it is.
    pub retry_token: Option<Vec<u8>>,
    /// Actions that the endpoint takes by itself.
    pub behaviour: Behaviour,
    /// Seed that all random values derive from.
    pub seed: u64,
}

/// Actions that an endpoint takes by itself, as the RFCs want them; a script may change them at any
/// time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Behaviour {
    /// Acknowledges packets (RFC 9000 §13.2).
    pub acknowledges: bool,
    /// Time for which acknowledgements are held back.
    pub acknowledgement_delay: Duration,
    /// The ECN codepoint of what it sends by itself (RFC 9000 §13.4.2).
    pub ecn: Ecn,
    /// Tells the ECN codepoints of packets that came (RFC 9000 §13.4.1).
    pub reports_ecn: bool,
    /// Sends frames again that are lost, and probes (RFC 9002 §6).
    pub resends: bool,
    /// Sends TLS messages (RFC 9000 §19.6).
    pub sends_crypto: bool,
    /// Sends HANDSHAKE_DONE as a server (RFC 9000 §19.20).
    pub sends_handshake_done: bool,
    /// Drops packets of levels that are over (RFC 9001 §4.9).
    pub discards_keys: bool,
    /// Drops packets whose number came before (RFC 9000 §12.3).
    pub discards_duplicates: bool,
    /// Answers PATH_CHALLENGE (RFC 9000 §8.2.2).
    pub answers_path_challenges: bool,
    /// Follows a client to a new address, and validates it (RFC 9000 §9.3).
    pub follows_migration: bool,
    /// Takes a new address for validated only once it has answered a PATH_CHALLENGE (RFC 9000
    /// §8.2).
    pub validates_paths: bool,
    /// Pads datagrams with PATH_CHALLENGE and PATH_RESPONSE (RFC 9000 §8.2.1).
    pub pads_path_frames: bool,
    /// Takes an address for validated only by a token that was given to it (RFC 9000 §8.1.3).
    pub checks_tokens: bool,
    /// Reads on in a datagram behind a packet that is not authentic (RFC 9000 §12.2).
    pub reads_whole_datagrams: bool,
    /// Follows key updates only if they are authentic (RFC 9001 §5.5).
    pub checks_key_updates: bool,
    /// Waits twice as long after each probe without an answer (RFC 9002 §6.2.1).
    pub backs_off: bool,
    /// Issues connection IDs, as many as the peer takes and four at most (RFC 9000 §5.1.1).
    pub issues_connection_ids: bool,
    /// Retires connection IDs when it is told to (RFC 9000 §5.1.2).
    pub retires_connection_ids: bool,
    /// Gives credit for what has come (RFC 9000 §4).
    pub gives_credit: bool,
    /// Answers STOP_SENDING by RESET_STREAM (RFC 9000 §3.5).
    pub answers_stop_sending: bool,
    /// Updates its keys when the peer does (RFC 9001 §6.2).
    pub follows_key_updates: bool,
    /// Sends at most three times what came from an address that is not validated (RFC 9000 §8).
    pub keeps_amplification_limit: bool,
    /// Pads datagrams with Initial packets (RFC 9000 §14.1).
    pub pads_initials: bool,
    /// Follows a Retry as a client (RFC 9000 §17.2.5).
    pub follows_retry: bool,
    /// Gives up when Version Negotiation says so (RFC 9000 §6.2).
    pub heeds_version_negotiation: bool,
    /// Ends by a stateless reset (RFC 9000 §10.3).
    pub heeds_stateless_reset: bool,
    /// Ends by CONNECTION_CLOSE of the peer, without a word (RFC 9000 §10.2.2).
    pub heeds_close: bool,
    /// Sends CONNECTION_CLOSE again to whoever goes on (RFC 9000 §10.2.1).
    pub repeats_close: bool,
    /// Ends after the idle timeout (RFC 9000 §10.1).
    pub times_out: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            acknowledges: true,
            acknowledgement_delay: Duration::ZERO,
            ecn: Ecn::NotEct,
            reports_ecn: true,
            resends: true,
            sends_crypto: true,
            sends_handshake_done: true,
            discards_keys: true,
            discards_duplicates: true,
            answers_path_challenges: true,
            follows_migration: true,
            validates_paths: true,
            checks_tokens: true,
            reads_whole_datagrams: true,
            checks_key_updates: true,
            backs_off: true,
            pads_path_frames: true,
            issues_connection_ids: true,
            retires_connection_ids: true,
            gives_credit: true,
            answers_stop_sending: true,
            follows_key_updates: true,
            keeps_amplification_limit: true,
            pads_initials: true,
            follows_retry: true,
            heeds_version_negotiation: true,
            heeds_stateless_reset: true,
            heeds_close: true,
            repeats_close: true,
            times_out: true,
        }
    }
}

impl ClientConfig {
    /// A client with usual transport parameters.
    pub fn new(tls: tls::ClientConfig, seed: u64) -> Self {
        Self {
            tls,
            parameters: honest_parameters(),
            edit_parameters: None,
            version: VERSION_1,
            destination: None,
            source: None,
            token: Vec::new(),
            behaviour: Behaviour::default(),
            seed,
        }
    }
}

impl ServerConfig {
    /// A server with usual transport parameters.
    pub fn new(tls: tls::ServerConfig, seed: u64) -> Self {
        Self {
            tls,
            parameters: honest_parameters(),
            edit_parameters: None,
            version: VERSION_1,
            source: None,
            retry_token: None,
            behaviour: Behaviour::default(),
            seed,
        }
    }
}

/// Returns transport parameters as a usual endpoint has them, without connection IDs.
pub fn honest_parameters() -> Parameters {
    let integers = [
        (TransportParameters::MAX_IDLE_TIMEOUT, 30_000),
        (TransportParameters::MAX_UDP_PAYLOAD_SIZE, 1_472),
        (TransportParameters::INITIAL_MAX_DATA, 1 << 20),
        (
            TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_LOCAL,
            1 << 18,
        ),
        (
            TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE,
            1 << 18,
        ),
        (TransportParameters::INITIAL_MAX_STREAM_DATA_UNI, 1 << 18),
        (TransportParameters::INITIAL_MAX_STREAMS_BIDI, 100),
        (TransportParameters::INITIAL_MAX_STREAMS_UNI, 100),
        (TransportParameters::ACTIVE_CONNECTION_ID_LIMIT, 4),
        (TransportParameters::MAX_DATAGRAM_FRAME_SIZE, 65_535),
    ];
    integers
        .map(|(id, value)| (id, integer_value(value)))
        .to_vec()
}

/// Returns the value of a parameter that is an integer.
pub fn integer_value(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_integer(&mut bytes, value);
    bytes
}
