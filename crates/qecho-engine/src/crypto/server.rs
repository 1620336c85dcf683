//! TLS as a server, whose configuration fits the protocols that a client offers.

use std::sync::Arc;

use qecho_packet::{TransportParameters as Parameters, protection::retry_tag};
use quinn_proto::{
    ConnectionId,
    crypto::{self, Keys, UnsupportedVersion},
    transport_parameters::TransportParameters,
};
use rustls::{
    KeyLog,
    crypto::CryptoProvider,
    server::{
        NoServerSessionStorage, ResolvesServerCert, StoresServerSessions,
        danger::ClientCertVerifier,
    },
    version::TLS13,
};

use super::{
    AlpnPolicy, PacketKeys, TlsError, initial, last_initial::LastInitialKeys, provider,
    session::TlsSession,
};

/// TLS settings of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerTls {
    /// Gives the certificate and key for a client.
    pub identity: Arc<dyn ResolvesServerCert>,
    /// Decides which clients are let in by their certificates; without it none is
    /// asked for. With it no session is resumed.
    pub client_verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// Policy for application protocols.
    pub alpn: AlpnPolicy,
    /// Whether a client that comes again may send data with its first packets
    /// (0-RTT, RFC 9001 §4.6). Each session is good for that once; but who can
    /// hold packets back can still choose when the data arrives.
    pub early_data: bool,
    /// Log of TLS secrets, if there is any.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// The cryptography; `None` for that of aws-lc-rs. Keys before the handshake's
    /// (RFC 9001 §5.2) are not its business.
    pub provider: Option<Arc<CryptoProvider>>,
}

impl ServerTls {
    /// Returns the settings of a server that asks for no certificate and takes no 0-RTT.
    pub fn new(identity: Arc<dyn ResolvesServerCert>, alpn: AlpnPolicy) -> Self {
        Self {
            identity,
            client_verifier: None,
            alpn,
            early_data: false,
            key_log: None,
            provider: None,
        }
    }

    /// Sets what decides on clients' certificates.
    pub fn with_client_verifier(
        mut self,
        client_verifier: impl Into<Option<Arc<dyn ClientCertVerifier>>>,
    ) -> Self {
        self.client_verifier = client_verifier.into();
        self
    }

    /// Sets whether 0-RTT is taken.
    pub fn with_early_data(mut self, early_data: bool) -> Self {
        self.early_data = early_data;
        self
    }

    /// Sets the log of TLS secrets.
    pub fn with_key_log(mut self, key_log: impl Into<Option<Arc<dyn KeyLog>>>) -> Self {
        self.key_log = key_log.into();
        self
    }

    /// Sets the cryptography.
    pub fn with_provider(mut self, provider: impl Into<Option<Arc<CryptoProvider>>>) -> Self {
        self.provider = provider.into();
        self
    }
}

/// TLS sessions that a client is given for a next time. Each can be resumed once, and whoever
/// resumes it is given another.
const TICKETS: usize = 1;

/// [`ServerTls`] made ready for connections.
pub(crate) struct ServerCrypto {
    policy: AlpnPolicy,
    /// For clients that offer no ALPN; refuses those that offer any.
    without_alpn: Arc<rustls::ServerConfig>,
    /// For the names of the policy; shares the session storage.
    with_alpn: Arc<rustls::ServerConfig>,
    pub(super) keys: PacketKeys,
    pub(super) initial_keys: LastInitialKeys,
    counts_ecn: bool,
}

