//! Settings of an endpoint.

use std::{sync::Arc, time::Duration};

pub use qecho_packet::wire::{VERSION_1, VERSION_2};
use qecho_packet::{TransportParameters, wire::ConnectionId, wire::write_integer};

use crate::{faults::Fault, network::Ecn, tls};

/// A change to the transport parameters before they are sent.
pub type ParametersEdit = Arc<dyn Fn(&mut Parameters) + Send + Sync>;

/// Transport parameters as ids and values, in the order in which they are sent.
pub type Parameters = Vec<(u64, Vec<u8>)>;

/// Settings of an endpoint with the TLS of one side.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config<T> {
    /// Settings of TLS; its transport parameters are written by the endpoint.
    pub tls: T,
    /// Transport parameters, to which the endpoint adds those that are connection IDs.
    pub parameters: Parameters,
    /// A change to all of them.
    pub edit_parameters: Option<ParametersEdit>,
    /// The version that is spoken.
    pub version: u32,
    /// The destination connection ID of a client's first Initial packet; eight random bytes if
    /// none is given.
    pub destination: Option<ConnectionId>,
    /// The endpoint's connection ID; eight random bytes if none is given.
    pub source: Option<ConnectionId>,
    /// The token that a client has of a NEW_TOKEN frame of an earlier connection.
    pub token: Vec<u8>,
    /// The token of a Retry by which a server answers the first Initial packet, if it does.
    pub retry_token: Option<Vec<u8>>,
    /// Actions that the endpoint takes by itself.
    pub behaviour: Behaviour,
    /// Seed that all random values derive from.
    pub seed: u64,
}

/// Settings of a client.
pub type ClientConfig = Config<tls::ClientConfig>;
/// Settings of a server's connection.
pub type ServerConfig = Config<tls::ServerConfig>;

