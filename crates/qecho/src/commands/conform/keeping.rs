//! Files that a run leaves: reports, and verdicts that are expected.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use anyhow::Context;
use qecho_probe::conform::{
    Expectations, Matrix, Outcome, Report,
    write::{self, Origin},
};

use crate::{
    commands::report_file::ReportFile,
    exit::Failure,
    render::json::{self, SCHEMA},
};

/// Verdicts that are expected of a server.
pub(super) struct Expected {
    /// What the file says; nothing if it is to be made.
    pub(super) expectations: Option<Expectations>,
    /// The file, if it is to be brought up to date.
    file: Option<ReportFile>,
}

impl Expected {
    /// Reads a file, and opens it if it is to be brought up to date.
    pub(super) fn open(path: &Path, is_updated: bool) -> Result<Self, Failure> {
        let shown = path.display();
        let expectations = match fs::read_to_string(path) {
            Ok(text) => {
                let read = Expectations::parse(&text);
                Some(read.with_context(|| format!("cannot read {shown}"))?)
            }
            Err(error) if error.kind() == ErrorKind::NotFound && is_updated => None,
            Err(error) => {
                let is_missing = error.kind() == ErrorKind::NotFound;
                let failure = anyhow::Error::new(error).context(format!("cannot read {shown}"));
                let hint = is_missing.then_some("--update-expect makes it");
                return Err(Failure::from(failure).maybe_hint(hint));
            }
        };
        let file = match is_updated {
            true => Some(ReportFile::open(path)?),
            false => None,
        };
        Ok(Self { expectations, file })
    }

    /// Brings the file up to date, if that was asked for and all was tried.
    pub(super) fn update(self, report: &Report) -> anyhow::Result<()> {
        let Some(file) = self.file.filter(|_| !report.is_partial) else {
            return Ok(());
        };
        let expectations = match self.expectations {
            Some(expectations) => expectations.updated(report),
            None => Expectations::of(report),
        };
        file.write(expectations.to_string().as_bytes())
    }
}

/// Writes what was found to a file, in the form that its name asks for.
pub(super) fn write_report(
    file: &ReportFile,
    matrix: &Matrix,
    origin: &Origin,
    outcome: Outcome,
) -> anyhow::Result<()> {
    let mut text = Vec::new();
    let reports = matrix.reports();
    match (file.ending(), reports) {
        ("xml", _) => write::junit(reports, origin, &mut text),
        ("json", _) => write_json(reports, outcome, &mut text),
        (_, [report]) => write::html(report, origin, &mut text),
        _ => write::html_of_several(matrix, origin, &mut text),
    }
    .context("cannot write a report")?;
    file.write(&text)
}

fn write_json(reports: &[Report], outcome: Outcome, out: &mut Vec<u8>) -> io::Result<()> {
    let time = json::now();
    for report in reports {
        for row in &report.rows {
            write::json_row(&report.target, row, &time, out)?;
        }
    }
    write::json_summary(reports, outcome, SCHEMA, &time, out)
}
