//! What the shards of one server have in common, and which of them one is.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
};

use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};

use crate::{
    limits::{SHARDS_MAX, TLS_SESSIONS_MAX},
    places::Places,
};

/// One shard's share in a server: shards that are configured with the shares
/// of one server have their limits and TLS sessions in common.
#[derive(Clone, Debug)]
pub struct Share {
    index: usize,
    server: Arc<Server>,
}

struct Server {
    shards: NonZeroUsize,
    places: Arc<Places>,
    /// A returning client's first packet may come to any shard.
    sessions: OnceLock<Arc<dyn StoresServerSessions>>,
}

impl Share {
    /// Returns the share of a shard that is alone.
    pub fn whole() -> Self {
        Self {
            index: 0,
            server: Server::new(NonZeroUsize::MIN),
        }
    }

    /// Returns the shares of `shards` shards, at most [`SHARDS_MAX`].
    ///
    /// [`SHARDS_MAX`]: crate::limits::SHARDS_MAX
    pub fn divide(shards: NonZeroUsize) -> Vec<Self> {
        let most = const { NonZeroUsize::new(SHARDS_MAX).expect("not zero") };
        let shards = shards.min(most);
        let server = Server::new(shards);
        let share = |index| Self {
            index,
            server: server.clone(),
        };
        (0..shards.get()).map(share).collect()
    }

    /// Returns which of the shards this is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns how many shards there are.
    pub fn shards(&self) -> NonZeroUsize {
        self.server.shards
    }

    pub(crate) fn places(&self) -> Arc<Places> {
        self.server.places.clone()
    }

    pub(crate) fn sessions(&self) -> Arc<dyn StoresServerSessions> {
        let sessions = || ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
        self.server
            .sessions
            .get_or_init(|| sessions() as Arc<dyn StoresServerSessions>)
            .clone()
    }

    /// Numbers the `count`-th connection of this shard, from 1, so that no two
    /// shards use the same number.
    pub(crate) fn connection_number(&self, count: u64) -> u64 {
        (count - 1) * self.server.shards.get() as u64 + self.index as u64 + 1
    }
}

impl Server {
    fn new(shards: NonZeroUsize) -> Arc<Self> {
        Arc::new(Self {
            shards,
            places: Arc::default(),
            sessions: OnceLock::new(),
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} shards", self.shards)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn connection_numbers_begin_at_one_and_are_no_one_elses() {
        let numbers = |shards: usize| -> Vec<u64> {
            let shares = Share::divide(NonZeroUsize::new(shards).expect("not zero"));
            let number = |count| {
                shares
                    .iter()
                    .map(move |share| share.connection_number(count))
            };
            (1..=4).flat_map(number).collect()
        };
        assert_eq!(numbers(1), [1, 2, 3, 4]);
        let three: BTreeSet<_> = numbers(3).into_iter().collect();
        assert_eq!(three, (1..=12).collect());
    }
}
