//! What a completed handshake agreed on.

use rustls::{CipherSuite, NamedGroup, pki_types::CertificateDer};

use crate::stream_id::Direction;

/// What a completed handshake agreed on, and with whom.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Handshake {
    /// The QUIC version, 1 for RFC 9000.
    pub version: u32,
    /// The application protocol, if one was agreed (RFC 7301).
    pub alpn: Option<Vec<u8>>,
    /// The name that the client asked for (SNI); server side only.
    pub server_name: Option<String>,
    /// The TLS 1.3 cipher suite.
    pub cipher_suite: CipherSuite,
    /// The group of the key exchange; `None` when a session was resumed
    /// without one.
    pub key_exchange: Option<NamedGroup>,
    /// The peer's certificate chain, end entity first.
    pub peer_certificates: Vec<CertificateDer<'static>>,
    /// The peer's transport parameters as it sent them.
    pub peer_parameters: TransportParameters,
}

/// A peer's transport parameters as they came over the wire
/// (RFC 9000 §18), unknown ones included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportParameters(Vec<(u64, Vec<u8>)>);

const INITIAL_MAX_STREAMS_BIDI: u64 = 0x08;
const INITIAL_MAX_STREAMS_UNI: u64 = 0x09;

impl TransportParameters {
    /// Splits the extension's bytes; what follows a malformed parameter is
    /// left out (the state machine has refused such a peer already).
    pub(crate) fn parse(mut bytes: &[u8]) -> Self {
        let mut parameters = Vec::new();
        while let Some((id, value)) = parameter(&mut bytes) {
            parameters.push((id, value.to_vec()));
        }
        Self(parameters)
    }

    /// Returns the raw value of a parameter.
    pub fn get(&self, id: u64) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, value)| value.as_slice())
    }

    /// Returns all parameters in the peer's order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.0.iter().map(|(id, value)| (*id, value.as_slice()))
    }

    /// Returns how many streams of a direction the peer allowed at first.
    pub fn initial_max_streams(&self, direction: Direction) -> u64 {
        let id = match direction {
            Direction::Bidirectional => INITIAL_MAX_STREAMS_BIDI,
            Direction::Unidirectional => INITIAL_MAX_STREAMS_UNI,
        };
        self.get(id)
            .and_then(|mut value| varint(&mut value))
            .unwrap_or(0)
    }
}

fn parameter<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let id = varint(bytes)?;
    let length = usize::try_from(varint(bytes)?).ok()?;
    let (value, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((id, value))
}

/// Takes a variable-length integer off the front (RFC 9000 §16).
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let (encoded, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let head = u64::from(first & 0x3f);
    Some(
        encoded[1..]
            .iter()
            .fold(head, |value, byte| value << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_rfc_9000_appendix_a1_decode() {
        let cases: [(&[u8], u64); 4] = [
            (
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c],
                151_288_809_941_952_652,
            ),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ];
        for (mut bytes, value) in cases {
            assert_eq!(varint(&mut bytes), Some(value));
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn a_cut_parameter_ends_the_list_without_a_panic() {
        let parameters = TransportParameters::parse(&[0x09, 0x01, 0x03, 0x0f, 0x40]);
        assert_eq!(parameters.initial_max_streams(Direction::Unidirectional), 3);
        assert_eq!(parameters.initial_max_streams(Direction::Bidirectional), 0);
        assert_eq!(parameters.iter().count(), 1);
    }
}
