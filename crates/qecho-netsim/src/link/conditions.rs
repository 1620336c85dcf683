//! Conditions of a path: delay, loss and the like.

use std::{num::NonZeroU64, ops::RangeInclusive, time::Duration};

use super::{Marking, Police};

/// Conditions of one direction of a path. The default is perfect.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// Time that every datagram takes.
    pub delay: Duration,
    /// Largest extra time, drawn evenly; datagrams keep their order unless
    /// they are reordered.
    pub jitter: Duration,
    /// Share of all datagrams that vanish, 0 to 1.
    pub loss: f64,
    /// Datagrams that vanish in a row, each time that some do. The share stays
    /// what `loss` says: longer bursts are rarer.
    pub burst: u32,
    /// Share of datagrams that change places with others, 0 to 1: they overtake
    /// those that jitter holds up, or where there is no jitter are held back for
    /// [`HELD_BACK`] themselves.
    pub reorder: f64,
    /// Share of datagrams that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Share of datagrams of which one bit arrives changed, 0 to 1.
    pub corrupt: f64,
    /// Bits of UDP payload that are sent in a second; without it, sending takes
    /// no time.
    pub rate: Option<NonZeroU64>,
    /// Datagrams that may wait for the one that is being sent at `rate`; one
    /// more vanishes.
    pub queue: usize,
    /// Datagrams that pass in a time; one more vanishes at once.
    pub police: Option<Police>,
    /// Change of the ECN bits on the way.
    pub ecn: Option<Marking>,
    /// Largest UDP payload that passes; longer ones vanish.
    pub mtu: usize,
    /// Times at which nothing passes at all.
    pub blackhole: Option<Blackhole>,
    /// Datagrams that vanish whatever chance says, by their numbers: the first
    /// that is sent is 1.
    pub drop: Option<RangeInclusive<u64>>,
}

/// Time that a datagram is held back for others to overtake it.
pub const HELD_BACK: Duration = Duration::from_millis(5);

/// Datagrams that may wait for a rate, unless said otherwise.
pub const QUEUE: usize = 100;

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            burst: 1,
            reorder: 0.0,
            duplicate: 0.0,
            corrupt: 0.0,
            rate: None,
            queue: QUEUE,
            police: None,
            ecn: None,
            mtu: usize::MAX,
            blackhole: None,
            drop: None,
        }
    }
}

impl Conditions {
    /// Returns how likely it is that a burst of loss begins, so that `loss` is
    /// the share of all datagrams that vanish.
    pub(super) fn burst_chance(&self) -> f64 {
        if self.burst <= 1 {
            return self.loss;
        }
        // With chance p, (1 - p) / p datagrams pass on average before the next
        // burst; loss = burst / (burst + (1 - p) / p).
        self.loss / (self.loss + f64::from(self.burst) * (1.0 - self.loss))
    }
}

/// A path that is cut again and again: open, then closed, then open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blackhole {
    /// Time during which datagrams pass, counted from the first one.
    pub open: Duration,
    /// Time after that during which none does.
    pub closed: Duration,
}

impl Blackhole {
    /// Tells whether nothing passes so long after the beginning.
    pub(super) fn is_closed(self, elapsed: Duration) -> bool {
        let period = (self.open + self.closed).as_nanos();
        period > 0 && elapsed.as_nanos() % period >= self.open.as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blackhole_is_open_first_and_then_closed() {
        let blackhole = Blackhole {
            open: Duration::from_secs(5),
            closed: Duration::from_secs(2),
        };
        let times = [0, 4_999, 5_000, 6_999, 7_000, 12_000].map(Duration::from_millis);
        let closed = times.map(|elapsed| blackhole.is_closed(elapsed));
        assert_eq!(closed, [false, false, true, true, false, true]);
    }

    #[test]
    fn a_burst_that_takes_everything_always_begins() {
        for (loss, expected) in [(0.0, 0.0), (1.0, 1.0)] {
            let conditions = Conditions {
                loss,
                burst: 3,
                ..Conditions::default()
            };
            assert!((conditions.burst_chance() - expected).abs() < 1e-12);
        }
    }
}
