//! What a completed handshake agreed on.

use rustls::{CipherSuite, NamedGroup, pki_types::CertificateDer};

use crate::{
    stream_id::Direction,
    wire::{Malformed, Reader},
};

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
    pub fn parse(bytes: &[u8]) -> Self {
        let mut reader = Reader::new(bytes);
        let mut next = || {
            let id = reader.varint("transport parameter")?;
            let value = reader.take_counted("transport parameter")?;
            Ok::<_, Malformed>((id, value.to_vec()))
        };
        Self(std::iter::from_fn(|| next().ok()).collect())
    }

    /// Returns the raw value of a parameter.
    pub fn get(&self, id: u64) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, value)| value.as_slice())
    }

    /// Returns the value of a parameter that is an integer.
    pub fn integer(&self, id: u64) -> Option<u64> {
        Reader::new(self.get(id)?)
            .varint("transport parameter")
            .ok()
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
        self.integer(id).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_parameter_ends_the_list_without_a_panic() {
        let parameters = TransportParameters::parse(&[0x09, 0x01, 0x03, 0x0f, 0x40]);
        assert_eq!(parameters.initial_max_streams(Direction::Unidirectional), 3);
        assert_eq!(parameters.initial_max_streams(Direction::Bidirectional), 0);
        assert_eq!(parameters.iter().count(), 1);
    }
}
