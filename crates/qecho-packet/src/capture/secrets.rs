//! TLS secrets on their way into a capture.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use rustls::KeyLog;

use crate::key_log_file::push_line;

/// Secrets in the NSS key log format that are not in the file yet.
#[derive(Default)]
pub(super) struct Secrets {
    lines: Mutex<String>,
    /// Whether there are any; set until they have been taken care of.
    any: AtomicBool,
}

impl Secrets {
    /// Hands over the secrets that were logged since the last time, if any.
    ///
    /// When it returns, all that were logged before have been handed over,
    /// whichever thread did it: packets that need them may follow.
    pub(super) fn take(&self, hand_over: impl FnOnce(&str)) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if !lines.is_empty() {
            hand_over(&lines);
            lines.clear();
        }
        self.any.store(false, Ordering::Release);
    }

    /// Adds secrets that are lines of a key log already.
    pub(super) fn add(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_str(line.trim_end());
        lines.push('\n');
        self.any.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        push_line(&mut lines, label, client_random, secret);
        self.any.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_handed_over_once_in_the_form_of_a_key_log() {
        let secrets = Secrets::default();
        let mut seen = Vec::new();
        secrets.take(|lines| seen.push(lines.to_owned()));
        secrets.log("A", &[0, 1], &[0xab]);
        secrets.log("B", &[2], &[]);
        secrets.take(|lines| seen.push(lines.to_owned()));
        secrets.take(|lines| seen.push(lines.to_owned()));
        secrets.log("C", &[3], &[4]);
        secrets.add("D 05 06\n");
        secrets.take(|lines| seen.push(lines.to_owned()));
        assert_eq!(seen, ["A 0001 ab\nB 02 \n", "C 03 04\nD 05 06\n"]);
    }
}
