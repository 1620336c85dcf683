//! Spinning: looking for the next datagram a moment longer before sleeping.
//!
//! To be woken takes some 50 µs; an event loop that spins has an answer out before that. It
//! costs the core that it runs on, so it is bounded after each datagram, and by default done
//! only where it pays and nobody else wants the core.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    thread,
    time::{Duration, Instant},
};

use crate::meeting::Permits;

/// Time for which an event loop looks for the next datagram before it sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spin {
    /// 50 µs, where that often finds one and nobody else wants the core; one
    /// core at least is left alone.
    #[default]
    Auto,
    /// Not at all.
    Off,
    /// For so long after each, whatever it costs; at most [`SPIN_MAX`].
    For(Duration),
}

/// The longest time for which an event loop spins.
pub const SPIN_MAX: Duration = Duration::from_millis(1);

/// Time for which [`Spin::Auto`] spins.
const AUTO: Duration = Duration::from_micros(50);

/// Time that a sleeper needs to wake up: a datagram that spinning would have found in time seems
/// to come later by it.
const WAKING: Duration = Duration::from_micros(50);

/// A yield that takes longer has let somebody else work on this core; one that
/// finds nobody returns within a microsecond.
const YIELD_ALONE_MAX: Duration = Duration::from_micros(10);

/// Time for which [`Spin::Auto`] rests once spinning fails more often than not; if it then fails
/// at once, it rests again.
const REST: Duration = Duration::from_millis(250);

/// Shares are counted in 1/256; each wait changes the count by a sixteenth.
const WHOLE: u32 = 256;
const MEMORY: u32 = 16;

/// Permits to spin at the same time, one fewer than there are cores: the program at the other end
/// needs one, too.
#[derive(Clone, Debug)]
pub(crate) struct SpinPermits(Arc<Permits<AtomicUsize>>);

impl SpinPermits {
    /// Makes the permits of a process, for all of its event loops.
    pub(crate) fn of_this_machine() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::new(cores - 1)
    }

    fn new(free: usize) -> Self {
        Self(Arc::new(Permits(AtomicUsize::new(free))))
    }
}

/// Decides for each wait whether to spin.
#[derive(Debug)]
pub(super) struct Spinning {
    spin: Spin,
    permits: SpinPermits,
    has_permit: bool,
    /// Share of the last waits in which spinning would have paid, of [`WHOLE`]: known also when
    /// there was none.
    hits: u32,
    /// Share of the last waits with spinning that found nothing or lost the core, of [`WHOLE`].
    failures: u32,
    /// Whether there was spinning in this wait.
    has_spun: bool,
    /// Whether another wanted the core in this wait.
    lost_core: bool,
    resting_until: Option<Instant>,
}

impl Spinning {
    pub(super) fn new(spin: Spin, permits: SpinPermits) -> Self {
        Self {
            spin,
            permits,
            has_permit: false,
            hits: 0,
            failures: 0,
            has_spun: false,
            lost_core: false,
            resting_until: None,
        }
    }

    /// Tells whether to spin in a wait that began then.
    pub(super) fn should_spin(&mut self, began: Instant, now: Instant) -> bool {
        let waited = now.saturating_duration_since(began);
        let should_spin = match self.spin {
            Spin::Off => false,
            Spin::For(time) => waited < time.min(SPIN_MAX),
            Spin::Auto => waited < AUTO && self.pays(now) && self.acquire(),
        };
        self.has_spun |= should_spin;
        should_spin
    }

    fn pays(&self, now: Instant) -> bool {
        let is_resting = self.resting_until.is_some_and(|until| now < until);
        self.hits > WHOLE / 2 && !self.lost_core && !is_resting
    }

    fn acquire(&mut self) -> bool {
        self.has_permit = self.has_permit || self.permits.0.acquire();
        self.has_permit
    }

    /// Notes the time for which others had the core that was offered to them.
    pub(super) fn note_yield(&mut self, took: Duration) {
        self.lost_core |= took > YIELD_ALONE_MAX;
    }

    /// Notes that the event loop sleeps or works, and spins no more.
    pub(super) fn release(&mut self) {
        if std::mem::take(&mut self.has_permit) {
            self.permits.0.release();
        }
    }

    /// Notes a wait that began then and has ended with something to receive.
    pub(super) fn note_wait(&mut self, began: Instant, ended: Instant) {
        self.release();
        let waited = ended.saturating_duration_since(began);
        self.hits = share(self.hits, waited <= AUTO + WAKING);
        let lost_core = std::mem::take(&mut self.lost_core);
        if std::mem::take(&mut self.has_spun) {
            self.failures = share(self.failures, lost_core || waited > AUTO);
            if self.failures > WHOLE / 2 {
                self.failures = WHOLE / 2;
                self.resting_until = Some(ended + REST);
            }
        }
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        self.release();
    }
}

