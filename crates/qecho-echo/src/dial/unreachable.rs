//! Grace period of a peer that ICMP reports as unreachable.

use std::time::{Duration, Instant};

/// Timer that gives a peer time to show that it lives, although ICMP says that
/// no program listens there: anybody on the path can forge that.
///
/// It keeps what was known of the peer when it was started, such as the number
/// of datagrams received, to be compared when it expires.
#[derive(Debug)]
pub struct UnreachableTimer<T>(Option<(Instant, T)>);

impl<T> Default for UnreachableTimer<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> UnreachableTimer<T> {
    /// Grace period of a live connection.
    pub const GRACE: Duration = Duration::from_secs(3);

    /// Starts the timer, unless it runs already.
    pub fn start(&mut self, now: Instant, grace: Duration, known: T) {
        self.0.get_or_insert((now + grace, known));
    }

    /// Stops the timer.
    pub fn stop(&mut self) {
        self.0 = None;
    }

    /// Tells whether the timer runs.
    pub fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// Returns when the timer expires, if it runs.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().map(|(until, _)| *until)
    }

    /// Returns what was known when the timer was started, once it has expired.
    pub fn take_expired(&mut self, now: Instant) -> Option<T> {
        let (_, known) = self.0.take_if(|(until, _)| *until <= now)?;
        Some(known)
    }
}
