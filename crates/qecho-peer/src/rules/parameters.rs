//! The peer's transport parameters (RFC 9000 §7.3, §7.4, §18; RFC 9287 §3; RFC 9368 §4).

use std::collections::HashSet;

use qecho_packet::{
    Side, TransportParameters,
    wire::{ConnectionId, whole_integer},
};

use super::{Enforced, Rule, streams::STREAMS_MAX};

/// Knowledge that an endpoint has of the handshake, against which it checks transport parameters.
#[derive(Clone, Debug)]
pub(super) struct Handshake {
    /// The side that checks.
    pub(super) side: Side,
    /// The version in use.
    pub(super) version: u32,
    /// The destination of the client's first packet.
    pub(super) original_destination: ConnectionId,
    /// The source of the Retry that was followed, if one was.
    pub(super) retry_source: Option<ConnectionId>,
    /// The source of the peer's first packet, which no Retry is.
    pub(super) peer_source: ConnectionId,
    /// The parameters by which 0-RTT data were sent that the server has accepted.
    pub(super) remembered: Option<TransportParameters>,
}

const INTEGERS: [u64; 12] = [
    TransportParameters::MAX_IDLE_TIMEOUT,
    TransportParameters::MAX_UDP_PAYLOAD_SIZE,
    TransportParameters::INITIAL_MAX_DATA,
    TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_LOCAL,
    TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE,
    TransportParameters::INITIAL_MAX_STREAM_DATA_UNI,
    TransportParameters::INITIAL_MAX_STREAMS_BIDI,
    TransportParameters::INITIAL_MAX_STREAMS_UNI,
    TransportParameters::ACK_DELAY_EXPONENT,
    TransportParameters::MAX_ACK_DELAY,
    TransportParameters::ACTIVE_CONNECTION_ID_LIMIT,
    TransportParameters::MAX_DATAGRAM_FRAME_SIZE,
];

/// Limits that must not get less while 0-RTT data are accepted (RFC 9000 §7.4.1, RFC 9221 §3).
const REMEMBERED: [u64; 8] = [
    TransportParameters::ACTIVE_CONNECTION_ID_LIMIT,
    TransportParameters::INITIAL_MAX_DATA,
    TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_LOCAL,
    TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE,
    TransportParameters::INITIAL_MAX_STREAM_DATA_UNI,
    TransportParameters::INITIAL_MAX_STREAMS_BIDI,
    TransportParameters::INITIAL_MAX_STREAMS_UNI,
    TransportParameters::MAX_DATAGRAM_FRAME_SIZE,
];

/// Bytes of a preferred_address before its connection ID: two addresses with ports.
const PREFERRED_ADDRESS_HEAD: usize = 4 + 2 + 16 + 2;
const RESET_TOKEN: usize = 16;

/// Checks the bytes of the extension that carries the peer's transport parameters.
pub(super) fn check(
    extension: &[u8],
    handshake: &Handshake,
    enforced: &Enforced,
) -> Result<(), Rule> {
    let (parameters, rest) = TransportParameters::parse_with_rest(extension);
    enforced.demand(Rule::WholeParameters, rest.is_empty())?;
    let mut seen = HashSet::new();
    let is_once = parameters.iter().all(|(id, _)| seen.insert(id));
    enforced.demand(Rule::ParameterOnce, is_once)?;
    for (id, value) in parameters.iter() {
        integer(id, value, enforced)?;
        other(id, value, handshake, enforced)?;
    }
    if let Some(remembered) = &handshake.remembered {
        let is_kept = REMEMBERED.iter().all(|id| {
            let before = remembered.integer(*id).unwrap_or(0);
            parameters.integer(*id).unwrap_or(0) >= before
        });
        enforced.demand(Rule::ReducedParameters, is_kept)?;
    }
    connection_ids(&parameters, handshake, enforced)
}

/// Checks a parameter that is an integer.
fn integer(id: u64, value: &[u8], enforced: &Enforced) -> Result<(), Rule> {
    if !INTEGERS.contains(&id) {
        return Ok(());
    }
    let Some(value) = whole_integer(value) else {
        return enforced.demand(Rule::IntegerParameter, false);
    };
    let (rule, is_within) = match id {
        TransportParameters::MAX_UDP_PAYLOAD_SIZE => (Rule::UdpPayloadSize, value >= 1_200),
        TransportParameters::ACK_DELAY_EXPONENT => (Rule::AckDelayExponent, value <= 20),
        TransportParameters::MAX_ACK_DELAY => (Rule::MaxAckDelay, value < 1 << 14),
        TransportParameters::ACTIVE_CONNECTION_ID_LIMIT => {
            (Rule::ActiveConnectionIdLimit, value >= 2)
        }
        TransportParameters::INITIAL_MAX_STREAMS_BIDI => {
            (Rule::BidirectionalStreams, value <= STREAMS_MAX)
        }
        TransportParameters::INITIAL_MAX_STREAMS_UNI => {
            (Rule::UnidirectionalStreams, value <= STREAMS_MAX)
        }
        _ => return Ok(()),
    };
    enforced.demand(rule, is_within)
}

