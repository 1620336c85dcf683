//! Limits on connections, counted over all shards of a server.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use crate::limits;

/// Policy for validating addresses by a Retry (RFC 9000 §8.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryPolicy {
    /// Validates while many handshakes are under way, in all or from one address.
    #[default]
    Auto,
    /// Always validates.
    Always,
    /// Never validates: over the limits, clients are refused.
    Never,
}

/// Reason for which a server refuses a client (CONNECTION_REFUSED, RFC 9000 §20.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There are [as many connections](AdmissionSettings::connections_max) as there may be.
    Connections,
    /// There are as many
    /// [from its address](AdmissionSettings::connections_per_address_max) as there may be.
    ConnectionsPerAddress,
    /// Too many handshakes are under way, and no Retry is to be sent.
    Handshakes,
    /// The server lets nobody in any more.
    ShuttingDown,
}

impl Refusal {
    /// Every reason, in their order.
    pub const ALL: [Self; 4] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::Handshakes,
        Self::ShuttingDown,
    ];

    /// Returns the name by which it is counted, in small letters and underscores.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Handshakes => "handshakes",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "too many connections",
            Self::ConnectionsPerAddress => "too many connections from its address",
            Self::Handshakes => "too many handshakes under way",
            Self::ShuttingDown => "the server is shutting down",
        })
    }
}

/// Limits on the clients that a server lets in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AdmissionSettings {
    /// Policy for Retry.
    pub retry: RetryPolicy,
    /// Connections at once, on all shards together; one more is refused.
    pub connections_max: usize,
    /// Connections from one address (IPv6: /64) unless it is loopback, on all
    /// shards together.
    pub connections_per_address_max: usize,
}

impl AdmissionSettings {
    /// Sets when a Retry is demanded.
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how many connections there may be at once, on all shards together.
    pub fn with_connections_max(mut self, connections_max: usize) -> Self {
        self.connections_max = connections_max;
        self
    }

    /// Lets in no more connections than have
    /// [some memory each](limits::CONNECTION_MEMORY_SPARED) of these bytes, if they are limited.
    pub fn within_memory(self, memory_max: Option<u64>) -> Self {
        let most = memory_max.map(|bytes| bytes / limits::CONNECTION_MEMORY_SPARED);
        let most = most.and_then(|most| usize::try_from(most).ok());
        let connections_max = self.connections_max.min(most.unwrap_or(usize::MAX));
        self.with_connections_max(connections_max)
    }

    /// Sets how many of them may be from one address.
    pub fn with_connections_per_address_max(mut self, connections_per_address_max: usize) -> Self {
        self.connections_per_address_max = connections_per_address_max;
        self
    }
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::Auto,
            connections_max: limits::CONNECTIONS_MAX,
            connections_per_address_max: limits::CONNECTIONS_PER_ADDRESS_MAX,
        }
    }
}

/// Addresses that count as one, because a client can have many of them: an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AddressPrefix(IpAddr);

impl From<IpAddr> for AddressPrefix {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) if address.is_loopback() => address.into(),
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << 64);
                Ipv6Addr::from_bits(network).into()
            }
        })
    }
}

/// Connections of all shards of a server, counted against its limits.
///
/// A lock, but none on the data path: it is taken when a connection begins and
/// when it ends.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLimits(Mutex<ConnectionCounts>);

#[derive(Debug, Default)]
struct ConnectionCounts {
    connections: usize,
    by_prefix: HashMap<AddressPrefix, usize>,
}

impl ConnectionCounts {
    fn refusal(&self, prefix: AddressPrefix, settings: &AdmissionSettings) -> Option<Refusal> {
        let from_prefix = self.by_prefix.get(&prefix).copied().unwrap_or_default();
        if self.connections >= settings.connections_max {
            return Some(Refusal::Connections);
        }
        let is_full = from_prefix >= settings.connections_per_address_max;
        (is_full && !prefix.0.is_loopback()).then_some(Refusal::ConnectionsPerAddress)
    }
}

impl ConnectionLimits {
    /// Returns the reason for which one more connection from `prefix` would be refused now.
    pub(crate) fn refusal(
        &self,
        prefix: AddressPrefix,
        settings: &AdmissionSettings,
    ) -> Option<Refusal> {
        self.lock().refusal(prefix, settings)
    }

    /// Counts a connection, unless another shard has just taken the last place.
    pub(crate) fn take(
        &self,
        prefix: AddressPrefix,
        settings: &AdmissionSettings,
    ) -> Result<(), Refusal> {
        let mut taken = self.lock();
        if let Some(refusal) = taken.refusal(prefix, settings) {
            return Err(refusal);
        }
        taken.connections += 1;
        *taken.by_prefix.entry(prefix).or_default() += 1;
        Ok(())
    }

    /// Counts a connection no more.
    pub(crate) fn give_back(&self, prefix: AddressPrefix) {
        let mut taken = self.lock();
        taken.connections -= 1;
        let Some(from_prefix) = taken.by_prefix.get_mut(&prefix) else {
            return;
        };
        *from_prefix -= 1;
        if *from_prefix == 0 {
            taken.by_prefix.remove(&prefix);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let taken = self.lock();
        taken.connections == 0 && taken.by_prefix.is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ConnectionCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn shards_that_ask_at_the_same_time_never_take_more_than_there_is() {
        let settings = AdmissionSettings::default().with_connections_max(100);
        let limits = Arc::<ConnectionLimits>::default();
        let threads: Vec<_> = (0..4_u8)
            .map(|shard| {
                let (limits, settings) = (limits.clone(), settings.clone());
                let prefix = AddressPrefix::from(IpAddr::from([10, 0, 0, shard]));
                std::thread::spawn(move || {
                    let takes = (0..1_000).map(|_| limits.take(prefix, &settings));
                    takes.filter(Result::is_ok).count()
                })
            })
            .collect();
        let taken = threads.into_iter().map(|thread| thread.join());
        assert_eq!(
            taken.map(|taken| taken.expect("no panic")).sum::<usize>(),
            100
        );
    }
}
