//! Keeps a connection alive whose peer would give it up soon (RFC 9000 §10.1.2).

use std::time::{Duration, Instant};

use quinn_proto::Connection;

use crate::limits::KEEP_ALIVE_MIN;

/// PING frames are sent so many times in the shorter of both idle timeouts, at least.
const PINGS_PER_IDLE_TIMEOUT: u32 = 3;

/// Timer that sends a PING frame on an idle connection.
///
/// The state machine has one of its own, whose interval is chosen before the peer's idle timeout
/// is known. This one looks twice in an interval whether anything has passed.
#[derive(Debug)]
pub(super) struct KeepAlive {
    due: Instant,
    step: Duration,
    /// Datagrams that had passed when it was looked last.
    passed: u64,
}

impl KeepAlive {
    /// Starts the timer, if `interval` is too long for the shorter of both idle timeouts.
    pub(super) fn start(
        now: Instant,
        interval: Duration,
        idle_timeout: Duration,
        connection: &Connection,
    ) -> Option<Self> {
        let shorter = (idle_timeout / PINGS_PER_IDLE_TIMEOUT).max(KEEP_ALIVE_MIN);
        let step = shorter / 2;
        (shorter < interval).then(|| Self {
            due: now + step,
            step,
            passed: passed(connection),
        })
    }

    pub(super) fn deadline(&self) -> Instant {
        self.due
    }

    /// Sends a PING frame if it is time and nothing has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant, connection: &mut Connection) {
        if self.due > now {
            return;
        }
        let passed = passed(connection);
        if passed == self.passed {
            connection.ping();
        }
        self.passed = passed;
        self.due = now + self.step;
    }
}

/// Returns how many datagrams have passed on a connection, either way.
fn passed(connection: &Connection) -> u64 {
    let stats = connection.stats();
    stats.udp_tx.datagrams + stats.udp_rx.datagrams
}
