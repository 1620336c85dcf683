//! Records of a JSON text sequence (RFC 7464).

use std::time::Duration;

use serde::Serialize;

use super::value::object;

/// The first byte of a record.
const RECORD_SEPARATOR: u8 = 0x1e;

/// Whole records, one after the other.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<u8>);

/// The members of an event beside its data.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EventContext<'a> {
    /// Time since 1970.
    pub(super) at: Duration,
    /// The name of its addresses, unless they are the first ones.
    pub(super) tuple: Option<&'a str>,
    /// Words on what there is no member for.
    pub(super) note: Option<&'a str>,
}

impl Records {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds an event (main schema §7).
    pub(super) fn event(
        &mut self,
        name: &'static str,
        context: EventContext<'_>,
        data: impl Serialize,
    ) {
        self.push(&object! {
            time: milliseconds(context.at),
            name: name,
            tuple?: context.tuple,
            data: data,
            note?: context.note,
        });
    }

    /// Adds a record.
    pub(super) fn push(&mut self, record: &impl Serialize) {
        let length = self.0.len();
        self.0.push(RECORD_SEPARATOR);
        let written = serde_json::to_writer(&mut self.0, record);
        self.0.push(b'\n');
        debug_assert!(written.is_ok(), "memory takes every record");
        if written.is_err() {
            self.0.truncate(length);
        }
    }
}

/// Returns milliseconds, as qlog has its times; a double keeps the
/// microseconds until the year 2255.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
