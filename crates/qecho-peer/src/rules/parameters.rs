//! The peer's transport parameters (RFC 9000 §7.3, §7.4, §18; RFC 9287 §3; RFC 9368 §4).

use std::{collections::HashSet, ops::RangeInclusive};

use qecho_packet::{
    Side, TransportParameters,
    wire::{ConnectionId, whole_integer},
};

use super::{Rule, Rules, streams::STREAMS_MAX};
use crate::{endpoint::Endpoint, tls::EarlyData};

/// Parameters that are integers, and the rule for those that have not all values.
const INTEGERS: [(u64, RangeInclusive<u64>, Rule); 12] = {
    use TransportParameters as Id;
    const ANY: RangeInclusive<u64> = 0..=u64::MAX;
    [
        (Id::MAX_IDLE_TIMEOUT, ANY, Rule::IntegerParameter),
        (
            Id::MAX_UDP_PAYLOAD_SIZE,
            1_200..=u64::MAX,
            Rule::UdpPayloadSize,
        ),
        (Id::ACK_DELAY_EXPONENT, 0..=20, Rule::AckDelayExponent),
        (Id::MAX_ACK_DELAY, 0..=(1 << 14) - 1, Rule::MaxAckDelay),
        (
            Id::ACTIVE_CONNECTION_ID_LIMIT,
            2..=u64::MAX,
            Rule::ActiveConnectionIdLimit,
        ),
        (Id::INITIAL_MAX_DATA, ANY, Rule::IntegerParameter),
        (
            Id::INITIAL_MAX_STREAM_DATA_BIDI_LOCAL,
            ANY,
            Rule::IntegerParameter,
        ),
        (
            Id::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE,
            ANY,
            Rule::IntegerParameter,
        ),
        (Id::INITIAL_MAX_STREAM_DATA_UNI, ANY, Rule::IntegerParameter),
        (
            Id::INITIAL_MAX_STREAMS_BIDI,
            0..=STREAMS_MAX,
            Rule::BidirectionalStreams,
        ),
        (
            Id::INITIAL_MAX_STREAMS_UNI,
            0..=STREAMS_MAX,
            Rule::UnidirectionalStreams,
        ),
        (Id::MAX_DATAGRAM_FRAME_SIZE, ANY, Rule::IntegerParameter),
    ]
};
/// Those of [`INTEGERS`] before the ones that must not get less while 0-RTT data are accepted
/// (RFC 9000 §7.4.1, RFC 9221 §3).
const NOT_REMEMBERED: usize = 4;

/// Bytes of a preferred_address before its connection ID: two addresses with ports.
const PREFERRED_ADDRESS_HEAD: usize = 4 + 2 + 16 + 2;
const RESET_TOKEN: usize = 16;

impl Rules {
    /// Checks the bytes of the extension that carries the peer's transport parameters.
    pub(super) fn check_parameters(
        &self,
        endpoint: &Endpoint,
        extension: &[u8],
    ) -> Result<(), Rule> {
        let (parameters, rest) = TransportParameters::parse_with_rest(extension);
        self.demand(Rule::WholeParameters, rest.is_empty())?;
        let mut seen = HashSet::new();
        let is_once = parameters.iter().all(|(id, _)| seen.insert(id));
        self.demand(Rule::ParameterOnce, is_once)?;
        for (id, value) in parameters.iter() {
            self.check_parameter(endpoint, id, value)?;
        }
        let negotiated = endpoint.negotiated();
        let has_early_data = negotiated.is_some_and(|it| it.early_data == EarlyData::Accepted);
        if let Some(remembered) = self.remembered.as_ref().filter(|_| has_early_data) {
            let value = |all: &TransportParameters, id| all.integer(id).unwrap_or(0);
            let mut limits = INTEGERS[NOT_REMEMBERED..].iter();
            let is_kept = limits.all(|(id, ..)| value(&parameters, *id) >= value(remembered, *id));
            self.demand(Rule::ReducedParameters, is_kept)?;
        }
        self.check_authentication(endpoint, &parameters)
    }

