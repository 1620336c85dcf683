//! The time of those who watch.

use std::time::Instant;

#[expect(
    clippy::disallowed_methods,
    reason = "the patience of those who ask is real time, and no shard's"
)]
pub(crate) fn clock() -> Instant {
    Instant::now()
}
