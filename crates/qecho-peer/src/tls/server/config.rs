//! Settings of a server.

use std::sync::Arc;

use aws_lc_rs::{
    error::KeyRejected,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use qecho_packet::protection::Suite;
use rustls::pki_types::CertificateDer;

use crate::tls::{Edit, Group, Tickets, TlsRule, key_schedule::SUITES};

/// Settings of one server's handshake.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Certificates that are shown, the server's own first.
    pub chain: Vec<CertificateDer<'static>>,
    key: Arc<EcdsaKeyPair>,
    /// Application protocols that are spoken, the favourite first.
    pub alpn: Vec<Vec<u8>>,
    /// Cipher suites that are spoken, the favourite first.
    pub suites: Vec<Suite>,
    /// Groups in which keys are exchanged, the favourite first. One of which the client sends a
    /// share is taken before the others; if there is none, HelloRetryRequest asks for one.
    pub groups: Vec<Group>,
    /// Transport parameters, as they stand in the extension.
    pub parameters: Vec<u8>,
    /// Tickets that are given and taken.
    pub tickets: Option<Tickets>,
    /// A change to each message before it is sent.
    pub edit: Option<Edit>,
    /// Whether 1-RTT packets are read before the handshake is complete, which RFC 9001 §5.7
    /// forbids.
    pub reads_early: bool,
    /// Rules to which the client is not kept.
    pub ignore: Vec<TlsRule>,
}

/// A key that cannot sign.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the server's key, which must be one of ECDSA P-256 in PKCS #8")]
pub struct InvalidKey(#[source] KeyRejected);

impl ServerConfig {
    /// Shows a chain whose first certificate is for a key of ECDSA P-256 (PKCS #8, DER), speaks
    /// all suites and groups, and serves clients that offer no application protocol.
    ///
    /// # Errors
    /// If the key is none of ECDSA P-256.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &[u8],
        parameters: impl Into<Vec<u8>>,
    ) -> Result<Self, InvalidKey> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key);
        Ok(Self {
            chain,
            key: Arc::new(key.map_err(InvalidKey)?),
            alpn: Vec::new(),
            suites: SUITES.to_vec(),
            groups: vec![Group::X25519, Group::Secp256r1, Group::X25519MlKem768],
            parameters: parameters.into(),
            tickets: None,
            edit: None,
            reads_early: false,
            ignore: Vec::new(),
        })
    }

    /// Changes settings.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Signs with the server's key.
    pub(super) fn sign(&self, content: &[u8]) -> Vec<u8> {
        let signature = self.key.sign(&SystemRandom::new(), content);
        let signature = signature.expect("the system has randomness");
        signature.as_ref().to_vec()
    }
}
