//! Files that a run leaves: reports, and verdicts that are expected.

use std::{io::ErrorKind, path::Path};

use anyhow::Context;
use qecho_probe::conform::{Expectations, Report, write::Document};

use crate::{commands::report_file::ReportFile, exit::Failure, render::json, stderr::say_failure};

/// Writes what was found to all files, and brings what is expected up to date; says what cannot be
/// kept, beside packets, and returns whether all is.
pub(super) fn keep(
    found: &Document<'_>,
    outputs: &[ReportFile],
    expected: Option<&Expected>,
    unkept: Option<anyhow::Error>,
) -> bool {
    // Each is tried, also when another has failed.
    let written = outputs.iter().filter_map(|file| write(found, file).err());
    let mut failures: Vec<_> = unkept.into_iter().chain(written).collect();
    if let (Some(expected), [report]) = (expected, found.matrix.reports()) {
        failures.extend(expected.update(report).err());
    }
    for failure in &failures {
        say_failure(format_args!("{failure:#}"), None);
    }
    failures.is_empty()
}

/// Writes what was found to a file, in the form that its name asks for.
fn write(found: &Document<'_>, file: &ReportFile) -> anyhow::Result<()> {
    let text = found.file(file.ending(), &json::now());
    file.write(&text.context("cannot write a report")?)
}

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
        let expectations = match Expectations::read(path) {
            Ok(expectations) => Some(expectations),
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
    fn update(&self, report: &Report) -> anyhow::Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| !report.is_partial) else {
            return Ok(());
        };
        let expectations = match &self.expectations {
            Some(expectations) => expectations.clone().updated(report),
            None => Expectations::of(report),
        };
        file.write(expectations.to_string().as_bytes())
    }
}
