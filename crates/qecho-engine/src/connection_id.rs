//! Our connection IDs: eight bytes (RFC 9000 §5.1), random but for what tells
//! the shard.

use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::steering::Steering;

/// Length of every connection ID that we issue.
pub(crate) const LENGTH: usize = 8;

/// Draws connection IDs from a generator that the shard's seed started, so
/// that a simulation repeats them, and makes each one that leads to its shard.
pub(crate) struct SeededConnectionIds {
    pub(crate) random: StdRng,
    pub(crate) steering: Steering,
    pub(crate) shard: usize,
}

impl ConnectionIdGenerator for SeededConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        // As many draws as there are shards, on average.
        loop {
            let mut bytes = [0; LENGTH];
            self.random.fill_bytes(&mut bytes);
            if self.steering.shard(bytes) == self.shard {
                return ConnectionId::new(&bytes);
            }
        }
    }

    /// Another shard's connection ID says nothing here: this one must not tell
    /// its peer that the connection is lost.
    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        match id.first_chunk() {
            Some(bytes) if self.steering.shard(*bytes) != self.shard => Err(InvalidCid),
            _ => Ok(()),
        }
    }

    fn cid_len(&self) -> usize {
        LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Draws the connection IDs that name a server before it has chosen its own.
pub(crate) struct InitialCids(StdRng);

impl InitialCids {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(StdRng::from_seed(seed))
    }

    pub(crate) fn next(&mut self) -> ConnectionId {
        // RFC 9000 §7.2: at least eight unpredictable bytes.
        ConnectionId::new(&self.draw().to_be_bytes())
    }

    /// Draws a number that others cannot predict.
    pub(crate) fn draw(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill_bytes(&mut bytes);
        u64::from_be_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::{limits::SHARDS_MAX, secrets::Secrets};

    #[test]
    fn a_connection_id_can_be_made_for_every_shard() {
        let shards = NonZeroUsize::new(SHARDS_MAX).expect("not zero");
        let steering = Steering::new(&Secrets::from_master(&[7; 32]), shards);
        for shard in 0..SHARDS_MAX {
            let mut generator = SeededConnectionIds {
                random: StdRng::from_seed([9; 32]),
                steering,
                shard,
            };
            let [first, second] = [(); 2].map(|()| generator.generate_cid());
            assert_ne!(first, second);
            assert!(generator.validate(&first).is_ok());
        }
    }
}