macro_rules! behaviour {
    ($($(#[$doc:meta])* $name:ident $(unless $($fault:ident)|+)?;)*) => {
        /// Actions that an endpoint takes by itself, as the RFCs want them; a script may change
        /// them at any time.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Behaviour {
            $($(#[$doc])* pub $name: bool,)*
            /// Time for which acknowledgements are held back.
            pub acknowledgement_delay: Duration,
            /// The ECN codepoint of what it sends by itself (RFC 9000 §13.4.2).
            pub ecn: Ecn,
        }

        impl Default for Behaviour {
            fn default() -> Self {
                Self {
                    $($name: true,)*
                    acknowledgement_delay: Duration::ZERO,
                    ecn: Ecn::NotEct,
                }
            }
        }

        impl Behaviour {
            /// Leaves out what an endpoint with a fault does not do.
            pub(crate) fn leave_out(&mut self, fault: Fault) {
                match fault {
                    $($($(Fault::$fault)|+ => self.$name = false,)?)*
                    Fault::LateAcknowledgements => self.acknowledgement_delay = LATE,
                    // The others show elsewhere.
                    _ => {}
                }
            }
        }
    };
}

/// Later than every max_ack_delay that a mutant announces.
const LATE: Duration = Duration::from_millis(400);

behaviour! {
    /// Acknowledges packets (RFC 9000 §13.2).
    acknowledges unless NoAcknowledgements;
    /// Tells the ECN codepoints of packets that came (RFC 9000 §13.4.1).
    reports_ecn unless NoEcnCounts;
    /// Sends frames again that are lost, and probes (RFC 9002 §6).
    resends unless NoResending;
    /// Sends TLS messages (RFC 9000 §19.6).
    sends_crypto;
    /// Sends HANDSHAKE_DONE as a server (RFC 9000 §19.20).
    sends_handshake_done unless NoHandshakeDone;
    /// Drops packets of levels that are over (RFC 9001 §4.9).
    discards_keys unless KeepsKeys;
    /// Drops packets whose number came before (RFC 9000 §12.3).
    discards_duplicates unless ProcessesDuplicates;
    /// Answers PATH_CHALLENGE (RFC 9000 §8.2.2).
    answers_path_challenges unless NoPathResponse | WrongPathResponse;
    /// Follows a client to a new address, and validates it (RFC 9000 §9.3).
    follows_migration unless NoMigration;
    /// Takes a new address for validated only once it has answered a PATH_CHALLENGE (RFC 9000
    /// §8.2).
    validates_paths unless MigratesUnvalidated;
    /// Pads datagrams with PATH_CHALLENGE and PATH_RESPONSE (RFC 9000 §8.2.1).
    pads_path_frames unless UnpaddedPathChallenges;
    /// Takes an address for validated only by a token that was given to it (RFC 9000 §8.1.3).
    checks_tokens unless TrustsAnyToken;
    /// Reads on in a datagram behind a packet that is not authentic (RFC 9000 §12.2).
    reads_whole_datagrams unless DropsBehindUnauthentic;
    /// Follows key updates only if they are authentic (RFC 9001 §5.5).
    checks_key_updates unless FollowsUnauthenticKeyUpdate;
    /// Waits twice as long after each probe without an answer (RFC 9002 §6.2.1).
    backs_off unless NoBackoff;
    /// Issues connection IDs, as many as the peer takes and four at most (RFC 9000 §5.1.1).
    issues_connection_ids;
    /// Retires connection IDs when it is told to (RFC 9000 §5.1.2).
    retires_connection_ids unless RetiresNoConnectionIds;
    /// Gives credit for what has come (RFC 9000 §4).
    gives_credit unless NoCredit;
    /// Answers STOP_SENDING by RESET_STREAM (RFC 9000 §3.5).
    answers_stop_sending unless IgnoresStopSending;
    /// Updates its keys when the peer does (RFC 9001 §6.2).
    follows_key_updates unless NoKeyUpdate;
    /// Sends at most three times what came from an address that is not validated (RFC 9000 §8).
    keeps_amplification_limit unless ExceedsAmplificationLimit;
    /// Pads datagrams with Initial packets (RFC 9000 §14.1).
    pads_initials unless UnpaddedInitials;
    /// Pads them also when they are probes, and what comes behind those (RFC 9000 §14.1).
    pads_probes unless UnpaddedProbes;
    /// Follows a Retry as a client (RFC 9000 §17.2.5).
    follows_retry unless IgnoresRetry;
    /// Gives up when Version Negotiation says so (RFC 9000 §6.2).
    heeds_version_negotiation unless IgnoresVersionNegotiation;
    /// Ends by a stateless reset (RFC 9000 §10.3).
    heeds_stateless_reset unless IgnoresReset;
    /// Ends by CONNECTION_CLOSE of the peer, without a word (RFC 9000 §10.2.2).
    heeds_close unless TalksAfterClose;
    /// Sends CONNECTION_CLOSE again to whoever goes on (RFC 9000 §10.2.1).
    repeats_close unless ClosesOnce;
    /// Ends after the idle timeout (RFC 9000 §10.1).
    times_out unless NeverTimesOut;
    /// Takes tickets as a server only in the version in which it gave them (RFC 9369 §5).
    tells_versions_of_tickets unless TakesTicketsOfOtherVersions;
}

impl<T> Config<T> {
    /// An endpoint with usual transport parameters.
    pub fn new(tls: T, seed: u64) -> Self {
        Self {
            tls,
            parameters: honest_parameters(),
            edit_parameters: None,
            version: VERSION_1,
            destination: None,
            source: None,
            token: Vec::new(),
            retry_token: None,
            behaviour: Behaviour::default(),
            seed,
        }
    }

    /// Returns the transport parameters that are sent, with connection IDs, and the version where
    /// that has to be told.
    pub(super) fn all_parameters(
        &self,
        ids: impl IntoIterator<Item = (u64, Vec<u8>)>,
    ) -> TransportParameters {
        let mut parameters = self.parameters.clone();
        parameters.extend(ids);
        // RFC 9369 §4: whoever speaks version 2 says so.
        if self.version == VERSION_2 {
            let id = TransportParameters::VERSION_INFORMATION;
            // The version that is chosen, and those that are available: it alone (RFC 9368 §3).
            parameters.push((id, [VERSION_2.to_be_bytes(); 2].concat()));
        }
        if let Some(edit) = &self.edit_parameters {
            edit(&mut parameters);
        }
        TransportParameters::from_pairs(parameters)
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
