//! Copies of packets in the clear, for tracing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Copies of the packets of a shard, made by its keys.
///
/// Keys have to be shareable between threads; in fact only the shard's own
/// uses them, so that nobody ever waits for this lock.
#[derive(Clone, Default)]
pub(crate) struct Plaintext(Arc<Mutex<PacketCopies>>);

#[derive(Default)]
pub(crate) struct PacketCopies {
    /// Packets that were sealed since the last look, in their order.
    pub(crate) sealed: Vec<SealedPacket>,
    /// Packets that were opened, or could not be, since the last look.
    pub(crate) opened: Vec<OpenedPacket>,
    /// Whether a valid Retry came since the last look.
    pub(crate) valid_retry: bool,
}

/// A packet before it was encrypted.
pub(crate) struct SealedPacket {
    pub(crate) number: u64,
    /// The header, not protected yet, and the frames.
    pub(crate) bytes: Vec<u8>,
    pub(crate) header_length: usize,
    /// Bytes that it takes in its datagram.
    pub(crate) size: usize,
    pub(crate) generation: u64,
}

/// A packet that was to be decrypted.
pub(crate) struct OpenedPacket {
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
    pub(crate) fn copies(&self) -> MutexGuard<'_, PacketCopies> {
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
}
