//! A key log whose text a test reads.

use std::{fmt::Write, sync::Mutex};

use rustls::KeyLog;

/// Logged secrets in the NSS key log format.
#[derive(Debug, Default)]
pub struct KeyLogText(Mutex<String>);

impl KeyLogText {
    /// Returns what was logged so far.
    pub fn text(&self) -> String {
        self.0.lock().expect("nobody panicked").clone()
    }
}

impl KeyLog for KeyLogText {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut text = self.0.lock().expect("nobody panicked");
        text.push_str(label);
        for bytes in [client_random, secret] {
            text.push(' ');
            for byte in bytes {
                write!(text, "{byte:02x}").expect("a text takes it");
            }
        }
        text.push('\n');
    }
}
