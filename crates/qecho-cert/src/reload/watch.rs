//! Files that are read again once they have changed and rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// What a look at the files has brought.
#[derive(Debug)]
pub enum PollResult<E> {
    /// They are as they were.
    Unchanged,
    /// They have changed a moment ago, and perhaps still do: look again.
    Changing,
    /// They have changed, and are in use.
    Reloaded,
    /// They have changed and cannot be used; the old ones stay in use. This is said
    /// once for each change.
    Failed(E),
}

/// Some files, and what was known of them.
#[derive(Debug)]
pub(super) struct FileWatcher {
    paths: Vec<PathBuf>,
    stamps: Mutex<Stamps>,
}

#[derive(Debug)]
struct Stamps {
    /// The files that were read last, with success or not.
    read: Vec<Option<Stamp>>,
    /// The files at the last look.
    seen: Vec<Option<Stamp>>,
}

/// What changes when a file does; there is none for a file that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// A file that was moved into the place of another may be as old and as long.
    #[cfg(unix)]
    inode: (u64, u64),
    /// A file that was put there for another owner, who can read it only later, is
    /// neither newer nor longer then.
    #[cfg(unix)]
    rights: (u32, u32, u32),
}

impl FileWatcher {
    /// Begins to watch; the files must not be read before.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let seen = stamps(&paths);
        Self {
            paths,
            stamps: Mutex::new(Stamps {
                read: seen.clone(),
                seen,
            }),
        }
    }

    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Looks whether the files have changed, and has them read again once they are the
    /// same at two looks: several files cannot be replaced at once.
    pub(super) fn poll<E>(&self, read: impl FnOnce() -> Result<(), E>) -> PollResult<E> {
        let now = stamps(&self.paths);
        let mut stamps = self.stamps();
        let settled = stamps.seen == now;
        stamps.seen = now;
        if stamps.read == stamps.seen {
            return PollResult::Unchanged;
        }
        if !settled {
            return PollResult::Changing;
        }
        match stamps.read(read) {
            Ok(()) => PollResult::Reloaded,
            Err(error) => PollResult::Failed(error),
        }
    }

    /// Has the files read again, whether they have changed or not.
    pub(super) fn reload<E>(&self, read: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut stamps = self.stamps();
        stamps.seen = self::stamps(&self.paths);
        stamps.read(read)
    }

    fn stamps(&self) -> MutexGuard<'_, Stamps> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stamps {
    fn read<E>(&mut self, read: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        // The stamps are older than what is read: a change in between is seen later.
        self.read = self.seen.clone();
        read()
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    paths.iter().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    #[cfg(unix)]
    use std::os::unix::fs::MetadataExt;
    // The file behind a link: what a link leads to may change alone.
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        modified: metadata.modified().ok(),
        length: metadata.len(),
        #[cfg(unix)]
        inode: (metadata.dev(), metadata.ino()),
        #[cfg(unix)]
        rights: (metadata.mode(), metadata.uid(), metadata.gid()),
    })
}
