//! A file that grows by whole records.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Files of one name that may be there already.
const NAMESAKES_MAX: u32 = 10_000;

/// A file of one's own making.
#[derive(Debug)]
pub(super) struct TraceFile {
    path: PathBuf,
    handle: Option<File>,
    /// Device and number, by which it is known again.
    identity: (u64, u64),
    /// Bytes of whole records.
    length: u64,
    /// A record was cut, and could not be taken away.
    cut: bool,
}

impl TraceFile {
    /// Makes a file of the first free name; nobody else may read it.
    pub(super) fn create(directory: &Path, stem: &str) -> Result<Self, (PathBuf, io::Error)> {
        let mut path = directory.join(format!("{stem}.sqlog"));
        for namesakes in 2..NAMESAKES_MAX {
            // O_EXCL: neither a file that is there nor a link is followed.
            let handle = OpenOptions::new()
                .append(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            match handle.and_then(|handle| Ok((handle.metadata()?, handle))) {
                Ok((metadata, handle)) => {
                    return Ok(Self {
                        path,
                        identity: identity(&metadata),
                        handle: Some(handle),
                        length: 0,
                        cut: false,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    path = directory.join(format!("{stem}_{namesakes}.sqlog"));
                }
                Err(error) => return Err((path, error)),
            }
        }
        Err((path, io::ErrorKind::AlreadyExists.into()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether nothing was written yet.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn is_open(&self) -> bool {
        self.handle.is_some()
    }

    /// Closes it until it is needed again.
    pub(super) fn close(&mut self) {
        self.handle = None;
    }

    /// Writes records behind the others, all or none.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if self.cut {
            return Err(io::Error::other("a record in it is cut"));
        }
        let mut handle = match self.handle.take() {
            Some(handle) => handle,
            None => self.reopen()?,
        };
        let written = handle.write_all(records);
        match written {
            Ok(()) => self.length += records.len() as u64,
            Err(_) => self.cut = handle.set_len(self.length).is_err(),
        }
        self.handle = Some(handle);
        written
    }

    fn reopen(&self) -> io::Result<File> {
        let moved = || io::Error::new(io::ErrorKind::NotFound, "another file has its name now");
        if identity(&fs::symlink_metadata(&self.path)?) != self.identity {
            return Err(moved());
        }
        let handle = OpenOptions::new().append(true).open(&self.path)?;
        if identity(&handle.metadata()?) != self.identity {
            return Err(moved());
        }
        Ok(handle)
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_record_that_stays_cut() {
        let path = PathBuf::from("/dev/full");
        let handle = OpenOptions::new().append(true).open(&path);
        let mut file = TraceFile {
            path,
            handle: Some(handle.expect("Linux has it")),
            identity: (0, 0),
            length: 0,
            cut: false,
        };
        let full = file.append(b"record").expect_err("it is full");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        let cut = file.append(b"record").expect_err("it is cut");
        assert_eq!(cut.to_string(), "a record in it is cut");
        assert!(file.is_empty());
    }
}
