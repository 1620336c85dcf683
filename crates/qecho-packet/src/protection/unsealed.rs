//! Packets that tests seal.

use super::{SealingKeys, Secret, Suite};
use crate::wire::Header;

/// A packet before its protection.
#[derive(Clone)]
pub(crate) struct Unsealed {
    /// The first of its direction.
    pub(crate) secret: Secret,
    pub(crate) suite: Suite,
    /// Key updates before it.
    pub(crate) updates: u64,
    pub(crate) header: Header,
    pub(crate) number: u64,
    /// Bytes in which the number is told.
    pub(crate) number_length: usize,
    pub(crate) frames: Vec<u8>,
}

impl Unsealed {
    /// Seals it.
    pub(crate) fn seal(&self) -> Vec<u8> {
        let mut keys = SealingKeys::new(&self.secret, self.suite);
        for _ in 0..self.updates {
            keys.update();
        }
        keys.seal_packet(&self.header, self.number, self.number_length, &self.frames)
    }
}
