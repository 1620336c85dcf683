//! Limits, TLS sessions and numbers that the shards of one server have in common.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};

use crate::{
    connection_limits::ConnectionLimits,
    limits::{SHARDS_MAX, TLS_SESSIONS_MAX},
    used_tokens::UsedTokens,
};

/// Handle of one shard to its server: the shards of a server have their limits and TLS
/// sessions in common.
#[derive(Clone, Debug)]
pub struct ServerShared {
    index: usize,
    server: Arc<Server>,
}

#[derive(Debug)]
struct Server {
    shards: NonZeroUsize,
    limits: Arc<ConnectionLimits>,
    /// A returning client's first packet may come to any shard.
    sessions: OnceLock<Arc<dyn StoresServerSessions>>,
    used_tokens: Arc<UsedTokens>,
    /// Number of the last connection.
    connections: AtomicU64,
    /// Bytes that the connections of each shard hold, by its last estimate.
    held: Box<[AtomicU64]>,
}

impl ServerShared {
    /// Returns the handle of a shard that is its server's only one.
    pub fn alone() -> Self {
        Self::split(NonZeroUsize::MIN).swap_remove(0)
    }

    /// Returns the handles of the shards of one server, of `shards` and at most [`SHARDS_MAX`].
    ///
    /// [`SHARDS_MAX`]: crate::limits::SHARDS_MAX
    pub fn split(shards: NonZeroUsize) -> Vec<Self> {
        let most = const { NonZeroUsize::new(SHARDS_MAX).expect("not zero") };
        let shards = shards.min(most);
        let server = Arc::new(Server {
            shards,
            limits: Arc::default(),
            sessions: OnceLock::new(),
            used_tokens: Arc::default(),
            connections: AtomicU64::new(0),
            held: (0..shards.get()).map(|_| AtomicU64::new(0)).collect(),
        });
        let server_shared = |index| Self {
            index,
            server: server.clone(),
        };
        (0..shards.get()).map(server_shared).collect()
    }

    /// Returns which of the shards this is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns how many shards there are.
    pub fn shards(&self) -> NonZeroUsize {
        self.server.shards
    }

    pub(crate) fn limits(&self) -> Arc<ConnectionLimits> {
        self.server.limits.clone()
    }

    pub(crate) fn sessions(&self) -> Arc<dyn StoresServerSessions> {
        let sessions = || ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
        self.server
            .sessions
            .get_or_init(|| sessions() as Arc<dyn StoresServerSessions>)
            .clone()
    }

    pub(crate) fn used_tokens(&self) -> Arc<UsedTokens> {
        self.server.used_tokens.clone()
    }

    /// Sets how many bytes the connections of this shard hold.
    pub(crate) fn set_held(&self, bytes: u64) {
        self.server.held[self.index].store(bytes, Relaxed);
    }

    /// Returns how many bytes the connections of all shards hold.
    pub(crate) fn held(&self) -> u64 {
        self.server.held.iter().map(|held| held.load(Relaxed)).sum()
    }

    /// Returns the number of the next connection of all shards, from 1, for observations.
    pub(crate) fn next_connection(&self) -> u64 {
        self.server.connections.fetch_add(1, Relaxed) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_numbered_in_the_order_in_which_they_begin_anywhere() {
        let handles = ServerShared::split(NonZeroUsize::new(3).expect("not zero"));
        let begin = |at: usize| handles[at].next_connection();
        assert_eq!([2, 0, 0, 1, 2].map(begin), [1, 2, 3, 4, 5]);
    }
}
