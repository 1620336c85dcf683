//! The protection of packets (RFC 9001 §5, §6): opens those that one side sends, of one kind,
//! and seals them, for whoever has the secrets of a connection.
//!
//! A packet that an endpoint could send is made by [`SealingKeys::seal_packet`], one that none
//! should by [`SealingKeys::seal`], which takes each bit as it is given.

mod keys;
mod opening;
mod retry;
mod sealing;
mod secret;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod unsealed;
#[cfg(test)]
pub(crate) mod vectors;

use self::keys::PacketKey;
pub(crate) use self::secret::hexadecimal;
pub use self::{
    opening::{Numbers, OpeningKeys},
    retry::{is_valid_retry, retry_tag},
    sealing::{SealingKeys, sealed_length},
    secret::{Secret, Suite},
};

/// Bytes of every tag, and of what is sampled to protect a header.
const TAG_LENGTH: usize = 16;
/// Distance of the sample from the beginning of the packet number (RFC 9001
/// §5.4.2).
const SAMPLE_OFFSET: usize = 4;

/// The key between two key updates.
struct Generation {
    number: u64,
    secret: Secret,
    key: PacketKey,
}

impl Generation {
    fn new(number: u64, secret: Secret, suite: Suite) -> Self {
        let key = secret.packet_key(suite);
        Self {
            number,
            secret,
            key,
        }
    }

    fn next(&self, suite: Suite) -> Self {
        Self::new(self.number + 1, self.secret.next(suite), suite)
    }

    fn has_phase(&self, phase: bool) -> bool {
        (self.number % 2 == 1) == phase
    }
}
