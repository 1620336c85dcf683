//! The end of a thread that writes a file.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

/// Time for which a file may take nothing before its end is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for what the thread tells at its end, as long as the bytes that wait become fewer and
/// `has_hope` says so.
///
/// # Errors
/// It has gone and told nothing, or its file stands still.
pub(crate) fn end<T>(
    ended: &Mutex<Receiver<T>>,
    waiting: &AtomicUsize,
    has_hope: impl Fn() -> bool,
) -> Result<T, RecvTimeoutError> {
    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
    let mut before = waiting.load(Relaxed);
    while has_hope() {
        match ended.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Timeout) => {}
            outcome => return outcome,
        }
        let now = waiting.load(Relaxed);
        if now >= before {
            break;
        }
        before = now;
    }
    Err(RecvTimeoutError::Timeout)
}
