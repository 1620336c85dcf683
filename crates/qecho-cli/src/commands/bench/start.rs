//! Waits until a load is to begin.
#![expect(
    clippy::disallowed_methods,
    reason = "the user's clock and the load's meet here"
)]

use std::{
    sync::mpsc::Receiver,
    time::{Duration, Instant, SystemTime},
};

use qecho_measure::bench::Begin;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::args::StartAt;

/// Time before the start at which the connections are made.
const LEAD: Duration = Duration::from_secs(5);

/// Returns when to begin, on the clock that the load goes by.
pub(super) fn begin(start: StartAt) -> Begin {
    let (wall, now) = (SystemTime::now(), Instant::now());
    let instant = start.instant(wall);
    let ahead = instant - OffsetDateTime::from(wall);
    let distance = ahead.unsigned_abs();
    Begin {
        at: match ahead.is_negative() {
            true => now.checked_sub(distance).unwrap_or(now),
            false => now.checked_add(distance).unwrap_or(now),
        },
        name: instant.format(&Rfc3339).unwrap_or_default(),
    }
}

/// Waits until it is time to connect, or `stop` says that it will not be; says
/// so if it does.
pub(super) fn wait(begin: &Begin, stop: &Receiver<()>, say: impl FnOnce()) {
    let ahead = begin.at.saturating_duration_since(Instant::now());
    if let Some(time) = ahead.checked_sub(LEAD) {
        say();
        // Whoever says something wants an end, which the load learns too.
        let _ = stop.recv_timeout(time);
    }
}