    /// Checks a parameter by itself; connection IDs later, with those that are missing.
    fn check_parameter(&self, endpoint: &Endpoint, id: u64, value: &[u8]) -> Result<(), Rule> {
        if let Some((_, values, rule)) = INTEGERS.iter().find(|(known, ..)| *known == id) {
            let Some(value) = whole_integer(value) else {
                return self.demand(Rule::IntegerParameter, false);
            };
            return self.demand(*rule, values.contains(&value));
        }
        let is_client = endpoint.side() == Side::Server;
        let (rule, is_kept) = match id {
            TransportParameters::DISABLE_ACTIVE_MIGRATION => {
                (Rule::MigrationParameter, value.is_empty())
            }
            TransportParameters::GREASE_QUIC_BIT => (Rule::GreaseParameter, value.is_empty()),
            TransportParameters::STATELESS_RESET_TOKEN if is_client => {
                (Rule::ResetTokenOfClient, false)
            }
            TransportParameters::STATELESS_RESET_TOKEN => {
                (Rule::ResetTokenLength, value.len() == RESET_TOKEN)
            }
            TransportParameters::PREFERRED_ADDRESS if is_client => {
                (Rule::PreferredAddressOfClient, false)
            }
            TransportParameters::PREFERRED_ADDRESS => {
                let has_id = !endpoint.first_source().unwrap_or_default().is_empty();
                (
                    Rule::PreferredAddress,
                    has_id && is_preferred_address(value),
                )
            }
            TransportParameters::VERSION_INFORMATION => {
                return self.check_version_information(endpoint, value);
            }
            _ => return Ok(()),
        };
        self.demand(rule, is_kept)
    }

    /// RFC 9368 §3 and §4.
    fn check_version_information(&self, endpoint: &Endpoint, value: &[u8]) -> Result<(), Rule> {
        let (versions, rest) = value.as_chunks::<4>();
        let versions = versions.iter().map(|one| u32::from_be_bytes(*one));
        let versions: Vec<_> = versions.collect();
        let [chosen, available @ ..] = &versions[..] else {
            return self.demand(Rule::VersionInformation, false);
        };
        // A client chooses among what it has; a server need not list what it chose.
        let is_offered = endpoint.side() == Side::Client || available.contains(chosen);
        let is_readable = rest.is_empty() && !versions.contains(&0) && is_offered;
        self.demand(Rule::VersionInformation, is_readable)?;
        self.demand(Rule::ChosenVersion, *chosen == endpoint.version())
    }

    /// Checks the parameters that authenticate connection IDs (RFC 9000 §7.3).
    fn check_authentication(
        &self,
        endpoint: &Endpoint,
        parameters: &TransportParameters,
    ) -> Result<(), Rule> {
        let original = parameters.get(TransportParameters::ORIGINAL_DESTINATION_CONNECTION_ID);
        let initial = parameters.get(TransportParameters::INITIAL_SOURCE_CONNECTION_ID);
        let retry = parameters.get(TransportParameters::RETRY_SOURCE_CONNECTION_ID);
        let source = endpoint.first_source().unwrap_or_default();
        self.demand(Rule::InitialSourceMissing, initial.is_some())?;
        let is_source = initial.is_none_or(|initial| initial == &source[..]);
        self.demand(Rule::InitialSourceWrong, is_source)?;
        if endpoint.side() == Side::Server {
            self.demand(Rule::OriginalDestinationOfClient, original.is_none())?;
            return self.demand(Rule::RetrySourceOfClient, retry.is_none());
        }
        self.demand(Rule::OriginalDestinationMissing, original.is_some())?;
        let is_original = original.is_none_or(|id| id == &endpoint.original_destination()[..]);
        self.demand(Rule::OriginalDestinationWrong, is_original)?;
        let is_retry = retry == endpoint.retry_source().as_deref();
        self.demand(Rule::RetrySource, is_retry)
    }
}

/// RFC 9000 §18.2, figure 22: with a connection ID of at least one byte.
fn is_preferred_address(value: &[u8]) -> bool {
    let rest = value.get(PREFERRED_ADDRESS_HEAD..);
    rest.and_then(|rest| rest.split_first())
        .is_some_and(|(length, rest)| {
            let length = usize::from(*length);
            (1..=ConnectionId::LENGTH_MAX).contains(&length) && rest.len() == length + RESET_TOKEN
        })
}
