//! Initial keys for two: the endpoint opens a client's first packet with them, and in
//! the same turn the connection that it begins wants the same.

use std::sync::{Arc, Mutex, PoisonError};

use quinn_proto::{
    ConnectionId, Side,
    crypto::{HeaderKey, KeyPair, Keys, PacketKey},
};

use super::{
    PacketKeys,
    fragments::{Level, Tracker},
    initial,
};

/// The Initial keys that were derived last, until their connection takes them.
///
/// Keys have to be shareable between threads; in fact only one shard uses these, so
/// that nobody ever waits for the lock.
#[derive(Default)]
pub(super) struct LastInitialKeys(Mutex<Option<InitialKeys>>);

/// Keys that can be handed out twice.
struct InitialKeys {
    destination_cid: ConnectionId,
    tracker: Tracker,
    header: KeyPair<Arc<dyn HeaderKey>>,
    packet: KeyPair<Arc<dyn PacketKey>>,
}

impl LastInitialKeys {
    /// Derives a server's keys for the client's first destination connection ID, and begins
    /// to track what comes.
    pub(super) fn derive(&self, destination_cid: &ConnectionId, wrapper: &PacketKeys) -> Keys {
        let keys = initial::keys(destination_cid, Side::Server);
        let last = InitialKeys {
            destination_cid: *destination_cid,
            tracker: wrapper.initial_tracker(),
            header: KeyPair {
                local: keys.header.local.into(),
                remote: keys.header.remote.into(),
            },
            packet: KeyPair {
                local: keys.packet.local.into(),
                remote: keys.packet.remote.into(),
            },
        };
        let keys = Keys {
            header: last.header(),
            packet: wrapper.first_pair(&last.tracker, &last.packet),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        keys
    }

    /// Returns the same again; makes them anew if others were derived since.
    pub(super) fn again(&self, destination_cid: &ConnectionId, wrapper: &PacketKeys) -> Keys {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match last {
            Some(last) if last.destination_cid == *destination_cid => Keys {
                header: last.header(),
                packet: wrapper.pair(Level::Initial, &last.tracker, last.packet, 0),
            },
            _ => {
                let keys = initial::keys(destination_cid, Side::Server);
                wrapper.wrap(Level::Initial, &wrapper.initial_tracker(), keys)
            }
        }
    }
}

impl InitialKeys {
    fn header(&self) -> KeyPair<Box<dyn HeaderKey>> {
        KeyPair {
            local: Box::new(SharedHeaderKey(self.header.local.clone())),
            remote: Box::new(SharedHeaderKey(self.header.remote.clone())),
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
        let keys = &PacketKeys::default();
        assert_eq!(sealed(&last.derive(&one, keys)), fresh(&one));
        assert_eq!(sealed(&last.again(&one, keys)), fresh(&one));
        assert_eq!(sealed(&last.again(&one, keys)), fresh(&one));
        last.derive(&one, keys);
        last.derive(&other, keys);
        assert_eq!(sealed(&last.again(&one, keys)), fresh(&one));
        assert_eq!(sealed(&last.again(&other, keys)), fresh(&other));
        assert_ne!(fresh(&one), fresh(&other));
    }
}
