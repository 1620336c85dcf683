//! TLS as a client.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use quinn_proto::{
    ConnectError, NoneTokenStore, TokenMemoryCache, TokenStore, crypto,
    transport_parameters::TransportParameters,
};
use rustls::{
    ClientConfig, KeyLog,
    client::{ResolvesClientCert, Resumption, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::ServerName,
    quic,
    version::TLS13,
};

use super::{PacketKeys, TlsError, provider, session::TlsSession};

/// TLS settings of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientTls {
    /// Decides whether the server's certificate is the right one.
    pub verifier: Arc<dyn ServerCertVerifier>,
    /// Certificate for a server that asks for one, if there is any.
    pub identity: Option<Arc<dyn ResolvesClientCert>>,
    /// The application protocols to offer, best first; empty offers no ALPN.
    pub alpn: Vec<Vec<u8>>,
    /// Log of TLS secrets, if there is any.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// The cryptography; `None` for that of aws-lc-rs. Keys before the handshake's
    /// (RFC 9001 §5.2) are not its business.
    pub provider: Option<Arc<CryptoProvider>>,
}

impl ClientTls {
    /// Returns the settings of a client that shows no certificate and offers no ALPN.
    pub fn new(verifier: Arc<dyn ServerCertVerifier>) -> Self {
        Self {
            verifier,
            identity: None,
            alpn: Vec::new(),
            key_log: None,
            provider: None,
        }
    }

    /// Sets the certificate for a server that asks for one.
    pub fn with_identity(
        mut self,
        identity: impl Into<Option<Arc<dyn ResolvesClientCert>>>,
    ) -> Self {
        self.identity = identity.into();
        self
    }

    /// Sets the application protocols to offer, best first.
    pub fn with_alpn(mut self, alpn: &[&[u8]]) -> Self {
        self.alpn = alpn.iter().map(|name| name.to_vec()).collect();
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

    /// Makes the settings ready for connections.
    ///
    /// # Errors
    /// [`TlsError`] if they cannot work.
    pub fn connector(&self) -> Result<Connector, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider(self.provider.as_ref())?)
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier.clone());
        let mut config = match &self.identity {
            Some(identity) => builder.with_client_cert_resolver(identity.clone()),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.clone();
        if let Some(key_log) = &self.key_log {
            config.key_log = key_log.clone();
        }
        Ok(Connector {
            tls: Arc::new(config),
            tokens: Some(Arc::default()),
        })
    }
}

/// [`ClientTls`] made ready; connections made with one share what servers
/// gave them for a next time: TLS sessions, and tokens that spare a Retry (RFC 9000 §8.1.3).
#[derive(Clone, Debug)]
pub struct Connector {
    tls: Arc<ClientConfig>,
    tokens: Option<Arc<TokenMemoryCache>>,
}

impl Connector {
    /// Returns the same, but what servers give for a next time is thrown away:
    /// every handshake is a full one.
    pub fn without_resumption(&self) -> Self {
        let mut config = ClientConfig::clone(&self.tls);
        config.resumption = Resumption::disabled();
        Self {
            tls: Arc::new(config),
            tokens: None,
        }
    }

    /// Returns the same, with the same memory of what servers gave; a connection
    /// to a server that has allowed it can send before its handshake is complete
    /// ([`Connection::can_send_early`](crate::Connection::can_send_early)).
    pub fn with_early_data(&self) -> Self {
        let mut config = ClientConfig::clone(&self.tls);
        config.enable_early_data = true;
        Self {
            tls: Arc::new(config),
            tokens: self.tokens.clone(),
        }
    }

    /// Returns the store of tokens for connections to one address.
    pub(crate) fn tokens(&self, remote: SocketAddr) -> Arc<dyn TokenStore> {
        match &self.tokens {
            Some(tokens) => Arc::new(TokensOfServer {
                remote,
                tokens: tokens.clone(),
            }),
            None => Arc::new(NoneTokenStore),
        }
    }
}

/// Tokens that one server has given: another at the same name would learn from them that the
/// client knows it.
struct TokensOfServer {
    remote: SocketAddr,
    tokens: Arc<TokenMemoryCache>,
}

impl TokensOfServer {
    fn key(&self, server_name: &str) -> String {
        format!("{} {}", self.remote, usual_form(server_name))
    }
}

impl TokenStore for TokensOfServer {
    fn insert(&self, server_name: &str, token: Bytes) {
        self.tokens.insert(&self.key(server_name), token);
    }

    fn take(&self, server_name: &str) -> Option<Bytes> {
        self.tokens.take(&self.key(server_name))
    }
}

/// Returns a host's name as it is sent and compared: in lower case (RFC 4343), without the dot at
/// its end (RFC 6066 §3).
fn usual_form(server_name: &str) -> String {
    let whole = server_name.strip_suffix('.').unwrap_or(server_name);
    whole.to_ascii_lowercase()
}

/// A client's TLS with the packet keys of its shard.
pub(crate) struct ShardClient {
    pub(crate) tls: Connector,
    pub(crate) keys: PacketKeys,
}

impl crypto::ClientConfig for ShardClient {
    fn start_session(
        self: Arc<Self>,
        _version: u32,
        server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn crypto::Session>, ConnectError> {
        let invalid = || ConnectError::InvalidServerName(server_name.into());
        let name = ServerName::try_from(usual_form(server_name)).map_err(|_| invalid())?;
        let (config, version) = (self.tls.tls.clone(), quic::Version::V1);
        let mut encoded = Vec::new();
        parameters.write(&mut encoded);
        let connection =
            quic::ClientConnection::new(config, version, name, encoded).map_err(|_| invalid())?;
        Ok(Box::new(TlsSession::new(
            connection.into(),
            self.keys.clone(),
        )))
    }
}
