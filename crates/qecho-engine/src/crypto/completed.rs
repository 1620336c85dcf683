//! What a server keeps of TLS after the handshake: the secrets that key updates
//! need, and what was agreed on.

use std::sync::Arc;

use quinn_proto::{
    TransportError, TransportErrorCode,
    crypto::{KeyPair, PacketKey},
};
use rustls::{AlertDescription, quic};

use super::{
    fragments::{Level, Tracker},
    packet_keys::PacketKeys,
};
use crate::handshake::Handshake;

/// A session that has read and written all that it ever will: its client has
/// sent Finished, and the tickets are written. Nothing may follow (RFC 9001
/// §4.4, §6).
pub(super) struct Completed {
    handshake: Arc<Handshake>,
    key_updates: KeyUpdates,
    keys: PacketKeys,
}

impl Completed {
    pub(super) fn new(
        handshake: Arc<Handshake>,
        key_updates: KeyUpdates,
        keys: PacketKeys,
    ) -> Self {
        Self {
            handshake,
            key_updates,
            keys,
        }
    }

    pub(super) fn handshake(&self) -> Arc<Handshake> {
        self.handshake.clone()
    }

    pub(super) fn keys(&self) -> &PacketKeys {
        &self.keys
    }

    pub(super) fn next_keys(&mut self) -> KeyPair<Box<dyn PacketKey>> {
        self.key_updates.next(&self.keys)
    }
}

/// Says that a client's TLS goes on after its end, in rustls's own code.
pub(super) fn unexpected_message() -> TransportError {
    TransportError {
        code: TransportErrorCode::crypto(AlertDescription::UnexpectedMessage.into()),
        frame: None,
        reason: "TLS message after the handshake".into(),
    }
}

/// Makes the keys of 1-RTT packets that follow the first ones (RFC 9001 §6).
pub(super) struct KeyUpdates {
    secrets: quic::Secrets,
    tracker: Tracker,
    /// How often keys were made.
    generation: u64,
}

impl KeyUpdates {
    pub(super) fn new(secrets: quic::Secrets, tracker: Tracker) -> Self {
        Self {
            secrets,
            tracker,
            generation: 0,
        }
    }

    /// Makes the next keys, wrapped by `packet_keys`.
    pub(super) fn next(&mut self, packet_keys: &PacketKeys) -> KeyPair<Box<dyn PacketKey>> {
        let keys = self.secrets.next_packet_keys();
        self.generation += 1;
        let keys = KeyPair::<Box<dyn PacketKey>> {
            local: Box::new(keys.local),
            remote: Box::new(keys.remote),
        };
        packet_keys.pair(Level::OneRtt, self.tracker.clone(), keys, self.generation)
    }
}
