//! Whether to look for the next datagram a moment longer before sleeping.
//!
//! To be woken takes some 50 µs; who looks on without sleeping has an answer
//! out before that. It costs the core that it runs on, so it is bounded after
//! each datagram, and by default done only where it pays and nobody else wants
//! the core.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long an event loop looks for the next datagram before it sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spin {
    /// For 50 µs, where that often finds one and there are more cores than
    /// event loops.
    #[default]
    Auto,
    /// Not at all.
    Off,
    /// For so long after each, whatever it costs; at most [`SPIN_MAX`].
    For(Duration),
}

/// The longest time for which an event loop looks on.
pub const SPIN_MAX: Duration = Duration::from_millis(1);

/// For how long [`Spin::Auto`] looks on.
const AUTO: Duration = Duration::from_micros(50);

/// What a sleeper needs to wake up, which a datagram that would have been
/// found in time seems to come later.
const WAKING: Duration = Duration::from_micros(50);

/// Shares are counted in 1/256; each wait changes the count by a sixteenth.
const WHOLE: u32 = 256;
const MEMORY: u32 = 16;

/// Decides, wait by wait.
#[derive(Debug)]
pub(super) struct Spinning {
    spin: Spin,
    has_core_to_spare: bool,
    /// How many of the last waits would have been worth looking on, of
    /// [`WHOLE`]: known also when none was.
    hits: u32,
}

impl Spinning {
    /// Decides for one of `loops` event loops of this process.
    pub(super) fn new(spin: Spin, loops: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            spin,
            has_core_to_spare: loops < cores,
            hits: 0,
        }
    }

    /// Returns for how long to look on now.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self.spin {
            Spin::Off => None,
            Spin::For(time) => Some(time.min(SPIN_MAX)),
            Spin::Auto => (self.has_core_to_spare && self.hits > WHOLE / 2).then_some(AUTO),
        }
    }

    /// Notes a wait that began then and has ended with something to receive.
    pub(super) fn note_wait(&mut self, began: Instant, ended: Instant) {
        let waited = ended.saturating_duration_since(began);
        let hit = match waited <= AUTO + WAKING {
            true => WHOLE,
            false => 0,
        };
        self.hits = (self.hits * (MEMORY - 1) + hit) / MEMORY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spinning(has_core_to_spare: bool) -> Spinning {
        Spinning {
            spin: Spin::Auto,
            has_core_to_spare,
            hits: 0,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn waits(spinning: &mut Spinning, count: usize, time: Duration) {
        let began = Instant::now();
        (0..count).for_each(|_| spinning.note_wait(began, began + time));
    }

    #[test]
    fn auto_begins_when_datagrams_come_soon_and_ends_when_they_do_not() {
        let mut spinning = spinning(true);
        assert_eq!(spinning.patience(), None);
        waits(&mut spinning, 30, Duration::from_micros(60));
        assert_eq!(spinning.patience(), Some(AUTO));
        waits(&mut spinning, 30, Duration::from_millis(1));
        assert_eq!(spinning.patience(), None);
    }

    #[test]
    fn auto_takes_no_core_that_others_need() {
        let mut spinning = spinning(false);
        waits(&mut spinning, 100, Duration::ZERO);
        assert_eq!(spinning.patience(), None);
    }

    #[test]
    fn what_was_asked_for_has_a_bound() {
        let spinning = |spin| Spinning::new(spin, 1).patience();
        assert_eq!(spinning(Spin::Off), None);
        assert_eq!(spinning(Spin::For(AUTO)), Some(AUTO));
        assert_eq!(spinning(Spin::For(Duration::from_secs(1))), Some(SPIN_MAX));
    }
}
