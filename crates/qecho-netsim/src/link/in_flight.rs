//! What is on its way, by its time of arrival.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    time::Instant,
};

/// Things on their way; those that arrive together keep the order in which
/// they were sent.
#[derive(Debug)]
pub struct InFlight<T> {
    heap: BinaryHeap<Reverse<Flight<T>>>,
    number: u64,
}

#[derive(Debug)]
struct Flight<T> {
    at: Instant,
    number: u64,
    cargo: T,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            number: 0,
        }
    }
}

impl<T> InFlight<T> {
    /// Sends something that arrives at an instant.
    pub fn push(&mut self, at: Instant, cargo: T) {
        self.number += 1;
        self.heap.push(Reverse(Flight {
            at,
            number: self.number,
            cargo,
        }));
    }

    /// Takes the next thing that has arrived by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(flight)| flight.cargo)
    }

    /// Returns when the next thing arrives.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(flight)| flight.at)
    }

    /// Returns how many things are on their way.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Tells whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> Ord for Flight<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> PartialOrd for Flight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Flight<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Flight<T> {}
