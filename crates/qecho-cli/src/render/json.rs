//! JSON as it is written: one object a line.

use std::io::{self, Write};

use qecho_packet::text;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use time::{OffsetDateTime, macros::format_description};

/// Version of the form of what is written, of which docs/json.md tells; a new number means
/// that members have changed their names or their meaning.
pub(crate) const SCHEMA: u32 = 1;

/// A JSON object whose members stand in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Object(Vec<(&'static str, Box<RawValue>)>);

impl Object {
    /// Returns an object that tells of an event, at this time.
    pub(crate) fn event(name: &str) -> Self {
        Self::default().with("event", name).with("time", now())
    }

    /// Adds the version of the form, for the last object of a command, or one that stands
    /// alone.
    pub(crate) fn with_schema(self) -> Self {
        self.with("schema", SCHEMA)
    }

    /// Adds a member; without a value it is `null`.
    pub(crate) fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        let value = to_raw_value(&value).expect("what is shown has no maps, whose keys might fail");
        self.0.push((name, value));
        self
    }

    /// Adds a member if it has a value.
    pub(crate) fn with_some(self, name: &'static str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds the members of another object.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Writes it as a line.
    pub(crate) fn line(&self, out: &mut dyn Write) -> io::Result<()> {
        line(self, out)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Returns the time as JSON has it (RFC 3339), in UTC, to the microsecond.
pub(crate) fn now() -> String {
    let form =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    OffsetDateTime::now_utc().format(form).unwrap_or_default()
}

/// Writes anything as a line of JSON, at once.
pub(crate) fn line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    // JSON escapes few characters, and what a peer has said is in it.
    text::escape_json(&mut line);
    line.push(b'\n');
    out.write_all(&line)
}
