//! Pauses of this program itself, which are none of the path's: it was stopped (Ctrl-Z, SIGSTOP, a
//! debugger, a frozen container), or had no processor.

use std::time::{Duration, Instant};

use qecho_echo::dial::PAUSE_MIN;

/// Time between two looks, at most. Waits of their own could not tell a pause: an answer may be
/// awaited for longer.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Notices that no turn came when there should have been some.
#[derive(Debug, Default)]
pub(super) struct PauseWatch {
    looked: Option<Instant>,
}

impl PauseWatch {
    /// Looks, at the beginning of a turn; returns how long the program stood still before it, if it
    /// did.
    pub(super) fn look(&mut self, now: Instant) -> Option<Duration> {
        let before = self.looked.replace(now)?;
        let gap = now.saturating_duration_since(before);
        (gap >= PAUSE_MIN).then_some(gap)
    }

    /// Returns when the next look is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.looked.map(|looked| looked + LOOK_EVERY)
    }
}
