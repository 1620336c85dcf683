//! Lines and objects that tell of a visit.

use std::io::{self, Write};

use qecho_packet::text;
use serde_json::json;

use super::{NamedVisit, VisitOutcome, returning::RETURN_TIMEOUT};
use crate::conform::{Requirement, write};

impl NamedVisit {
    /// Writes a line for people, as long as it is.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            remote, outcome, ..
        } = self;
        let name = self.name();
        match outcome {
            VisitOutcome::Judged(row) => {
                let (verdict, told) = (row.verdict(), write::told(row));
                writeln!(out, "{verdict:<16}{name} from {remote}: {told}")
            }
            VisitOutcome::Awaited(row) => writeln!(
                out,
                "{:<16}{name} from {remote}: {}",
                "awaited",
                awaited_words(row)
            ),
            VisitOutcome::Ordinary(seen) => {
                writeln!(out, "{:<16}{name} from {remote}: {seen}", "ordinary")
            }
            VisitOutcome::Unknown => writeln!(
                out,
                "{:<16}{name} from {remote}: no requirement has this name; qecho conform --client \
                 --list shows them",
                "refused"
            ),
            VisitOutcome::NoPlace(why) => writeln!(out, "{:<16}{remote}: {why}", "no place"),
        }
    }

    /// Writes an object for programs; `time` is now (RFC 3339).
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn json(&self, time: &str, out: &mut dyn Write) -> io::Result<()> {
        let (outcome, seen) = match &self.outcome {
            VisitOutcome::Judged(row) => {
                return write::json_row(&self.name(), row, None, time, out);
            }
            VisitOutcome::Awaited(row) => ("awaited", awaited_words(row)),
            VisitOutcome::Ordinary(seen) => ("ordinary", seen.clone()),
            VisitOutcome::Unknown => ("refused", "no requirement has this name".to_owned()),
            VisitOutcome::NoPlace(why) => ("no_place", why.clone()),
        };
        let line = json!({
            "event": "visit",
            "time": time,
            "target": self.name(),
            "outcome": outcome,
            "seen": seen,
        });
        write::json_line(&line, out)
    }

    /// Returns the name that was asked for, in a form that is safe to show within a line.
    fn name(&self) -> String {
        let name = self.server_name.as_deref();
        name.map_or_else(|| "no name".into(), text::name)
    }
}

fn awaited_words(row: &Requirement) -> String {
    let (id, time) = (row.id, RETURN_TIMEOUT.as_secs());
    format!("{id} takes another connection with this name, within {time} s")
}
