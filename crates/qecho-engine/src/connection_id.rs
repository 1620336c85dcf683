//! Our connection IDs: eight random bytes (RFC 9000 §5.1).

use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Length of every connection ID that we issue.
pub(crate) const LENGTH: usize = 8;

/// Draws connection IDs from a generator that the shard's seed started, so
/// that a simulation repeats them.
pub(crate) struct SeededConnectionIds(StdRng);

impl SeededConnectionIds {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(StdRng::from_seed(seed))
    }
}

impl ConnectionIdGenerator for SeededConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0; LENGTH];
        self.0.fill_bytes(&mut bytes);
        ConnectionId::new(&bytes)
    }

    fn cid_len(&self) -> usize {
        LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
