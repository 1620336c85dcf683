//! The handshakes under way on a shard, by age and by address.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use super::entry::ConnectionKey;
use crate::{limits::HALF_OPEN_PER_ADDRESS_MAX, places::Origin};

/// Handshakes under way, named by their place in the order in which they came.
#[derive(Default)]
pub(super) struct HalfOpen {
    /// When each began.
    all: BTreeMap<u64, (Instant, ConnectionKey)>,
    by_origin: HashMap<Origin, OfOrigin>,
    unvalidated: usize,
}

#[derive(Default)]
struct OfOrigin {
    numbers: BTreeSet<u64>,
    unvalidated: usize,
}

impl HalfOpen {
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Returns how many are from addresses that are not validated.
    pub(super) fn unvalidated(&self) -> usize {
        self.unvalidated
    }

    /// Returns how many of those are from one address.
    pub(super) fn unvalidated_of(&self, origin: Origin) -> usize {
        let of_origin = self.by_origin.get(&origin);
        of_origin.map_or(0, |of_origin| of_origin.unvalidated)
    }

    pub(super) fn insert(
        &mut self,
        number: u64,
        origin: Origin,
        validated: bool,
        handshake: (Instant, ConnectionKey),
    ) {
        self.all.insert(number, handshake);
        let of_origin = self.by_origin.entry(origin).or_default();
        of_origin.numbers.insert(number);
        of_origin.unvalidated += usize::from(!validated);
        self.unvalidated += usize::from(!validated);
    }

    pub(super) fn remove(&mut self, number: u64, origin: Origin, validated: bool) {
        self.all.remove(&number);
        self.unvalidated -= usize::from(!validated);
        let Some(of_origin) = self.by_origin.get_mut(&origin) else {
            return;
        };
        of_origin.numbers.remove(&number);
        of_origin.unvalidated -= usize::from(!validated);
        if of_origin.numbers.is_empty() {
            self.by_origin.remove(&origin);
        }
    }

    pub(super) fn oldest(&self) -> Option<(Instant, ConnectionKey)> {
        self.all.first_key_value().map(|(_, handshake)| *handshake)
    }

    /// Returns the handshake that makes room for one from `origin`: the oldest from there
    /// if it has its share, else the oldest of the address that has most.
    pub(super) fn victim(&self, origin: Origin) -> Option<ConnectionKey> {
        let own = self.by_origin.get(&origin);
        let numbers = match own {
            Some(own) if own.numbers.len() >= HALF_OPEN_PER_ADDRESS_MAX => &own.numbers,
            _ => {
                let all = self.by_origin.values().map(|of_origin| &of_origin.numbers);
                // Where several have most, the one whose oldest is the oldest of all.
                all.max_by_key(|numbers| (numbers.len(), std::cmp::Reverse(numbers.first())))?
            }
        };
        let (_, key) = self.all.get(numbers.first()?)?;
        Some(*key)
    }
}
