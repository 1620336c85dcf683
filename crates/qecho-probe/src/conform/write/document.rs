//! All verdicts, in the form that a file has.

use std::io::{self, Write};

use super::{Origin, html, html_of_several, json_row, json_summary, junit};
use crate::conform::{Comparison, Expectations, Matrix, Outcome};

/// All verdicts, for files of every form.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The verdicts.
    pub matrix: &'a Matrix,
    /// Verdicts that were expected.
    pub expectations: Option<&'a Expectations>,
    /// The verdicts beside those that were expected.
    pub comparison: Option<&'a Comparison<'a>>,
    /// The command and time of it.
    pub origin: &'a Origin,
    /// All verdicts together, as the exit code tells it.
    pub outcome: Outcome,
    /// Version of the program's JSON.
    pub schema: u32,
}

impl Document<'_> {
    /// Returns the text of a file whose name has this ending: `xml` for JUnit's form, `json` for
    /// the lines of JSON, and a page for others. `time` is now (RFC 3339).
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn file(&self, ending: &str, time: &str) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let reports = self.matrix.reports();
        match (ending, reports) {
            ("xml", _) => junit(reports, self.comparison, self.origin, &mut text)?,
            ("json", _) => {
                for report in reports {
                    for row in &report.rows {
                        json_row(&report.target, row, self.expectations, time, &mut text)?;
                    }
                }
                self.json_summary(time, &mut text)?;
            }
            (_, [report]) => html(report, self.origin, &mut text)?,
            _ => html_of_several(self.matrix, self.origin, &mut text)?,
        }
        Ok(text)
    }

    /// Writes the last line of JSON; `time` is now (RFC 3339).
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn json_summary(&self, time: &str, out: &mut dyn Write) -> io::Result<()> {
        let reports = self.matrix.reports();
        json_summary(
            reports,
            self.expectations,
            self.outcome,
            self.schema,
            time,
            out,
        )
    }
}