/// Returns a share after one more wait.
fn share(of_the_last: u32, counts: bool) -> u32 {
    let one = if counts { WHOLE } else { 0 };
    (of_the_last * (MEMORY - 1) + one) / MEMORY
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECOND: Duration = Duration::from_micros(1);

    /// An event loop in virtual time.
    struct SimulatedLoop {
        spinning: Spinning,
        now: Instant,
    }

    impl SimulatedLoop {
        #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
        fn new(permits: &SpinPermits) -> Self {
            Self {
                spinning: Spinning::new(Spin::Auto, permits.clone()),
                now: Instant::now(),
            }
        }

        /// Lets datagrams come, each so long after the last; others take what they
        /// take of each yield. Returns the time for which it has spun.
        fn receives(&mut self, count: usize, after: Duration, others_take: Duration) -> Duration {
            let mut spun = Duration::ZERO;
            for _ in 0..count {
                let began = self.now;
                while self.now < began + after && self.spinning.should_spin(began, self.now) {
                    self.spinning.note_yield(others_take);
                    self.now += others_take + MICROSECOND;
                    spun += MICROSECOND;
                }
                self.spinning.release();
                self.now = self.now.max(began + after);
                self.spinning.note_wait(began, self.now);
            }
            spun
        }

        fn should_spin(&mut self) -> bool {
            self.spinning.should_spin(self.now, self.now)
        }
    }

    #[test]
    fn auto_begins_when_datagrams_come_soon_and_ends_when_they_do_not() {
        let mut event_loop = SimulatedLoop::new(&SpinPermits::new(1));
        assert!(!event_loop.should_spin());
        event_loop.receives(30, 30 * MICROSECOND, Duration::ZERO);
        assert!(event_loop.should_spin());
        event_loop.receives(30, 1_000 * MICROSECOND, Duration::ZERO);
        assert!(!event_loop.should_spin());
    }

    #[test]
    fn auto_leaves_the_core_to_others_that_want_it() {
        let mut event_loop = SimulatedLoop::new(&SpinPermits::new(1));
        let second = 1_000_000 * MICROSECOND;
        // Alone, it spins half of the time: until each datagram comes.
        let alone = event_loop.receives(25_000, 40 * MICROSECOND, Duration::ZERO);
        assert!(alone > second / 2, "{alone:?}");
        let others_take = 3_000 * MICROSECOND;
        let beside = event_loop.receives(25_000, 40 * MICROSECOND, others_take);
        assert!(beside < second / 10_000, "{beside:?}");
        // And when they are gone, it spins as before.
        let again = event_loop.receives(25_000, 40 * MICROSECOND, Duration::ZERO);
        assert!(again > second / 2, "{again:?}");
    }

    #[test]
    fn auto_does_not_spin_for_what_comes_too_late() {
        let mut event_loop = SimulatedLoop::new(&SpinPermits::new(1));
        // Late, but a sleeper could take it for one that woke up late.
        let spun = event_loop.receives(10_000, 80 * MICROSECOND, Duration::ZERO);
        assert!(spun < 2_000 * MICROSECOND, "{spun:?}");
    }

    #[test]
    fn auto_leaves_one_core_alone_at_least() {
        let permits = SpinPermits::new(1);
        let (mut first, mut second) = (SimulatedLoop::new(&permits), SimulatedLoop::new(&permits));
        for event_loop in [&mut first, &mut second] {
            event_loop.receives(30, 30 * MICROSECOND, Duration::ZERO);
        }
        assert!(first.should_spin());
        assert!(!second.should_spin(), "the other has the permit");
        first.spinning.release();
        assert!(second.should_spin());
        drop(second);
        assert!(first.should_spin());
        let mut on_one_core = SimulatedLoop::new(&SpinPermits::new(0));
        on_one_core.receives(30, 30 * MICROSECOND, Duration::ZERO);
        assert!(!on_one_core.should_spin());
    }

    #[test]
    fn what_was_asked_for_has_a_bound() {
        let should_spin = |spin, waited| {
            let mut event_loop = SimulatedLoop::new(&SpinPermits::new(0));
            event_loop.spinning.spin = spin;
            let began = event_loop.now;
            event_loop.spinning.should_spin(began, began + waited)
        };
        assert!(!should_spin(Spin::Off, Duration::ZERO));
        assert!(should_spin(Spin::For(AUTO), AUTO - MICROSECOND));
        assert!(!should_spin(Spin::For(AUTO), AUTO));
        assert!(!should_spin(Spin::For(Duration::from_secs(1)), SPIN_MAX));
    }
}
