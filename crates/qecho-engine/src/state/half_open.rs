//! The handshakes under way on a shard, by age and by address.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use crate::{
    connection::ConnectionKey, connection_limits::AddressPrefix, limits::HALF_OPEN_PER_ADDRESS_MAX,
};

/// Handshakes under way, named by their place in the order in which they came.
#[derive(Default)]
pub(crate) struct HalfOpen {
    /// The instant at which each began, by its number.
    all: BTreeMap<u64, (Instant, ConnectionKey)>,
    by_prefix: HashMap<AddressPrefix, PrefixHandshakes>,
    unvalidated: usize,
}

#[derive(Default)]
struct PrefixHandshakes {
    numbers: BTreeSet<u64>,
    unvalidated: usize,
}

impl HalfOpen {
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Returns how many are from addresses that are not validated.
    pub(crate) fn unvalidated(&self) -> usize {
        self.unvalidated
    }

    /// Returns how many of those are from one address.
    pub(crate) fn unvalidated_of(&self, prefix: AddressPrefix) -> usize {
        let of_prefix = self.by_prefix.get(&prefix);
        of_prefix.map_or(0, |of_prefix| of_prefix.unvalidated)
    }

    pub(crate) fn insert(
        &mut self,
        number: u64,
        prefix: AddressPrefix,
        validated: bool,
        handshake: (Instant, ConnectionKey),
    ) {
        self.all.insert(number, handshake);
        let of_prefix = self.by_prefix.entry(prefix).or_default();
        of_prefix.numbers.insert(number);
        of_prefix.unvalidated += usize::from(!validated);
        self.unvalidated += usize::from(!validated);
    }

    pub(crate) fn remove(&mut self, number: u64, prefix: AddressPrefix, validated: bool) {
        self.all.remove(&number);
        self.unvalidated -= usize::from(!validated);
        let Some(of_prefix) = self.by_prefix.get_mut(&prefix) else {
            return;
        };
        of_prefix.numbers.remove(&number);
        of_prefix.unvalidated -= usize::from(!validated);
        if of_prefix.numbers.is_empty() {
            self.by_prefix.remove(&prefix);
        }
    }

    pub(crate) fn oldest(&self) -> Option<(Instant, ConnectionKey)> {
        self.all.first_key_value().map(|(_, handshake)| *handshake)
    }

    /// Returns the handshake that makes room for one from `prefix`: the oldest from there
    /// if it has its share, else the oldest of the address that has most.
    pub(crate) fn victim(&self, prefix: AddressPrefix) -> Option<ConnectionKey> {
        let own = self.by_prefix.get(&prefix);
        let numbers = match own {
            Some(own) if own.numbers.len() >= HALF_OPEN_PER_ADDRESS_MAX => &own.numbers,
            _ => {
                let all = self.by_prefix.values().map(|of_prefix| &of_prefix.numbers);
                // Where several have most, the one whose oldest is the oldest of all.
                all.max_by_key(|numbers| (numbers.len(), std::cmp::Reverse(numbers.first())))?
            }
        };
        let (_, key) = self.all.get(numbers.first()?)?;
        Some(*key)
    }
}
