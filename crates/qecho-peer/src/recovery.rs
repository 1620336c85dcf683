//! The time after which an answer is overdue (RFC 9002 §5, §6.2).

use std::time::{Duration, Instant};

/// The probe timeout before anything is known of the path. RFC 9002 §6.2.2 has 999 ms for a
/// path of any length; a script waits for many answers, and a spurious probe does no harm.
const PERIOD_INITIAL: Duration = Duration::from_millis(500);
/// RFC 9002 §6.1.2.
const GRANULARITY: Duration = Duration::from_millis(1);
/// The max_ack_delay of a peer that tells none (RFC 9000 §18.2).
const MAX_ACK_DELAY: Duration = Duration::from_millis(25);
/// Probes without an answer after which no more are sent.
const PROBES_MAX: u32 = 10;

/// Round-trip times, and probes without an answer.
#[derive(Default)]
pub(crate) struct Recovery {
    smoothed: Option<Duration>,
    variance: Duration,
    probes: u32,
}

impl Recovery {
    /// Takes a round-trip time.
    pub(crate) fn sample(&mut self, latest: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(latest);
                self.variance = latest / 2;
            }
            Some(smoothed) => {
                self.variance = (3 * self.variance + smoothed.abs_diff(latest)) / 4;
                self.smoothed = Some((7 * smoothed + latest) / 8);
            }
        }
    }

    /// Returns the probe timeout, without backoff.
    pub(crate) fn period(&self) -> Duration {
        self.smoothed.map_or(PERIOD_INITIAL, |smoothed| {
            smoothed + (4 * self.variance).max(GRANULARITY) + MAX_ACK_DELAY
        })
    }

    /// Returns the time at which a probe is due for what was sent last, if any more are sent.
    pub(crate) fn deadline(&self, last_sent: Instant) -> Option<Instant> {
        (self.probes < PROBES_MAX).then(|| last_sent + self.period() * (1 << self.probes))
    }

    pub(crate) fn probed(&mut self) {
        self.probes += 1;
    }

    pub(crate) fn answered(&mut self) {
        self.probes = 0;
    }
}
