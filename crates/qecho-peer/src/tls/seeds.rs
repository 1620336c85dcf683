//! Randomness of one connection, all of it out of one seed.

use aws_lc_rs::digest;

/// Random values that the same seed repeats.
///
/// ECDSA signatures and ML-KEM draw from the system, whatever the seed is.
pub(super) struct Seeds {
    seed: [u8; 32],
    drawn: u32,
}

impl Seeds {
    pub(super) fn new(random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut seed = [0; 32];
        random(&mut seed);
        Self { seed, drawn: 0 }
    }

    /// Returns 32 bytes that were not there before.
    pub(super) fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.seed);
        context.update(&self.drawn.to_be_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        bytes
    }
}
