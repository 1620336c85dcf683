//! Where threads meet: the few flags and counters by which they wake one another, hand things
//! over and end together.
//!
//! Each is apart from what is waited on, and generic over its atomic, so that the tests can try
//! every order in which a processor may let two threads see each other's writes.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// An atomic boolean.
pub(crate) trait Flag {
    fn load(&self, order: Ordering) -> bool;
    fn swap(&self, value: bool, order: Ordering) -> bool;
}

/// An atomic number.
pub(crate) trait Counter {
    fn load(&self, order: Ordering) -> usize;
    fn fetch_add(&self, value: usize, order: Ordering) -> usize;
    fn fetch_sub(&self, value: usize, order: Ordering) -> usize;
    /// Subtracts one unless it is zero; tells whether it did.
    fn try_decrement(&self, order: Ordering) -> bool;
}

/// Something that one thread at a time may change.
pub(crate) trait Lock<T> {
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R;
}

/// Whether a bell has been rung that nobody has answered yet: it spares the system calls of
/// ringing twice, and of answering a bell that is still.
#[derive(Debug, Default)]
pub(crate) struct Rung<F>(F);

impl<F: Flag> Rung<F> {
    /// Rings by `ring`, unless it has been rung already.
    pub(crate) fn ring(&self, ring: impl FnOnce()) {
        if !self.0.swap(true, Ordering::AcqRel) {
            ring();
        }
    }

    /// Stops the bell by `stop`, which tells whether it rang. What a thread wrote before it rang
    /// is seen after this returns true; who rings from now on is heard by the next wait.
    pub(crate) fn answer(&self, stop: impl FnOnce() -> bool) -> bool {
        if !self.0.load(Ordering::Acquire) {
            return false;
        }
        let rang = stop();
        if rang {
            // Also acquires: what a thread wrote before it found the bell rung is seen, too.
            self.0.swap(false, Ordering::AcqRel);
        }
        rang
    }
}

/// Things for another thread behind a lock, which it takes only if there are any.
#[derive(Debug, Default)]
pub(crate) struct Handover<F, L> {
    any: F,
    things: L,
}

impl<F: Flag, L> Handover<F, L> {
    /// Changes what is handed over; whoever takes it is to be woken after this.
    pub(crate) fn put<T>(&self, put: impl FnOnce(&mut T))
    where
        L: Lock<T>,
    {
        self.things.with(|things| {
            put(things);
            self.any.swap(true, Ordering::Release);
        });
    }

    /// Takes everything.
    pub(crate) fn take<T: Default>(&self) -> T
    where
        L: Lock<T>,
    {
        match self.any.swap(false, Ordering::AcqRel) {
            true => self.things.with(std::mem::take),
            false => T::default(),
        }
    }
}

/// How many of a group are still running.
#[derive(Debug)]
pub(crate) struct Running<C>(pub(crate) C);

impl<C: Counter> Running<C> {
    /// Notes that one has ended; tells whether it was the last.
    pub(crate) fn end_one(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Tells whether all have ended; if so, what they did is seen.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// Permits of which each has one holder at a time; they guard nothing but themselves.
#[derive(Debug)]
pub(crate) struct Permits<C>(pub(crate) C);

impl<C: Counter> Permits<C> {
    /// Takes one, if one is free.
    pub(crate) fn acquire(&self) -> bool {
        self.0.try_decrement(Ordering::Relaxed)
    }

    /// Gives one back.
    pub(crate) fn release(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Flag for AtomicBool {
    fn load(&self, order: Ordering) -> bool {
        self.load(order)
    }

    fn swap(&self, value: bool, order: Ordering) -> bool {
        self.swap(value, order)
    }
}

impl Counter for AtomicUsize {
    fn load(&self, order: Ordering) -> usize {
        self.load(order)
    }

    fn fetch_add(&self, value: usize, order: Ordering) -> usize {
        self.fetch_add(value, order)
    }

    fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
        self.fetch_sub(value, order)
    }

    fn try_decrement(&self, order: Ordering) -> bool {
        let less = |value: usize| value.checked_sub(1);
        self.fetch_update(order, order, less).is_ok()
    }
}

impl<T> Lock<T> for Mutex<T> {
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // What is behind these locks is whole between any two of its changes.
        change(&mut self.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod orders;
