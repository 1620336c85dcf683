//! Settings of a client.

use std::sync::Arc;

use qecho_packet::protection::Suite;
use rustls::{
    client::danger::ServerCertVerifier,
    pki_types::{ServerName, UnixTime},
};

use crate::tls::{Edit, Group, Resumption, TlsRule, key_schedule::SUITES};

/// Settings of one client's handshake.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The host name that is asked for; `None` sends no server_name.
    pub server_name: Option<String>,
    /// Application protocols that are offered.
    pub alpn: Vec<Vec<u8>>,
    /// Cipher suites that are offered, the favourite first.
    pub suites: Vec<Suite>,
    /// Groups that are offered, the favourite first.
    pub groups: Vec<Group>,
    /// Groups of which a share is sent at once.
    pub shares: Vec<Group>,
    /// Transport parameters, as they stand in the extension.
    pub parameters: Vec<u8>,
    /// Checks of the server's identity; `None` trusts anybody.
    pub verification: Option<Verification>,
    /// A session that is offered.
    pub resumption: Option<Resumption>,
    /// A change to each message before it is sent.
    ///
    /// The binder of a ClientHello is filled in after it, if it is still zero.
    pub edit: Option<Edit>,
    /// Rules to which the server is not kept.
    pub ignore: Vec<TlsRule>,
}

/// Checks of a server's identity.
#[derive(Clone)]
pub struct Verification {
    /// Judges chain, name and signature.
    pub verifier: Arc<dyn ServerCertVerifier>,
    /// The name that the certificate must have.
    pub name: ServerName<'static>,
    /// The time at which the certificate must be valid.
    pub now: UnixTime,
}

impl ClientConfig {
    /// Offers all suites and the groups X25519 and P-256, sends a share of X25519, and trusts
    /// anybody.
    pub fn new(parameters: impl Into<Vec<u8>>) -> Self {
        Self {
            server_name: None,
            alpn: Vec::new(),
            suites: SUITES.to_vec(),
            groups: vec![Group::X25519, Group::Secp256r1],
            shares: vec![Group::X25519],
            parameters: parameters.into(),
            verification: None,
            resumption: None,
            edit: None,
            ignore: Vec::new(),
        }
    }

    /// Changes settings.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}
