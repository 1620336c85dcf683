//! Deadlines of connections.

use std::{collections::BTreeSet, time::Instant};

use crate::connection::ConnectionKey;

/// A timetable with at most one entry per connection.
///
/// An entry may be earlier than the connection's real deadline, which moves
/// with every packet: it is then looked at for nothing and entered anew. That
/// is far cheaper than keeping the table exact.
#[derive(Default)]
pub(crate) struct Deadlines(BTreeSet<(Instant, ConnectionKey)>);

impl Deadlines {
    pub(crate) fn first(&self) -> Option<Instant> {
        self.0.first().map(|(due, _)| *due)
    }

    /// Takes out the next connection whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<ConnectionKey> {
        if self.first()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, key)| key)
    }

    /// Moves a connection's entry so that it is not later than `wanted`.
    pub(crate) fn schedule(
        &mut self,
        key: ConnectionKey,
        scheduled: &mut Option<Instant>,
        wanted: Option<Instant>,
    ) {
        let Some(wanted) = wanted else {
            return;
        };
        if scheduled.is_some_and(|at| at <= wanted) {
            return;
        }
        self.remove(key, scheduled);
        self.0.insert((wanted, key));
        *scheduled = Some(wanted);
    }

    pub(crate) fn remove(&mut self, key: ConnectionKey, scheduled: &mut Option<Instant>) {
        if let Some(at) = scheduled.take() {
            self.0.remove(&(at, key));
        }
    }
}
