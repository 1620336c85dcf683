//! The one place where the automation reads the clock.

use std::time::Instant;

/// Returns the present instant.
#[expect(clippy::disallowed_methods, reason = "it measures real processes")]
pub fn now() -> Instant {
    Instant::now()
}
