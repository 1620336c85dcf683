//! Initial keys for two: the endpoint opens a client's first packet with them, and in
//! the same turn the connection that it begins wants the same.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use quinn_proto::{
    ConnectionId, Side,
    crypto::{CryptoError, HeaderKey, KeyPair, Keys, PacketKey},
};

use super::{fragments::Tracker, initial};

/// The Initial keys that were derived last, until their connection takes them.
///
/// Keys have to be shareable between threads; in fact only one shard uses these, so
/// that nobody ever waits for the lock.
#[derive(Default)]
pub(super) struct LastInitialKeys(Mutex<Option<(ConnectionId, Tracker, SharedKeys)>>);

impl LastInitialKeys {
    /// Derives a server's keys for the client's first destination connection ID, and begins
    /// to track what comes.
    pub(super) fn derive(&self, destination_cid: &ConnectionId) -> (Tracker, Keys) {
        let keys = SharedKeys::new(initial::keys(destination_cid, Side::Server));
        let boxed = keys.boxed();
        let tracker = Tracker::default();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((*destination_cid, tracker.clone(), keys));
        (tracker, boxed)
    }

    /// Returns the same again; makes them anew if others were derived since.
    pub(super) fn again(&self, destination_cid: &ConnectionId) -> (Tracker, Keys) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match last.take() {
            Some((cid, tracker, keys)) if cid == *destination_cid => (tracker, keys.boxed()),
            _ => {
                let keys = initial::keys(destination_cid, Side::Server);
                (Tracker::default(), keys)
            }
        }
    }
}

struct SharedKeys {
    header: KeyPair<Arc<dyn HeaderKey>>,
    packet: KeyPair<Arc<dyn PacketKey>>,
}

impl SharedKeys {
    fn new(keys: Keys) -> Self {
        Self {
            header: KeyPair {
                local: keys.header.local.into(),
                remote: keys.header.remote.into(),
            },
            packet: KeyPair {
                local: keys.packet.local.into(),
                remote: keys.packet.remote.into(),
            },
        }
    }

    fn boxed(&self) -> Keys {
        Keys {
            header: KeyPair {
                local: Box::new(SharedHeaderKey(self.header.local.clone())),
                remote: Box::new(SharedHeaderKey(self.header.remote.clone())),
            },
            packet: KeyPair {
                local: Box::new(SharedPacketKey(self.packet.local.clone())),
                remote: Box::new(SharedPacketKey(self.packet.remote.clone())),
            },
        }
    }
}

struct SharedHeaderKey(Arc<dyn HeaderKey>);

impl HeaderKey for SharedHeaderKey {
    fn decrypt(&self, number_offset: usize, packet: &mut [u8]) {
        self.0.decrypt(number_offset, packet);
    }

    fn encrypt(&self, number_offset: usize, packet: &mut [u8]) {
        self.0.encrypt(number_offset, packet);
    }

    fn sample_size(&self) -> usize {
        self.0.sample_size()
    }
}

struct SharedPacketKey(Arc<dyn PacketKey>);

impl PacketKey for SharedPacketKey {
    fn encrypt(&self, number: u64, packet: &mut [u8], header_length: usize) {
        self.0.encrypt(number, packet, header_length);
    }

    fn decrypt(
        &self,
        number: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        self.0.decrypt(number, header, payload)
    }

    fn tag_len(&self) -> usize {
        self.0.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.0.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.0.integrity_limit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(keys: &Keys) -> Vec<u8> {
        let mut packet = vec![7; 40];
        keys.packet.local.encrypt(1, &mut packet, 20);
        keys.header.local.encrypt(18, &mut packet);
        packet
    }

    #[test]
    fn keys_are_those_of_their_connection_id_whichever_were_derived_last() {
        let [one, other] = [[1; 8], [2; 8]].map(|bytes| ConnectionId::new(&bytes));
        let fresh = |cid| sealed(&initial::keys(cid, Side::Server));
        let last = LastInitialKeys::default();
        assert_eq!(sealed(&last.derive(&one).1), fresh(&one));
        assert_eq!(sealed(&last.again(&one).1), fresh(&one));
        assert_eq!(sealed(&last.again(&one).1), fresh(&one));
        last.derive(&one);
        last.derive(&other);
        assert_eq!(sealed(&last.again(&one).1), fresh(&one));
        assert_eq!(sealed(&last.again(&other).1), fresh(&other));
        assert_ne!(fresh(&one), fresh(&other));
    }
}
