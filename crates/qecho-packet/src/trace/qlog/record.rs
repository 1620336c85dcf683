//! Records of a JSON text sequence (RFC 7464).

use std::time::Duration;

use serde::Serialize;

use super::{Form, qvis, value::object};
use crate::text::escape_json;

/// The first byte of a record.
const RECORD_SEPARATOR: u8 = 0x1e;

/// Whole records, one after the other.
#[derive(Debug)]
pub(super) struct Records {
    form: Form,
    bytes: Vec<u8>,
}

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
    pub(super) fn new(form: Form) -> Self {
        let bytes = Vec::new();
        Self { form, bytes }
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds an event (main schema §7).
    pub(super) fn event(
        &mut self,
        name: &'static str,
        context: EventContext<'_>,
        data: impl Serialize,
    ) {
        match self.form {
            Form::Current => self.push(&object! {
                time: milliseconds(context.at),
                name: name,
                tuple?: context.tuple,
                data: data,
                note?: context.note,
            }),
            Form::Qvis => {
                let data = serde_json::to_value(data).unwrap_or_default();
                self.push(&object! {
                    time: milliseconds(context.at),
                    name: qvis::name(name),
                    data: qvis::data(data),
                    note?: context.note,
                });
            }
        }
    }

    /// Adds a record.
    pub(super) fn push(&mut self, record: &impl Serialize) {
        let written = serde_json::to_vec(record);
        debug_assert!(written.is_ok(), "memory takes every record");
        let Ok(mut record) = written else {
            return;
        };
        // Whoever looks at the file sees what a peer has said.
        escape_json(&mut record);
        self.bytes.push(RECORD_SEPARATOR);
        self.bytes.append(&mut record);
        self.bytes.push(b'\n');
    }
}

/// Returns milliseconds, as qlog has its times; a double keeps the
/// microseconds until the year 2255.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
