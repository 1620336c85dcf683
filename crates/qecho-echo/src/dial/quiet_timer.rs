//! Sign of life of a client that waits for an answer.

use std::time::{Duration, Instant};

use qecho_engine::Connection;

/// Longest silence before a PING frame, however many were sent before and whatever is known of
/// the path.
const INTERVAL_MAX: Duration = Duration::from_millis(500);

/// Time for which a peer may hold an acknowledgement back by default (RFC 9000 §18.2).
const MAX_ACK_DELAY: Duration = Duration::from_millis(25);

/// Probe timeouts without any answer to a PING frame after which the path is taken for another
/// one.
const PROBE_TIMEOUTS_MAX: u32 = 3;

/// Timer that sends a PING frame when an answer is awaited and nothing passes on the connection.
///
/// Who has nothing in flight sends nothing by itself. If its address has changed meanwhile, as
/// when a NAT forgets its port, the peer sends the answer to the old one until it receives
/// something from the new one (RFC 9000 §9, §10.1.2).
#[derive(Debug, Default)]
pub struct QuietTimer {
    due: Option<Instant>,
    /// Time from one look to the next.
    interval: Duration,
    /// Datagrams that had been sent and received when it was looked last.
    passed: (u64, u64),
    /// What had come by then.
    progress: u64,
    /// Instant of the first PING frame since anything was received.
    asked: Option<Instant>,
}

impl QuietTimer {
    /// Returns when the timer expires, if it runs.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Stops the timer.
    pub fn stop(&mut self) {
        *self = Self::default();
    }

    /// Lets the timer run while an answer is awaited, and sends a PING frame if it has expired
    /// and nothing has passed. `awaited` is a number that changes when a part of the answer has
    /// come, and `None` when none is awaited.
    ///
    /// It expires after about a probe timeout (RFC 9002 §6.2.1), and nothing has passed for one
    /// or two of them then.
    pub fn follow(&mut self, connection: &mut Connection<'_>, awaited: Option<u64>) {
        let Some(progress) = awaited else {
            return self.stop();
        };
        let now = connection.now();
        if self.due.is_some_and(|due| due > now) {
            return;
        }
        let traffic = connection.traffic();
        let passed = (traffic.datagrams_sent, traffic.datagrams_received);
        // That of a path whose round trips vary by an eighth.
        let probe_timeout = connection.smoothed_rtt() * 3 / 2 + MAX_ACK_DELAY;
        if passed.1 != self.passed.1 {
            self.asked = None;
        }
        if self.due.is_none() || progress != self.progress {
            self.interval = probe_timeout.min(INTERVAL_MAX);
        } else if passed == self.passed {
            connection.ping();
            self.interval = (2 * self.interval).min(INTERVAL_MAX);
            let asked = *self.asked.get_or_insert(now);
            if now.duration_since(asked) >= PROBE_TIMEOUTS_MAX * probe_timeout {
                connection.restart_path();
            }
        }
        self.passed = passed;
        self.progress = progress;
        self.due = Some(now + self.interval);
    }
}
