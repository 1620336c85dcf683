//! Copies of packets in the clear, for whoever watches the shard.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use quinn_proto::crypto::{CryptoError, PacketKey};

/// Where the keys of a shard that is watched leave copies.
///
/// Keys have to be shareable between threads; in fact only the shard's own
/// uses them, so that nobody ever waits for this lock.
#[derive(Clone, Default)]
pub(crate) struct Plaintext(Arc<Mutex<Copies>>);

#[derive(Default)]
pub(crate) struct Copies {
    /// Packets that were sealed since the last look, in their order.
    pub(crate) sealed: Vec<Sealed>,
    /// Packets that were opened, or could not be, since the last look.
    pub(crate) opened: Vec<OpenedCopy>,
    /// Whether a valid Retry came since the last look.
    pub(crate) valid_retry: bool,
}

/// A packet before it was encrypted.
pub(crate) struct Sealed {
    pub(crate) number: u64,
    /// The header, not protected yet, and the frames.
    pub(crate) bytes: Vec<u8>,
    pub(crate) header_length: usize,
    /// Bytes that it takes in its datagram.
    pub(crate) size: usize,
    pub(crate) generation: u64,
}

/// A packet that was to be decrypted.
pub(crate) struct OpenedCopy {
    pub(crate) number: u64,
    /// The header without its protection.
    pub(crate) header: Vec<u8>,
    /// The frames; `None` if the key did not fit.
    pub(crate) payload: Option<Vec<u8>>,
    /// Bytes that it took in its datagram.
    pub(crate) size: usize,
    pub(crate) generation: u64,
    /// Whether its frames would cost too much.
    pub(crate) refused: bool,
}

impl Plaintext {
    pub(crate) fn copies(&self) -> MutexGuard<'_, Copies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the packet that was opened last is not for the state machine.
    pub(super) fn refuse_last(&self) {
        if let Some(last) = self.copies().opened.last_mut() {
            last.refused = true;
        }
    }

    /// Leaves bytes at the end of the packet out that was sealed last.
    pub(super) fn shorten_last(&self, length: usize) {
        if let Some(last) = self.copies().sealed.last_mut() {
            last.bytes.truncate(last.bytes.len() - length);
            last.size -= length;
        }
    }

    /// Lets copies be seen of what passes `key`.
    pub(super) fn watched(&self, key: Box<dyn PacketKey>, generation: u64) -> Box<dyn PacketKey> {
        Box::new(WatchedKey {
            key,
            plaintext: self.clone(),
            generation,
        })
    }
}

struct WatchedKey {
    key: Box<dyn PacketKey>,
    plaintext: Plaintext,
    generation: u64,
}

impl PacketKey for WatchedKey {
    fn encrypt(&self, number: u64, packet: &mut [u8], header_length: usize) {
        let content = packet.len() - self.key.tag_len();
        self.plaintext.copies().sealed.push(Sealed {
            number,
            bytes: packet[..content].to_vec(),
            header_length,
            size: packet.len(),
            generation: self.generation,
        });
        self.key.encrypt(number, packet, header_length);
    }

    fn decrypt(
        &self,
        number: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        let size = header.len() + payload.len();
        let outcome = self.key.decrypt(number, header, payload);
        self.plaintext.copies().opened.push(OpenedCopy {
            number,
            header: header.to_vec(),
            payload: outcome.is_ok().then(|| payload.to_vec()),
            size,
            generation: self.generation,
            refused: false,
        });
        outcome
    }

    fn tag_len(&self) -> usize {
        self.key.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.key.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.key.integrity_limit()
    }
}
