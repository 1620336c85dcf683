//! Results of a completed handshake.

use qecho_packet::TransportParameters;
use rustls::{CipherSuite, NamedGroup, pki_types::CertificateDer};

/// Results of a completed handshake.
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
    /// Whether a session of an earlier connection went on (RFC 8446 §2.2).
    pub resumed: bool,
    /// Result of 0-RTT; `None` if the client could not or did not try it.
    pub early_data: Option<EarlyData>,
    /// The peer's certificate chain, end entity first.
    pub peer_certificates: Vec<CertificateDer<'static>>,
    /// The peer's transport parameters as it sent them.
    pub peer_parameters: TransportParameters,
}

/// Result of sending data before the handshake was complete
/// (0-RTT, RFC 9001 §4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyData {
    /// The server took it. It may still be a replay of the client's packets
    /// until the handshake is complete.
    Accepted,
    /// The server did not look at it. The streams on which it was sent are gone;
    /// opened anew, they have the same numbers.
    Rejected,
}
