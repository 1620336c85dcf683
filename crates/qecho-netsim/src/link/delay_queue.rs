//! A queue of items that are due at an instant each.

use std::{collections::BTreeMap, time::Instant};

/// Items by the instant at which they are due; those that are due together keep the order in
/// which they were added.
#[derive(Debug)]
pub struct DelayQueue<T> {
    /// By the instant, and the number that an item was given.
    items: BTreeMap<(Instant, u64), T>,
    number: u64,
}

impl<T> Default for DelayQueue<T> {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            number: 0,
        }
    }
}

impl<T> DelayQueue<T> {
    /// Adds an item that is due at an instant.
    pub fn push(&mut self, at: Instant, item: T) {
        self.number += 1;
        self.items.insert((at, self.number), item);
    }

    /// Takes the next item that is due by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        let first = self.items.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Returns the instant at which the next item is due.
    pub fn next(&self) -> Option<Instant> {
        self.items.keys().next().map(|(at, _)| *at)
    }

    /// Returns how many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
