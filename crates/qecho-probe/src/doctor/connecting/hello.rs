//! The ClientHello that a connection begins with, as far as it is varied.

use std::sync::Arc;

use qecho_cert::TrustVerifier;
use qecho_packet::TransportParameters;
use qecho_peer::{
    endpoint::{ClientConfig, integer_value},
    tls::Group,
};
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::{doctor::Target, remote};

/// Bytes of UDP payload that every path carries (RFC 9000 §14).
const PAYLOAD_MIN: u64 = 1_200;
/// A name that no server has (RFC 6761 §6.4).
const OTHER_NAME: &str = "other.invalid";

/// The name that a ClientHello asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskedName {
    /// The server's.
    Own,
    /// None.
    None,
    /// One that nobody has.
    Other,
}

/// A ClientHello, as far as it is varied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) name: AskedName,
    /// Protocols that it offers; without any it has no such extension.
    pub(crate) alpn: Vec<Vec<u8>>,
    /// Whether it needs two datagrams, by a share of X25519MLKEM768.
    pub(crate) is_large: bool,
    /// Whether it asks the server for datagrams of 1,200 bytes at most.
    pub(crate) asks_small: bool,
}

impl Hello {
    /// Returns a usual ClientHello of one datagram.
    pub(crate) fn usual(alpn: Option<&[u8]>) -> Self {
        Self {
            name: AskedName::Own,
            alpn: alpn.into_iter().map(Into::into).collect(),
            is_large: false,
            asks_small: false,
        }
    }

    /// Returns the settings of a client that sends it.
    ///
    /// # Errors
    /// No certificate can have the target's name, in words.
    pub(crate) fn config(&self, target: &Target) -> Result<ClientConfig, String> {
        let verifier = Arc::new(LenientVerifier(Arc::clone(&target.verifier)));
        let config = remote::client(&target.server_name, None, verifier);
        let mut config = config
            .map_err(|_| format!("no certificate can have the name {}", target.server_name))?;
        config.tls.alpn.clone_from(&self.alpn);
        // As browsers do: a server that wants it asks for a share.
        config.tls.groups.push(Group::Secp384r1);
        match self.name {
            AskedName::Own => {}
            AskedName::None => config.tls.server_name = None,
            AskedName::Other => config.tls.server_name = Some(OTHER_NAME.into()),
        }
        if self.is_large {
            config.tls.groups.insert(0, Group::X25519MlKem768);
            config.tls.shares.insert(0, Group::X25519MlKem768);
        }
        if self.asks_small {
            let id = TransportParameters::MAX_UDP_PAYLOAD_SIZE;
            config.parameters.retain(|(other, _)| *other != id);
            config.parameters.push((id, integer_value(PAYLOAD_MIN)));
        }
        Ok(config)
    }
}

/// Lets every handshake go on: the verifier remembers what it thinks of the certificate.
#[derive(Debug)]
struct LenientVerifier(Arc<TrustVerifier>);

impl ServerCertVerifier for LenientVerifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let _ = self.0.verify_server_cert(own, others, name, ocsp, now);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // The first failure is the one that a client would meet.
        if self.0.failure().is_none() {
            let _ = self
                .0
                .verify_tls13_signature(message, certificate, signature);
        }
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
