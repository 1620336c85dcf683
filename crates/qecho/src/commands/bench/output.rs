//! Files that reports are kept in.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use qecho_measure::bench::{
    Report,
    render::{self, NamedReport},
};

use crate::render::json;

/// A file that can be written; what was in it stays until there is a report.
pub(in crate::commands) struct ReportFile {
    path: PathBuf,
    file: File,
}

impl ReportFile {
    pub(in crate::commands) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).open(path);
        Ok(Self {
            file: file.with_context(|| format!("cannot write {}", path.display()))?,
            path: path.to_owned(),
        })
    }

    /// Writes one report, under the name of its server.
    pub(super) fn write(self, report: &Report) -> anyhow::Result<()> {
        self.write_all(&[NamedReport {
            name: report.server.name.clone(),
            report: report.clone(),
        }])
    }

    /// Writes a page about all reports; one may be JSON instead. A report for
    /// which there is no room is kept without its long distribution, and marked
    /// partial; a page is left out.
    pub(in crate::commands) fn write_all(self, reports: &[NamedReport]) -> anyhow::Result<()> {
        let Self { path, file } = self;
        let shown = path.display();
        let is_json = path.extension().is_some_and(|ending| ending == "json");
        let mut text = Vec::new();
        let json = match reports {
            [one] if is_json => Some(&one.report),
            _ => None,
        };
        match json {
            Some(report) => json::line(report, &mut text)?,
            None => render::page(reports, &mut text)?,
        }
        let Err(error) = put(&file, &text) else {
            return Ok(());
        };
        if let Some(report) = json {
            let mut short = report.without_distributions();
            short
                .partial
                .get_or_insert_with(|| format!("not all was written: {error}"));
            text.clear();
            json::line(&short, &mut text)?;
            if put(&file, &text).is_ok() {
                let words = format!("cannot write all of {shown}, which has no distribution now");
                return Err(anyhow::Error::new(error).context(words));
            }
        }
        // A half is of no use; what goes wrong here is the same that has been.
        let _ = file.set_len(0);
        Err(anyhow::Error::new(error).context(format!("cannot write {shown}")))
    }
}

/// Puts a text in place of what was in a file.
fn put(mut file: &File, text: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text)
}
