//! Looks at the memory of the process, for a shard that limits it.

use std::time::Instant;

use qecho_engine::{
    Application, Shard,
    limits::{MEMORY_LOOK_INTERVAL, MEMORY_LOOK_INTERVAL_IDLE},
};

use crate::memory::ResidentMemory;

/// Instants at which a shard is told what its process holds.
pub(super) struct MemoryLooks {
    gauge: ResidentMemory,
    last: Option<Instant>,
}

impl MemoryLooks {
    /// Begins to look; `None` where the system does not tell what a process holds.
    pub(super) fn begin() -> Option<Self> {
        let gauge = ResidentMemory::open()?;
        Some(Self { gauge, last: None })
    }

    /// Tells the shard what the process holds, if it is time.
    #[inline]
    pub(super) fn look<A: Application>(&mut self, now: Instant, shard: &mut Shard<A>) {
        if self
            .last
            .is_some_and(|last| now < last + MEMORY_LOOK_INTERVAL)
        {
            return;
        }
        self.last = Some(now);
        if let Some(bytes) = self.gauge.read() {
            shard.note_resident_memory(now, bytes);
        }
    }

    /// Returns the shard's deadline, or an earlier one for the next look: what its connections
    /// hold may be too much for what other shards need. Without a deadline it has none.
    pub(super) fn sooner(&self, deadline: Option<Instant>) -> Option<Instant> {
        let next = self.last? + MEMORY_LOOK_INTERVAL_IDLE;
        deadline.map(|deadline| deadline.min(next))
    }
}
