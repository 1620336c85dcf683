//! Instants at which datagrams were received: the kernel's stamps where it tells them, else
//! those at which their batches were read.

use std::time::{Duration, Instant, SystemTime};

use super::clock;

/// Time in which both clocks are read together; if it took longer, this thread was
/// interrupted in between.
const BOTH_CLOCKS: Duration = Duration::from_micros(20);

/// Attempts to read both clocks together.
const ATTEMPTS_MAX: usize = 4;

/// Finds the instant at which each datagram was received.
#[derive(Debug)]
pub(super) struct ReceiveTimes {
    /// Beginning of the turn before, when what comes in this one was not there.
    earliest: Instant,
    turn: Instant,
    /// Both clocks after the batch was read.
    read: Option<(Instant, Duration)>,
}

impl ReceiveTimes {
    pub(super) fn new() -> Self {
        let now = clock();
        Self {
            earliest: now,
            turn: now,
            read: None,
        }
    }

    pub(super) fn begin_turn(&mut self, now: Instant) {
        self.earliest = std::mem::replace(&mut self.turn, now);
    }

    /// Notes that another batch is about to be read.
    pub(super) fn begin_batch(&mut self) {
        self.read = None;
    }

    /// Returns when a datagram of the batch was received, by the kernel's stamp if there
    /// is one.
    pub(super) fn of(&mut self, stamp: Option<Duration>) -> Instant {
        let (read, wall) = *self.read.get_or_insert_with(both_clocks);
        received_at(read, wall, stamp, self.earliest)
    }
}

/// Returns the instant of a stamp of the wall clock, which may have been set in between:
/// nothing is received before it could come, or after it was read.
fn received_at(
    read: Instant,
    wall: Duration,
    stamp: Option<Duration>,
    earliest: Instant,
) -> Instant {
    let age = stamp.map_or(Duration::ZERO, |stamp| wall.saturating_sub(stamp));
    read - age.min(read.saturating_duration_since(earliest))
}

/// Reads the clock, and the wall clock at the same instant.
fn both_clocks() -> (Instant, Duration) {
    let read = || {
        let before = clock();
        let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let took = clock() - before;
        (took, (before + took / 2, wall))
    };
    let mut best = read();
    for _ in 1..ATTEMPTS_MAX {
        if best.0 <= BOTH_CLOCKS {
            break;
        }
        best = best.min(read());
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_an_instant_between_the_turn_before_and_the_reading() {
        let earliest = clock();
        let milliseconds = Duration::from_millis;
        let read = earliest + milliseconds(50);
        let wall = Duration::from_secs(1_000_000);
        for (stamp, after) in [
            (Some(wall - milliseconds(10)), 40),
            (Some(wall), 50),
            (None, 50),
            // The wall clock was set in between.
            (Some(wall + milliseconds(10)), 50),
            (Some(wall - milliseconds(3_600_000)), 0),
        ] {
            let found = received_at(read, wall, stamp, earliest);
            assert_eq!(found, earliest + milliseconds(after), "{stamp:?}");
        }
    }
}
