//! TLS sessions. A server's waits for the whole ClientHello before it has its configuration.

use std::{any::Any, sync::Arc};

use qecho_packet::protection::is_valid_retry;
use quinn_proto::{
    ConnectionId, Side, TransportError, TransportErrorCode,
    crypto::{self, ExportKeyingMaterialError, KeyPair, Keys},
    transport_parameters::TransportParameters,
};
use rustls::{CertificateError, HandshakeKind, quic};

use super::{
    PacketKeys, ServerCrypto,
    client_hello::{self, ClientHello},
    fragments::{Level, Tracker},
    initial,
    peer_messages::PeerMessages,
    peer_parameters,
};
use crate::handshake::Handshake;

/// Results of a handshake, and the record of what comes after it.
pub(crate) struct Agreed {
    pub(crate) handshake: Arc<Handshake>,
    pub(crate) tracker: Tracker,
}

/// A TLS session, in the shape that quinn-proto wants.
pub(super) enum TlsSession {
    /// The ClientHello is not whole yet: a post-quantum one spans two packets.
    Pending {
        crypto: Arc<ServerCrypto>,
        parameters: Vec<u8>,
        received: Vec<u8>,
    },
    Running(Box<RunningSession>),
    /// All was read and written by a server: the client has sent Finished, and the tickets are
    /// written. Nothing may follow (RFC 9001 §4.4, §6). A session would keep 4 kB for the
    /// handshake alone: buffers, states, keys of TLS records.
    Completed(KeyUpdates, Arc<Handshake>),
}

/// rustls's half of a QUIC connection.
pub(super) struct RunningSession {
    connection: quic::Connection,
    key_updates: Option<KeyUpdates>,
    keys: PacketKeys,
    peer_messages: PeerMessages,
    /// Record of 0-RTT and 1-RTT packets.
    tracker: Tracker,
    /// Whether `read` has said that the handshake's data is there.
    announced: bool,
}

impl TlsSession {
    /// Makes the session, whose packet keys are wrapped by `keys`.
    pub(super) fn new(connection: quic::Connection, keys: PacketKeys) -> Self {
        Self::Running(Box::new(RunningSession {
            connection,
            key_updates: None,
            keys,
            peer_messages: PeerMessages::default(),
            tracker: Tracker::default(),
            announced: false,
        }))
    }

    fn running(&self) -> Option<&RunningSession> {
        match self {
            Self::Running(session) => Some(session),
            Self::Pending { .. } | Self::Completed(..) => None,
        }
    }
}

impl RunningSession {
    /// Returns the secrets that key updates need of a server's session once nothing is to be read
    /// or written any more, and the data of the handshake; this one is of no use then.
    fn complete(&mut self) -> Option<(KeyUpdates, Arc<Handshake>)> {
        let quic::Connection::Server(_) = self.connection else {
            return None;
        };
        let handshake = self.handshake()?;
        Some((self.key_updates.take()?, handshake))
    }

    fn handshake(&self) -> Option<Arc<Handshake>> {
        if self.connection.is_handshaking() {
            return None;
        }
        let parameters = self.connection.quic_transport_parameters()?;
        Some(Arc::new(Handshake {
            version: 1,
            alpn: self.connection.alpn_protocol().map(<[u8]>::to_vec),
            server_name: match &self.connection {
                quic::Connection::Client(_) => None,
                quic::Connection::Server(server) => server.server_name().map(str::to_owned),
            },
            cipher_suite: self.connection.negotiated_cipher_suite()?.suite(),
            key_exchange: self
                .connection
                .negotiated_key_exchange_group()
                .map(|group| group.name()),
            resumed: self.connection.handshake_kind() == Some(HandshakeKind::Resumed),
            early_data: None,
            peer_certificates: self
                .connection
                .peer_certificates()
                .map(|chain| chain.iter().map(|one| one.clone().into_owned()).collect())
                .unwrap_or_default(),
            peer_parameters: qecho_packet::TransportParameters::parse(parameters),
        }))
    }

    fn read(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        self.peer_messages.see(bytes)?;
        if let Err(error) = self.connection.read_hs(bytes) {
            let code = match self.connection.alert() {
                Some(alert) => TransportErrorCode::crypto(alert.into()),
                None => TransportErrorCode::PROTOCOL_VIOLATION,
            };
            return Err(transport_error(code, words(&error)));
        }
        let first = !self.announced && !self.connection.is_handshaking();
        if first {
            self.announced = true;
            self.tracker.complete();
        }
        Ok(first)
    }

    fn write(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        let (level, tracker, keys) = match self.connection.write_hs(buffer)? {
            quic::KeyChange::Handshake { keys } => (Level::Handshake, Tracker::default(), keys),
            quic::KeyChange::OneRtt { keys, next } => {
                let tracker = self.tracker.clone();
                self.key_updates = Some(KeyUpdates {
                    secrets: next,
                    keys: self.keys.clone(),
                    tracker: tracker.clone(),
                    generation: 0,
                });
                (Level::OneRtt, tracker, keys)
            }
        };
        Some(self.keys.wrap(level, &tracker, initial::boxed(keys)))
    }
}

