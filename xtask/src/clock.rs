//! The one place where the automation reads the clock.

use std::time::Instant;

/// Returns the present instant.
#[expect(
    clippy::disallowed_methods,
    reason = "xtask is a program's edge: it measures real processes"
)]
pub fn now() -> Instant {
    Instant::now()
}
