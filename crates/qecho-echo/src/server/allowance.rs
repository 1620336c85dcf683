//! How many notices the shards of a server may tell together in a second.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use super::notices::{About, EVENTS_PER_SECOND_MAX, LINES_PER_SECOND_MAX};

/// What was told in the present second, counted without a lock: a shard that
/// tells waits for no other.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    began: OnceLock<Instant>,
    /// Which second it is since then, from 1.
    second: AtomicU64,
    lines: AtomicU32,
    events: AtomicU32,
}

impl Allowance {
    /// Takes leave to tell one thing; tells whether there was any.
    pub(super) fn take(&self, now: Instant, about: About) -> bool {
        let began = *self.began.get_or_init(|| now);
        let second = now.saturating_duration_since(began).as_secs() + 1;
        if self.second.fetch_max(second, Relaxed) < second {
            self.lines.store(0, Relaxed);
            self.events.store(0, Relaxed);
        }
        let (told, most) = match about {
            About::Message => (&self.lines, LINES_PER_SECOND_MAX),
            About::Life => (&self.events, EVENTS_PER_SECOND_MAX),
        };
        let more = |told: u32| (told < most).then(|| told + 1);
        told.fetch_update(Relaxed, Relaxed, more).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn each_second_has_its_lines_and_no_more() {
        let allowance = Allowance::default();
        let began = Instant::now();
        let told = |after: u64, about| {
            let now = began + Duration::from_millis(after);
            (0..100).filter(|_| allowance.take(now, about)).count()
        };
        assert_eq!(told(0, About::Message), LINES_PER_SECOND_MAX as usize);
        assert_eq!(told(999, About::Message), 0);
        assert_eq!(told(999, About::Life), EVENTS_PER_SECOND_MAX as usize);
        assert_eq!(told(1_000, About::Message), LINES_PER_SECOND_MAX as usize);
        // A shard whose turn began a moment earlier begins no new second.
        assert_eq!(told(999, About::Message), 0);
    }
}
