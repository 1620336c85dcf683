//! Files that reports are kept in.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use qecho_tools::bench::Report;

use crate::render::{
    bench,
    page::{self, Named},
};

/// A file that can be written; what was in it stays until there is a report.
pub(in crate::commands) struct Output {
    path: PathBuf,
    file: File,
}

impl Output {
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
        self.write_all(&[Named {
            name: report.server.name.clone(),
            report: report.clone(),
        }])
    }

    /// Writes a page about all reports; one may be JSON instead.
    pub(in crate::commands) fn write_all(self, reports: &[Named]) -> anyhow::Result<()> {
        let Self { path, file } = self;
        let write = || -> io::Result<()> {
            file.set_len(0)?;
            let mut out = BufWriter::new(file);
            match reports {
                [one] if path.extension().is_some_and(|ending| ending == "json") => {
                    bench::json_file(&one.report, &mut out)?;
                }
                _ => page::page(reports, &mut out)?,
            }
            out.flush()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}