/// Checks a parameter that is no integer; connection IDs later, with those that are missing.
fn other(id: u64, value: &[u8], handshake: &Handshake, enforced: &Enforced) -> Result<(), Rule> {
    let is_client = handshake.side == Side::Server;
    match id {
        TransportParameters::DISABLE_ACTIVE_MIGRATION => {
            enforced.demand(Rule::MigrationParameter, value.is_empty())
        }
        TransportParameters::GREASE_QUIC_BIT => {
            enforced.demand(Rule::GreaseParameter, value.is_empty())
        }
        TransportParameters::STATELESS_RESET_TOKEN if is_client => {
            enforced.demand(Rule::ResetTokenOfClient, false)
        }
        TransportParameters::STATELESS_RESET_TOKEN => {
            enforced.demand(Rule::ResetTokenLength, value.len() == RESET_TOKEN)
        }
        TransportParameters::PREFERRED_ADDRESS if is_client => {
            enforced.demand(Rule::PreferredAddressOfClient, false)
        }
        TransportParameters::PREFERRED_ADDRESS => {
            let is_whole = is_preferred_address(value) && !handshake.peer_source.is_empty();
            enforced.demand(Rule::PreferredAddress, is_whole)
        }
        TransportParameters::VERSION_INFORMATION => version_information(value, handshake, enforced),
        _ => Ok(()),
    }
}

/// RFC 9000 §18.2, figure 22: with a connection ID of at least one byte.
fn is_preferred_address(value: &[u8]) -> bool {
    let Some((&length, rest)) = value
        .get(PREFERRED_ADDRESS_HEAD..)
        .and_then(|rest| rest.split_first())
    else {
        return false;
    };
    let length = usize::from(length);
    (1..=ConnectionId::LENGTH_MAX).contains(&length) && rest.len() == length + RESET_TOKEN
}

/// RFC 9368 §3 and §4.
fn version_information(
    value: &[u8],
    handshake: &Handshake,
    enforced: &Enforced,
) -> Result<(), Rule> {
    let (versions, rest) = value.as_chunks::<4>();
    let versions: Vec<_> = versions
        .iter()
        .map(|one| u32::from_be_bytes(*one))
        .collect();
    let [chosen, available @ ..] = &versions[..] else {
        return enforced.demand(Rule::VersionInformation, false);
    };
    // A client chooses among what it has; a server need not list what it chose.
    let is_offered = handshake.side == Side::Client || available.contains(chosen);
    let is_readable = rest.is_empty() && !versions.contains(&0) && is_offered;
    enforced.demand(Rule::VersionInformation, is_readable)?;
    enforced.demand(Rule::ChosenVersion, *chosen == handshake.version)
}

/// Checks the parameters that authenticate connection IDs (RFC 9000 §7.3).
fn connection_ids(
    parameters: &TransportParameters,
    handshake: &Handshake,
    enforced: &Enforced,
) -> Result<(), Rule> {
    let original = parameters.get(TransportParameters::ORIGINAL_DESTINATION_CONNECTION_ID);
    let initial = parameters.get(TransportParameters::INITIAL_SOURCE_CONNECTION_ID);
    let retry = parameters.get(TransportParameters::RETRY_SOURCE_CONNECTION_ID);
    let source = &handshake.peer_source[..];
    enforced.demand(Rule::InitialSourceMissing, initial.is_some())?;
    let is_source = initial.is_none_or(|initial| initial == source);
    enforced.demand(Rule::InitialSourceWrong, is_source)?;
    if handshake.side == Side::Server {
        enforced.demand(Rule::OriginalDestinationOfClient, original.is_none())?;
        return enforced.demand(Rule::RetrySourceOfClient, retry.is_none());
    }
    enforced.demand(Rule::OriginalDestinationMissing, original.is_some())?;
    let is_original = original.is_none_or(|id| id == &handshake.original_destination[..]);
    enforced.demand(Rule::OriginalDestinationWrong, is_original)?;
    enforced.demand(
        Rule::RetrySource,
        retry == handshake.retry_source.as_deref(),
    )
}
