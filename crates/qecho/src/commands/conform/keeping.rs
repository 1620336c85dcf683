//! Files that a run leaves: reports, and verdicts that are expected.

use std::{
    fs,
    io::{self, ErrorKind, Read},
    path::Path,
};

use anyhow::Context;
use qecho_probe::conform::{
    Comparison, Expectations, Matrix, Outcome, Report,
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
        let expectations = match read_to_string(path) {
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

/// Most bytes of a file of expectations: a line of any length for each requirement there can be.
const EXPECTATIONS_MAX: u64 = 1 << 20;

/// Reads a file that ends; a device may not.
fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = fs::File::open(path)?.take(EXPECTATIONS_MAX + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > EXPECTATIONS_MAX {
        return Err(io::Error::other("it has more than a megabyte of verdicts"));
    }
    Ok(text)
}

/// Writes what was found to a file, in the form that its name asks for.
pub(super) fn write_report(
    file: &ReportFile,
    matrix: &Matrix,
    comparison: Option<&Comparison<'_>>,
    origin: &Origin,
    outcome: Outcome,
) -> anyhow::Result<()> {
    let mut text = Vec::new();
    let reports = matrix.reports();
    match (file.ending(), reports) {
        ("xml", _) => write::junit(reports, comparison, origin, &mut text),
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
