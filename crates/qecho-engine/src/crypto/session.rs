//! A TLS session that has its configuration.

use std::{any::Any, sync::Arc};

use quinn_proto::{
    ConnectionId, Side, TransportError, TransportErrorCode,
    crypto::{self, ExportKeyingMaterialError, KeyPair, Keys},
    transport_parameters::TransportParameters,
};
use rustls::{CertificateError, HandshakeKind, quic};

use super::{
    fragments::{Level, Tracker},
    initial,
    packet_keys::PacketKeys,
};
use crate::handshake::Handshake;

/// rustls's half of a QUIC connection, in the shape that quinn-proto wants.
pub(super) struct TlsSession {
    connection: quic::Connection,
    key_updates: Option<KeyUpdates>,
    keys: PacketKeys,
    /// Record of 0-RTT and 1-RTT packets.
    tracker: Tracker,
    /// Whether `read_handshake` has said that the handshake's data is there.
    announced: bool,
}

impl TlsSession {
    /// Makes the session, whose packet keys are wrapped by `keys`.
    pub(super) fn new(connection: quic::Connection, keys: PacketKeys) -> Self {
        Self {
            connection,
            key_updates: None,
            keys,
            tracker: Tracker::default(),
            announced: false,
        }
    }

    fn side(&self) -> Side {
        match self.connection {
            quic::Connection::Client(_) => Side::Client,
            quic::Connection::Server(_) => Side::Server,
        }
    }

    /// Returns the secrets that key updates need of a server's session once nothing is to be read
    /// or written any more, and the data of the handshake; this one is of no use then.
    pub(super) fn complete(&mut self) -> Option<(KeyUpdates, Arc<Handshake>)> {
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
}

impl crypto::Session for TlsSession {
    fn initial_keys(&self, destination_cid: &ConnectionId, side: Side) -> Keys {
        let keys = initial::keys(destination_cid, side);
        self.keys.wrap(Level::Initial, &Tracker::default(), keys)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        Some(Box::new(self.handshake()?))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn crypto::HeaderKey>, Box<dyn crypto::PacketKey>)> {
        let keys = self.connection.zero_rtt_keys()?;
        let packet_key = self.keys.zero_rtt(&self.tracker, Box::new(keys.packet));
        Some((Box::new(keys.header), packet_key))
    }

    fn early_data_accepted(&self) -> Option<bool> {
        match &self.connection {
            quic::Connection::Client(client) => Some(client.is_early_data_accepted()),
            quic::Connection::Server(_) => None,
        }
    }

    fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        if let Err(error) = self.connection.read_hs(bytes) {
            let code = match self.connection.alert() {
                Some(alert) => TransportErrorCode::crypto(alert.into()),
                None => TransportErrorCode::PROTOCOL_VIOLATION,
            };
            return Err(TransportError {
                code,
                frame: None,
                reason: words(&error),
            });
        }
        let first = !self.announced && !self.connection.is_handshaking();
        if first {
            self.announced = true;
            self.tracker.complete();
        }
        Ok(first)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let Some(mut bytes) = self.connection.quic_transport_parameters() else {
            return Ok(None);
        };
        Ok(Some(TransportParameters::read(self.side(), &mut bytes)?))
    }

    fn write_handshake(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        let (level, tracker, keys) = match self.connection.write_hs(buffer)? {
            quic::KeyChange::Handshake { keys } => (Level::Handshake, Tracker::default(), keys),
            quic::KeyChange::OneRtt { keys, next } => {
                let tracker = self.tracker.clone();
                self.key_updates = Some(KeyUpdates::new(next, self.keys.clone(), tracker.clone()));
                (Level::OneRtt, tracker, keys)
            }
        };
        Some(self.keys.wrap(level, &tracker, initial::boxed(keys)))
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn crypto::PacketKey>>> {
        Some(self.key_updates.as_mut()?.next())
    }

    fn is_valid_retry(
        &self,
        original_destination_cid: &ConnectionId,
        header: &[u8],
        payload: &[u8],
    ) -> bool {
        let Some(token_length) = payload.len().checked_sub(initial::RETRY_TAG_LENGTH) else {
            return false;
        };
        let (token, tag) = payload.split_at(token_length);
        // Both sides of the comparison are public: the key is in the RFC.
        let valid = initial::retry_tag(original_destination_cid, &[header, token]) == tag;
        if let (true, Some(plaintext)) = (valid, self.keys.plaintext()) {
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

/// Secrets of the 1-RTT keys that follow the first ones (RFC 9001 §6).
pub(super) struct KeyUpdates {
    secrets: quic::Secrets,
    pub(super) keys: PacketKeys,
    tracker: Tracker,
    /// Number of key updates.
    generation: u64,
}

impl KeyUpdates {
    fn new(secrets: quic::Secrets, keys: PacketKeys, tracker: Tracker) -> Self {
        Self {
            secrets,
            keys,
            tracker,
            generation: 0,
        }
    }

    /// Makes the next keys.
    pub(super) fn next(&mut self) -> KeyPair<Box<dyn crypto::PacketKey>> {
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
