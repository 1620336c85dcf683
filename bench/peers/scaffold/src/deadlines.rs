//! When which connection wants to be woken.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

/// Deadlines by connection, the earliest first.
#[derive(Debug, Default)]
pub struct Deadlines {
    order: BTreeSet<(Instant, usize)>,
    of: HashMap<usize, Instant>,
}

impl Deadlines {
    /// Changes the deadline of a connection.
    pub fn set(&mut self, connection: usize, deadline: Option<Instant>) {
        let before = match deadline {
            Some(deadline) => self.of.insert(connection, deadline),
            None => self.of.remove(&connection),
        };
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, connection));
        }
        self.order
            .extend(deadline.map(|deadline| (deadline, connection)));
    }

    /// Returns the earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        Some(self.order.first()?.0)
    }

    /// Takes out a connection whose deadline has come.
    pub fn expired(&mut self, now: Instant) -> Option<usize> {
        let (deadline, connection) = *self.order.first()?;
        if deadline > now {
            return None;
        }
        self.set(connection, None);
        Some(connection)
    }
}
