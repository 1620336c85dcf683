//! TLS as a server: waits for the whole ClientHello, then picks the
//! configuration that fits the protocols it offers.

use std::{any::Any, sync::Arc};

use quinn_proto::{
    ConnectionId, Side, TransportError, TransportErrorCode,
    crypto::{self, ExportKeyingMaterialError, KeyPair, Keys, UnsupportedVersion},
    transport_parameters::TransportParameters,
};
use rustls::{
    KeyLog,
    crypto::CryptoProvider,
    quic,
    server::{
        NoServerSessionStorage, ResolvesServerCert, StoresServerSessions,
        danger::ClientCertVerifier,
    },
    version::TLS13,
};

use super::{
    AlpnPolicy, PacketKeys, TlsError,
    client_hello::{self, ClientHello},
    fragments::{Level, Tracker},
    initial,
    last_initial::LastInitialKeys,
    provider,
    session::{KeyUpdates, TlsSession},
};
use crate::handshake::Handshake;

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
    keys: PacketKeys,
    initial_keys: LastInitialKeys,
}

impl ServerCrypto {
    pub(crate) fn new(
        tls: &ServerTls,
        sessions: Arc<dyn StoresServerSessions>,
        keys: PacketKeys,
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
        })
    }

    fn fitting(&self, mut offered: Vec<Vec<u8>>) -> Arc<rustls::ServerConfig> {
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
        initial::retry_tag(original_destination_cid, &[packet])
    }

    fn start_session(
        self: Arc<Self>,
        _version: u32,
        parameters: &TransportParameters,
    ) -> Box<dyn crypto::Session> {
        let mut encoded = Vec::new();
        parameters.write(&mut encoded);
        Box::new(ServerSession::Pending {
            crypto: self,
            parameters: encoded,
            received: Vec::new(),
        })
    }
}

/// A server's TLS session.
enum ServerSession {
    /// The ClientHello is not whole yet: a post-quantum one spans two packets.
    Pending {
        crypto: Arc<ServerCrypto>,
        parameters: Vec<u8>,
        received: Vec<u8>,
    },
    Running(Box<TlsSession>),
    /// All was read and written: the client has sent Finished, and the tickets are written.
    /// Nothing may follow (RFC 9001 §4.4, §6). A session would keep 4 kB for the handshake alone:
    /// buffers, states, keys of TLS records.
    Completed(KeyUpdates, Arc<Handshake>),
}

impl ServerSession {
    fn running(&self) -> Option<&TlsSession> {
        match self {
            Self::Running(session) => Some(session),
            Self::Pending { .. } | Self::Completed(..) => None,
        }
    }
}

impl crypto::Session for ServerSession {
    fn initial_keys(&self, destination_cid: &ConnectionId, side: Side) -> Keys {
        match self {
            Self::Pending { crypto, .. } => {
                crypto.initial_keys.again(destination_cid, &crypto.keys)
            }
            Self::Running(session) => session.initial_keys(destination_cid, side),
            Self::Completed(key_updates, _) => {
                let keys = initial::keys(destination_cid, side);
                key_updates
                    .keys
                    .wrap(Level::Initial, &Tracker::default(), keys)
            }
        }
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        match self {
            Self::Pending { .. } => None,
            Self::Running(session) => session.handshake_data(),
            Self::Completed(_, handshake) => Some(Box::new(handshake.clone())),
        }
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn crypto::HeaderKey>, Box<dyn crypto::PacketKey>)> {
        self.running()?.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        match self {
            Self::Pending { .. } => true,
            Self::Running(session) => session.is_handshaking(),
            Self::Completed(..) => false,
        }
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        let (crypto, parameters, received) = match self {
            Self::Running(session) => return session.read_handshake(bytes),
            Self::Completed(..) => return Err(unexpected_message()),
            Self::Pending {
                crypto,
                parameters,
                received,
            } => (crypto, parameters, received),
        };
        received.extend_from_slice(bytes);
        let offered = match client_hello::read(received) {
            ClientHello::Incomplete => return Ok(false),
            ClientHello::Complete(offered) => offered,
            ClientHello::TooLong => {
                return Err(TransportError {
                    code: TransportErrorCode::CRYPTO_BUFFER_EXCEEDED,
                    frame: None,
                    reason: "ClientHello too long".into(),
                });
            }
        };
        let connection = quic::ServerConnection::new(
            crypto.fitting(offered),
            quic::Version::V1,
            std::mem::take(parameters),
        )
        .map_err(|error| TransportError {
            code: TransportErrorCode::INTERNAL_ERROR,
            frame: None,
            reason: error.to_string(),
        })?;
        let received = std::mem::take(received);
        let mut session = TlsSession::new(connection.into(), crypto.keys.clone());
        let outcome = session.read_handshake(&received);
        *self = Self::Running(Box::new(session));
        outcome
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        // Asked for while the handshake lasts.
        self.running()
            .map_or(Ok(None), crypto::Session::transport_parameters)
    }

    fn write_handshake(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        let Self::Running(session) = self else {
            return None;
        };
        let written = buffer.len();
        let keys = session.write_handshake(buffer);
        if keys.is_none()
            && buffer.len() == written
            && let Some((key_updates, handshake)) = session.complete()
        {
            *self = Self::Completed(key_updates, handshake);
        }
        keys
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn crypto::PacketKey>>> {
        match self {
            Self::Pending { .. } => None,
            Self::Running(session) => session.next_1rtt_keys(),
            Self::Completed(key_updates, _) => Some(key_updates.next()),
        }
    }

    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        // Only clients receive Retry packets.
        false
    }

    fn export_keying_material(
        &self,
        _: &mut [u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        // Nobody asks for it.
        Err(ExportKeyingMaterialError)
    }
}

/// Returns the error of a client whose TLS goes on after its end, with rustls's own code.
fn unexpected_message() -> TransportError {
    TransportError {
        code: TransportErrorCode::crypto(rustls::AlertDescription::UnexpectedMessage.into()),
        frame: None,
        reason: "TLS message after the handshake".into(),
    }
}