impl ServerCrypto {
    pub(crate) fn new(
        tls: &ServerTls,
        sessions: Arc<dyn StoresServerSessions>,
        keys: PacketKeys,
        counts_ecn: bool,
    ) -> Result<Self, TlsError> {
        let builder = rustls::ServerConfig::builder_with_provider(provider(tls.provider.as_ref())?)
            .with_protocol_versions(&[&TLS13])?;
        let builder = match &tls.client_verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
            None => builder.with_no_client_auth(),
        };
        let mut without_alpn = builder.with_cert_resolver(tls.identity.clone());
        // Every variant has the same sessions, each of which is taken out when it
        // is resumed: early data cannot be replayed.
        without_alpn.session_storage = match tls.client_verifier {
            // Who resumes shows no certificate, and would be let in by one that has
            // expired since then, or whose authority is trusted no more.
            Some(_) => Arc::new(NoServerSessionStorage {}),
            None => sessions,
        };
        if tls.early_data {
            // RFC 9001 §4.6.1 knows no other number.
            without_alpn.max_early_data_size = u32::MAX;
        }
        without_alpn.send_tls13_tickets = TICKETS;
        if let Some(key_log) = &tls.key_log {
            without_alpn.key_log = key_log.clone();
        }
        let mut with_alpn = without_alpn.clone();
        if let AlpnPolicy::Names(names) = &tls.alpn {
            with_alpn.alpn_protocols = names.clone();
        }
        Ok(Self {
            policy: tls.alpn.clone(),
            without_alpn: Arc::new(without_alpn),
            with_alpn: Arc::new(with_alpn),
            keys,
            initial_keys: LastInitialKeys::default(),
            counts_ecn,
        })
    }

    /// Returns the encoded transport parameters that quinn-proto does not know.
    fn own_parameters(&self) -> Vec<u8> {
        // Who is told that marks are counted can tell that they are cleared on the way.
        let own = self
            .counts_ecn
            .then_some((Parameters::QECHO, Parameters::QECHO_COUNTS_ECN));
        Parameters::from_pairs(own).as_bytes().to_vec()
    }

    /// Returns the configuration for a client that offers these protocols.
    pub(super) fn fitting(&self, mut offered: Vec<Vec<u8>>) -> Arc<rustls::ServerConfig> {
        if offered.is_empty() {
            return self.without_alpn.clone();
        }
        match self.policy {
            AlpnPolicy::Names(_) => self.with_alpn.clone(),
            AlpnPolicy::Any => {
                let mut config = (*self.without_alpn).clone();
                offered.truncate(1);
                config.alpn_protocols = offered;
                Arc::new(config)
            }
        }
    }
}

impl crypto::ServerConfig for ServerCrypto {
    fn initial_keys(
        &self,
        version: u32,
        destination_cid: &ConnectionId,
    ) -> Result<Keys, UnsupportedVersion> {
        match version {
            1 => Ok(self.initial_keys.derive(destination_cid, &self.keys)),
            _ => Err(UnsupportedVersion),
        }
    }

    fn retry_tag(
        &self,
        _version: u32,
        original_destination_cid: &ConnectionId,
        packet: &[u8],
    ) -> [u8; 16] {
        retry_tag(&initial::on_the_wire(original_destination_cid), packet)
    }

    fn start_session(
        self: Arc<Self>,
        _version: u32,
        parameters: &TransportParameters,
    ) -> Box<dyn crypto::Session> {
        let mut encoded = Vec::new();
        parameters.write(&mut encoded);
        encoded.extend(self.own_parameters());
        Box::new(TlsSession::Pending {
            crypto: self,
            parameters: encoded,
            received: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use rustls::{server::ClientHello, sign::CertifiedKey};

    use super::*;
    use crate::config::{ShardConfig, Transport};

    /// Nobody's certificate.
    #[derive(Debug)]
    struct Nobody;

    impl ResolvesServerCert for Nobody {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            None
        }
    }

    #[test]
    fn that_marks_are_counted_is_said_only_where_the_sockets_tell_them() {
        let tls = ServerTls::new(Arc::new(Nobody), AlpnPolicy::Any);
        let config = ShardConfig::server(Transport::default(), tls.clone());
        for (config, expected) in [
            (config.clone(), false),
            (config.clone().with_ecn_counts(true), true),
            (config.with_ecn_counts(false), false),
        ] {
            let sessions = config.server_shared.sessions();
            let counts_ecn = config.counts_ecn;
            let crypto = ServerCrypto::new(&tls, sessions, PacketKeys::default(), counts_ecn);
            let own = crypto.expect("the settings work").own_parameters();
            assert_eq!(Parameters::parse(&own).counts_ecn(), expected);
            // It costs 11 bytes, or none.
            assert_eq!(own.len(), if expected { 11 } else { 0 });
        }
    }
}
