//! Keys that outlive a connection and are shared by all shards.

use std::sync::Arc;

use aws_lc_rs::{hkdf, hmac};

use crate::steering::Multipliers;

/// One secret from which every key that spans shards or outlives a process is
/// derived: a server that keeps it recognises its own stateless resets and Retry
/// tokens after a restart.
#[derive(Clone)]
pub struct Secrets {
    master: hkdf::Prk,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Derives all keys from 32 bytes, which must come from a secure source.
    pub fn from_master(master: &[u8; 32]) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"qecho secrets v1");
        Self {
            master: salt.extract(master),
        }
    }

    /// Draws a new secret from the operating system.
    pub fn random() -> Self {
        Self::from_master(&rand::random())
    }

    fn derive(&self, label: &[u8]) -> [u8; 32] {
        let mut key = [0; 32];
        self.master
            .expand(&[label], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("32 bytes are within HKDF-SHA256's output limit");
        key
    }

    /// Signs stateless reset tokens (RFC 9000 §10.3.2).
    pub(crate) fn reset_key(&self) -> Arc<hmac::Key> {
        Arc::new(hmac::Key::new(
            hmac::HMAC_SHA256,
            &self.derive(b"stateless reset"),
        ))
    }

    /// Spreads connection IDs over shards.
    pub(crate) fn steering_multipliers(&self) -> Multipliers {
        let key = self.derive(b"steering");
        let word = |at: usize| [key[at], key[at + 1], key[at + 2], key[at + 3]];
        std::array::from_fn(|number| u32::from_be_bytes(word(4 * number)))
    }

    /// Seals Retry tokens (RFC 9000 §8.1.3).
    pub(crate) fn token_key(&self) -> Arc<hkdf::Prk> {
        Arc::new(hkdf::Salt::new(hkdf::HKDF_SHA256, b"").extract(&self.derive(b"address token")))
    }
}
