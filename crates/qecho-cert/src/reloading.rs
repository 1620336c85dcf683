//! Values from files that are read again once the files have changed and are at rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

/// Result of checking files for changes.
#[derive(Debug)]
pub enum PollResult<E> {
    /// The files have not changed.
    Unchanged,
    /// The files have changed since the last poll, and may still be changing: poll again.
    Changing,
    /// The files have changed, and are in use.
    Reloaded,
    /// The files have changed and cannot be used; the old ones stay in use. This is
    /// returned once for each change.
    Failed(E),
}

/// A value read from files, and the files as they were when it was read.
#[derive(Debug)]
pub(crate) struct Reloading<T, E> {
    paths: Vec<PathBuf>,
    read: fn(&[PathBuf]) -> Result<T, E>,
    current: RwLock<Arc<T>>,
    states: Mutex<States>,
}

#[derive(Debug)]
struct States {
    /// State of the files when they were read last, with success or not.
    read: Vec<Option<FileState>>,
    /// State of the files at the last poll.
    polled: Vec<Option<FileState>>,
}

/// Metadata that differ when a file has changed; `None` for a file that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    modified: Option<SystemTime>,
    length: u64,
    /// A file that was moved into the place of another may be as old and as long.
    #[cfg(unix)]
    inode: (u64, u64),
    /// A file may be given to its owner after it was written.
    #[cfg(unix)]
    rights: (u32, u32, u32),
}

impl<T, E> Reloading<T, E> {
    /// Reads the files for the first time.
    pub(crate) fn load(
        paths: Vec<PathBuf>,
        read: fn(&[PathBuf]) -> Result<T, E>,
    ) -> Result<Self, E> {
        // The states are older than what is read: a change in between is seen later.
        let states = file_states(&paths);
        Ok(Self {
            current: RwLock::new(Arc::new(read(&paths)?)),
            paths,
            read,
            states: Mutex::new(States {
                read: states.clone(),
                polled: states,
            }),
        })
    }

    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again if they have changed and are the same at two polls: several
    /// files cannot be replaced at once.
    pub(crate) fn poll(&self) -> PollResult<E> {
        let now = file_states(&self.paths);
        let mut states = self.states();
        let at_rest = states.polled == now;
        states.polled = now;
        if states.read == states.polled {
            return PollResult::Unchanged;
        }
        if !at_rest {
            return PollResult::Changing;
        }
        match self.replace(&mut states) {
            Ok(()) => PollResult::Reloaded,
            Err(error) => PollResult::Failed(error),
        }
    }

    /// Reads the files again, whether they have changed or not.
    pub(crate) fn reload(&self) -> Result<(), E> {
        let mut states = self.states();
        states.polled = file_states(&self.paths);
        self.replace(&mut states)
    }

    fn replace(&self, states: &mut States) -> Result<(), E> {
        states.read = states.polled.clone();
        let value = Arc::new((self.read)(&self.paths)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = value;
        Ok(())
    }

    fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file_states(paths: &[PathBuf]) -> Vec<Option<FileState>> {
    paths.iter().map(|path| file_state(path)).collect()
}

fn file_state(path: &Path) -> Option<FileState> {
    #[cfg(unix)]
    use std::os::unix::fs::MetadataExt;
    // That of the file behind a link: the target of a link may change alone.
    let metadata = fs::metadata(path).ok()?;
    Some(FileState {
        modified: metadata.modified().ok(),
        length: metadata.len(),
        #[cfg(unix)]
        inode: (metadata.dev(), metadata.ino()),
        #[cfg(unix)]
        rights: (metadata.mode(), metadata.uid(), metadata.gid()),
    })
}
