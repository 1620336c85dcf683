//! Places for connections, counted over all shards of a server.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use crate::config::AdmissionSettings;

/// Addresses that one person can have many of are counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin(IpAddr);

impl From<IpAddr> for Origin {
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

/// What connections occupy of the limits that are one for all shards.
///
/// A lock, but none on the data path: it is taken when a connection begins and
/// when it ends.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    connections: usize,
    by_origin: HashMap<Origin, usize>,
}

impl Taken {
    fn has_room(&self, origin: Origin, settings: &AdmissionSettings) -> bool {
        let from_origin = self.by_origin.get(&origin).copied().unwrap_or_default();
        self.connections < settings.connections_max
            && (origin.0.is_loopback() || from_origin < settings.connections_per_address_max)
    }
}

impl Places {
    /// Tells whether one more connection from `origin` would be let in now.
    pub(crate) fn has_room(&self, origin: Origin, settings: &AdmissionSettings) -> bool {
        self.lock().has_room(origin, settings)
    }

    /// Takes a place, unless another shard has just taken the last one.
    pub(crate) fn take(&self, origin: Origin, settings: &AdmissionSettings) -> bool {
        let mut taken = self.lock();
        if !taken.has_room(origin, settings) {
            return false;
        }
        taken.connections += 1;
        *taken.by_origin.entry(origin).or_default() += 1;
        true
    }

    pub(crate) fn give_back(&self, origin: Origin) {
        let mut taken = self.lock();
        taken.connections -= 1;
        let Some(from_origin) = taken.by_origin.get_mut(&origin) else {
            return;
        };
        *from_origin -= 1;
        if *from_origin == 0 {
            taken.by_origin.remove(&origin);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let taken = self.lock();
        taken.connections == 0 && taken.by_origin.is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn shards_that_ask_at_the_same_time_never_take_more_than_there_is() {
        let settings = AdmissionSettings {
            connections_max: 100,
            ..AdmissionSettings::default()
        };
        let places = Arc::<Places>::default();
        let threads: Vec<_> = (0..4_u8)
            .map(|shard| {
                let (places, settings) = (places.clone(), settings.clone());
                let origin = Origin::from(IpAddr::from([10, 0, 0, shard]));
                std::thread::spawn(move || {
                    let takes = (0..1_000).map(|_| places.take(origin, &settings));
                    takes.filter(|taken| *taken).count()
                })
            })
            .collect();
        let taken = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        assert_eq!(taken.sum::<usize>(), 100);
    }
}
