//! Files that reports are kept in.

use std::{
    cell::Cell,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;

/// A file that can be written; what was in it stays until there is a report, and one that was not
/// there goes if there is none.
pub(super) struct ReportFile {
    path: PathBuf,
    file: File,
    /// Whether it was made for a report that has not been written.
    is_unused: Cell<bool>,
}

impl ReportFile {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        let made = options.create_new(true).write(true).open(path);
        let (file, is_unused) = match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (OpenOptions::new().write(true).open(path), false)
            }
            made => (made, true),
        };
        Ok(Self {
            file: file.with_context(|| format!("cannot write {}", path.display()))?,
            path: path.to_owned(),
            is_unused: Cell::new(is_unused),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the ending of its name, which says what is written to it.
    pub(super) fn ending(&self) -> &str {
        let ending = self.path.extension().and_then(|ending| ending.to_str());
        ending.unwrap_or_default()
    }

    /// Puts a text in place of what was in it.
    pub(super) fn put(&self, text: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        self.is_unused.set(false);
        // A device or a pipe has nothing in it.
        if file.metadata()?.is_file() {
            file.set_len(0)?;
            file.rewind()?;
        }
        file.write_all(text)
    }

    /// Leaves nothing in it, for a half is of no use.
    pub(super) fn clear(&self) {
        // What goes wrong here is the same that has been.
        let _ = self.file.set_len(0);
    }

    /// Puts all of a text in place of what was in it, or leaves nothing.
    pub(super) fn write(&self, text: &[u8]) -> anyhow::Result<()> {
        self.put(text)
            .inspect_err(|_| self.clear())
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for ReportFile {
    fn drop(&mut self) {
        if self.is_unused.get() {
            // What stays is empty.
            let _ = fs::remove_file(&self.path);
        }
    }
}