impl crypto::Session for TlsSession {
    fn initial_keys(&self, destination_cid: &ConnectionId, side: Side) -> Keys {
        let wrapper = match self {
            Self::Pending { crypto, .. } => {
                return crypto.initial_keys.again(destination_cid, &crypto.keys);
            }
            Self::Running(session) => &session.keys,
            Self::Completed(key_updates, _) => &key_updates.keys,
        };
        let keys = initial::keys(destination_cid, side);
        wrapper.wrap(Level::Initial, &Tracker::default(), keys)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let (handshake, tracker) = match self {
            Self::Pending { .. } => return None,
            Self::Running(session) => (session.handshake()?, &session.tracker),
            Self::Completed(key_updates, handshake) => (handshake.clone(), &key_updates.tracker),
        };
        let tracker = tracker.clone();
        Some(Box::new(Agreed { handshake, tracker }))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn crypto::HeaderKey>, Box<dyn crypto::PacketKey>)> {
        let session = self.running()?;
        let keys = session.connection.zero_rtt_keys()?;
        let packet_key = session
            .keys
            .zero_rtt(&session.tracker, Box::new(keys.packet));
        Some((Box::new(keys.header), packet_key))
    }

    fn early_data_accepted(&self) -> Option<bool> {
        match &self.running()?.connection {
            quic::Connection::Client(client) => Some(client.is_early_data_accepted()),
            quic::Connection::Server(_) => None,
        }
    }

    fn is_handshaking(&self) -> bool {
        match self {
            Self::Pending { .. } => true,
            Self::Running(session) => session.connection.is_handshaking(),
            Self::Completed(..) => false,
        }
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        let (crypto, parameters, received) = match self {
            Self::Running(session) => return session.read(bytes),
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
                let code = TransportErrorCode::CRYPTO_BUFFER_EXCEEDED;
                return Err(transport_error(code, "ClientHello too long"));
            }
        };
        let (config, parameters) = (crypto.fitting(offered), std::mem::take(parameters));
        let connection = quic::ServerConnection::new(config, quic::Version::V1, parameters)
            .map_err(|error| {
                transport_error(TransportErrorCode::INTERNAL_ERROR, error.to_string())
            })?;
        let received = std::mem::take(received);
        *self = Self::new(connection.into(), crypto.keys.clone());
        self.read_handshake(&received)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        // Asked for while the handshake lasts.
        let Some(connection) = self.running().map(|session| &session.connection) else {
            return Ok(None);
        };
        let Some(bytes) = connection.quic_transport_parameters() else {
            return Ok(None);
        };
        let side = match connection {
            quic::Connection::Client(_) => Side::Client,
            quic::Connection::Server(_) => Side::Server,
        };
        Ok(Some(peer_parameters::read(side, bytes)?))
    }

    fn write_handshake(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        let Self::Running(session) = self else {
            return None;
        };
        let written = buffer.len();
        let keys = session.write(buffer);
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
            Self::Running(session) => Some(session.key_updates.as_mut()?.next()),
            Self::Completed(key_updates, _) => Some(key_updates.next()),
        }
    }

    fn is_valid_retry(
        &self,
        original_destination_cid: &ConnectionId,
        header: &[u8],
        payload: &[u8],
    ) -> bool {
        let Some(session) = self.running() else {
            return false;
        };
        if source_of_retry(header).is_none_or(|source| source == &original_destination_cid[..]) {
            return false;
        }
        let original = initial::on_the_wire(original_destination_cid);
        let valid = is_valid_retry(&original, &[header, payload].concat());
        if let (true, Some(plaintext)) = (valid, session.keys.plaintext()) {
            plaintext.copies().valid_retry = true;
        }
        valid
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

/// Returns the source connection ID of a Retry packet's header (RFC 9000 §17.2.5); one that is the
/// client's own choice of a destination is no answer to it (§17.2.5.1).
fn source_of_retry(header: &[u8]) -> Option<&[u8]> {
    /// The first byte, and the version.
    const BEFORE: usize = 1 + 4;
    let destination_length = header.get(BEFORE)?;
    header.get(BEFORE + 1 + usize::from(*destination_length) + 1..)
}

/// Secrets of the 1-RTT keys that follow the first ones (RFC 9001 §6).
pub(super) struct KeyUpdates {
    secrets: quic::Secrets,
    keys: PacketKeys,
    tracker: Tracker,
    /// Number of key updates.
    generation: u64,
}

impl KeyUpdates {
    /// Makes the next keys.
    fn next(&mut self) -> KeyPair<Box<dyn crypto::PacketKey>> {
        let keys = self.secrets.next_packet_keys();
        self.generation += 1;
        let keys = KeyPair::<Box<dyn crypto::PacketKey>> {
            local: Box::new(keys.local),
            remote: Box::new(keys.remote),
        };
        self.keys
            .pair(Level::OneRtt, &self.tracker, keys, self.generation)
    }
}

/// Says what is wrong in words that both sides may read. Those of a verifier that was
/// given to us are told as they are.
fn words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.to_string(),
        rustls::Error::NoCertificatesPresented => "the client sent no certificate".into(),
        error => error.to_string(),
    }
}

/// Returns the error of a client whose TLS goes on after its end, with rustls's own code.
fn unexpected_message() -> TransportError {
    let code = TransportErrorCode::crypto(rustls::AlertDescription::UnexpectedMessage.into());
    transport_error(code, "TLS message after the handshake")
}

pub(super) fn transport_error(
    code: TransportErrorCode,
    reason: impl Into<String>,
) -> TransportError {
    TransportError {
        code,
        frame: None,
        reason: reason.into(),
    }
}
