//! Whether to look for the next datagram a moment longer before sleeping.
//!
//! To be woken takes some 50 µs; who looks on without sleeping has an answer
//! out before that. It costs the core that it runs on, so it is bounded after
//! each datagram, and by default done only where it pays and nobody else wants
//! the core.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long an event loop looks for the next datagram before it sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spin {
    /// For 50 µs, where that often finds one and nobody else wants the core; one
    /// core at least is left alone.
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

/// A yield that takes longer has let somebody else work on this core; one that
/// finds nobody returns within a microsecond.
const YIELD_ALONE_MAX: Duration = Duration::from_micros(10);

/// For how long [`Spin::Auto`] leaves off once looking on fails more often than
/// not; if it then fails at once, it leaves off again.
const REST: Duration = Duration::from_millis(250);

/// Shares are counted in 1/256; each wait changes the count by a sixteenth.
const WHOLE: u32 = 256;
const MEMORY: u32 = 16;

/// Room for event loops that look on at the same time, one fewer than there are
/// cores: whoever talks to them needs one, too.
#[derive(Clone, Debug)]
pub struct SpinPermits(Arc<AtomicUsize>);

impl SpinPermits {
    /// Makes the seats of a process, for all of its event loops.
    pub fn of_this_machine() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::new(cores - 1)
    }

    fn new(free: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(free)))
    }

    fn take(&self) -> bool {
        let less = |free: usize| free.checked_sub(1);
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.is_ok()
    }

    fn give_back(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Decides, wait by wait.
#[derive(Debug)]
pub(super) struct Spinning {
    spin: Spin,
    seats: SpinPermits,
    is_seated: bool,
    /// How many of the last waits would have been worth looking on, of
    /// [`WHOLE`]: known also when none was.
    hits: u32,
    /// How many of the last waits with looking on found nothing or lost the core,
    /// of [`WHOLE`].
    failures: u32,
    /// Somebody looked on in this wait.
    looked_on: bool,
    /// The core was wanted by another in this wait.
    lost_core: bool,
    resting_until: Option<Instant>,
}

impl Spinning {
    pub(super) fn new(spin: Spin, seats: SpinPermits) -> Self {
        Self {
            spin,
            seats,
            is_seated: false,
            hits: 0,
            failures: 0,
            looked_on: false,
            lost_core: false,
            resting_until: None,
        }
    }

    /// Tells whether to look on in a wait that began then.
    pub(super) fn looks_on(&mut self, began: Instant, now: Instant) -> bool {
        let waited = now.saturating_duration_since(began);
        let looks_on = match self.spin {
            Spin::Off => false,
            Spin::For(time) => waited < time.min(SPIN_MAX),
            Spin::Auto => waited < AUTO && self.pays(now) && self.sit_down(),
        };
        self.looked_on |= looks_on;
        looks_on
    }

    fn pays(&self, now: Instant) -> bool {
        let is_resting = self.resting_until.is_some_and(|until| now < until);
        self.hits > WHOLE / 2 && !self.lost_core && !is_resting
    }

    fn sit_down(&mut self) -> bool {
        self.is_seated = self.is_seated || self.seats.take();
        self.is_seated
    }

    /// Notes for how long others had the core that was offered to them.
    pub(super) fn note_yield(&mut self, took: Duration) {
        self.lost_core |= took > YIELD_ALONE_MAX;
    }

    /// Notes that the event loop sleeps or works: it looks on no more.
    pub(super) fn stand_up(&mut self) {
        if std::mem::take(&mut self.is_seated) {
            self.seats.give_back();
        }
    }

    /// Notes a wait that began then and has ended with something to receive.
    pub(super) fn note_wait(&mut self, began: Instant, ended: Instant) {
        self.stand_up();
        let waited = ended.saturating_duration_since(began);
        self.hits = share(self.hits, waited <= AUTO + WAKING);
        let lost_core = std::mem::take(&mut self.lost_core);
        if std::mem::take(&mut self.looked_on) {
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
        self.stand_up();
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
    struct Loop {
        spinning: Spinning,
        now: Instant,
    }

    impl Loop {
        #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
        fn new(seats: &SpinPermits) -> Self {
            Self {
                spinning: Spinning::new(Spin::Auto, seats.clone()),
                now: Instant::now(),
            }
        }

        /// Lets datagrams come, each so long after the last; others take what they
        /// take of each yield. Tells for how long it has looked on.
        fn receives(&mut self, count: usize, after: Duration, others_take: Duration) -> Duration {
            let mut looked_on = Duration::ZERO;
            for _ in 0..count {
                let began = self.now;
                while self.now < began + after && self.spinning.looks_on(began, self.now) {
                    self.spinning.note_yield(others_take);
                    self.now += others_take + MICROSECOND;
                    looked_on += MICROSECOND;
                }
                self.spinning.stand_up();
                self.now = self.now.max(began + after);
                self.spinning.note_wait(began, self.now);
            }
            looked_on
        }

        fn looks_on(&mut self) -> bool {
            self.spinning.looks_on(self.now, self.now)
        }
    }

    #[test]
    fn auto_begins_when_datagrams_come_soon_and_ends_when_they_do_not() {
        let mut event_loop = Loop::new(&SpinPermits::new(1));
        assert!(!event_loop.looks_on());
        event_loop.receives(30, 30 * MICROSECOND, Duration::ZERO);
        assert!(event_loop.looks_on());
        event_loop.receives(30, 1_000 * MICROSECOND, Duration::ZERO);
        assert!(!event_loop.looks_on());
    }

    #[test]
    fn auto_leaves_the_core_to_others_that_want_it() {
        let mut event_loop = Loop::new(&SpinPermits::new(1));
        let second = 1_000_000 * MICROSECOND;
        // Alone, it looks on half of the time: until each datagram comes.
        let alone = event_loop.receives(25_000, 40 * MICROSECOND, Duration::ZERO);
        assert!(alone > second / 2, "{alone:?}");
        let others_take = 3_000 * MICROSECOND;
        let beside = event_loop.receives(25_000, 40 * MICROSECOND, others_take);
        assert!(beside < second / 10_000, "{beside:?}");
        // And when they are gone, it looks on as before.
        let again = event_loop.receives(25_000, 40 * MICROSECOND, Duration::ZERO);
        assert!(again > second / 2, "{again:?}");
    }

    #[test]
    fn auto_does_not_look_on_for_what_comes_too_late() {
        let mut event_loop = Loop::new(&SpinPermits::new(1));
        // Late, but a sleeper could take it for one that woke up late.
        let looked_on = event_loop.receives(10_000, 80 * MICROSECOND, Duration::ZERO);
        assert!(looked_on < 2_000 * MICROSECOND, "{looked_on:?}");
    }

    #[test]
    fn auto_leaves_one_core_alone_at_least() {
        let seats = SpinPermits::new(1);
        let (mut first, mut second) = (Loop::new(&seats), Loop::new(&seats));
        for event_loop in [&mut first, &mut second] {
            event_loop.receives(30, 30 * MICROSECOND, Duration::ZERO);
        }
        assert!(first.looks_on());
        assert!(!second.looks_on(), "the other has the seat");
        first.spinning.stand_up();
        assert!(second.looks_on());
        drop(second);
        assert!(first.looks_on());
        let mut on_one_core = Loop::new(&SpinPermits::new(0));
        on_one_core.receives(30, 30 * MICROSECOND, Duration::ZERO);
        assert!(!on_one_core.looks_on());
    }

    #[test]
    fn what_was_asked_for_has_a_bound() {
        let looks_on = |spin, waited| {
            let mut event_loop = Loop::new(&SpinPermits::new(0));
            event_loop.spinning.spin = spin;
            let began = event_loop.now;
            event_loop.spinning.looks_on(began, began + waited)
        };
        assert!(!looks_on(Spin::Off, Duration::ZERO));
        assert!(looks_on(Spin::For(AUTO), AUTO - MICROSECOND));
        assert!(!looks_on(Spin::For(AUTO), AUTO));
        assert!(!looks_on(Spin::For(Duration::from_secs(1)), SPIN_MAX));
    }
}
