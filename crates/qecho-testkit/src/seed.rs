//! Names the seed of a test that fails, wherever it does.

use std::io::Write;

/// Held while a seed is tried.
pub struct ShowsSeed(pub u64);

impl Drop for ShowsSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A test that fails has nowhere to report that this failed too.
            let _ = writeln!(std::io::stderr(), "the seed was {}", self.0);
        }
    }
}
