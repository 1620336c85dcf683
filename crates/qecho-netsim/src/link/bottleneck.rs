//! The bottleneck of a path, where datagrams are sent one after another and wait.

use std::{
    collections::VecDeque,
    num::NonZeroU64,
    time::{Duration, Instant},
};

/// Instants at which the datagrams that are being sent or wait will have been sent.
#[derive(Debug, Default)]
pub(super) struct Bottleneck(VecDeque<Instant>);

impl Bottleneck {
    /// Returns the instant at which a datagram has been sent; `None` if `queue` others wait
    /// already.
    pub(super) fn send(
        &mut self,
        now: Instant,
        length: usize,
        rate: NonZeroU64,
        queue: usize,
    ) -> Option<Instant> {
        while self.0.front().is_some_and(|sent| *sent <= now) {
            self.0.pop_front();
        }
        // The first of them is not waiting: it is being sent.
        if self.0.len() > queue {
            return None;
        }
        let begins = self.0.back().copied().unwrap_or(now);
        let sent = begins + time(length, rate);
        self.0.push_back(sent);
        Some(sent)
    }
}

/// Returns how long sending takes.
fn time(length: usize, rate: NonZeroU64) -> Duration {
    let nanoseconds = length as u128 * 8 * 1_000_000_000 / u128::from(rate.get());
    Duration::from_nanos(nanoseconds.try_into().unwrap_or(u64::MAX))
}
