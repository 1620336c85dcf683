//! Limit on the notices that the shards of a server send together in a second.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

/// Notices a second about what is received; more are only counted.
pub const LINES_PER_SECOND_MAX: u32 = 20;

/// Notices a second about connections and streams that begin and end; more are only counted.
/// They are limited apart, so that no flood of messages hides them.
pub const EVENTS_PER_SECOND_MAX: u32 = 40;

/// Subject of a notice, each of which has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Something that was received.
    Message,
    /// A connection or stream that begins or ends.
    Lifecycle,
}

/// Notices of the present second, counted without a lock: a shard that sends one waits for no
/// other.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    began: OnceLock<Instant>,
    /// Number of the second since then, from 1.
    second: AtomicU64,
    lines: AtomicU32,
    events: AtomicU32,
}

impl RateLimit {
    /// Counts one notice; tells whether it is within the limit.
    pub(super) fn take(&self, now: Instant, subject: Subject) -> bool {
        let began = *self.began.get_or_init(|| now);
        let second = now.saturating_duration_since(began).as_secs() + 1;
        if self.second.fetch_max(second, Relaxed) < second {
            self.lines.store(0, Relaxed);
            self.events.store(0, Relaxed);
        }
        let (sent, most) = match subject {
            Subject::Message => (&self.lines, LINES_PER_SECOND_MAX),
            Subject::Lifecycle => (&self.events, EVENTS_PER_SECOND_MAX),
        };
        let more = |sent: u32| (sent < most).then(|| sent + 1);
        sent.fetch_update(Relaxed, Relaxed, more).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn each_second_has_its_lines_and_no_more() {
        let limit = RateLimit::default();
        let began = Instant::now();
        let sent = |after: u64, subject| {
            let now = began + Duration::from_millis(after);
            (0..100).filter(|_| limit.take(now, subject)).count()
        };
        assert_eq!(sent(0, Subject::Message), LINES_PER_SECOND_MAX as usize);
        assert_eq!(sent(999, Subject::Message), 0);
        assert_eq!(
            sent(999, Subject::Lifecycle),
            EVENTS_PER_SECOND_MAX as usize
        );
        assert_eq!(sent(1_000, Subject::Message), LINES_PER_SECOND_MAX as usize);
        // A turn of another shard that began a moment earlier begins no new second.
        assert_eq!(sent(999, Subject::Message), 0);
    }
}
