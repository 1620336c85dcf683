//! Files that appear whole or not at all, and never replace another unless asked to.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Access rights of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody reads, the owner writes (0644).
    Public,
    /// The owner alone reads and writes (0600).
    Private,
    /// The owner alone reads, nobody writes (0400).
    OwnerReadOnly,
}

impl Access {
    #[cfg(unix)]
    fn mode(self) -> u32 {
        match self {
            Self::Public => 0o644,
            Self::Private => 0o600,
            Self::OwnerReadOnly => 0o400,
        }
    }
}

/// Origin of the file that is at the path after [`publish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublishOutcome {
    /// This call made it.
    Created,
    /// The file was there, or another process was faster; it is untouched.
    Existing,
}

/// Creates a folder and those above it (0755, as mkcert does: the CA's
/// certificate is there for other programs to read).
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
    builder.create(folder)
}

/// Publishes `content` at `path` unless there is a file already.
///
/// The content is written to a draft beside it and flushed to the disk; then the draft
/// gets its name in one step, and only if the name is free. So however many processes
/// try at once and wherever one of them dies, `path` is absent or one writer's whole
/// content, and it never changes afterwards. A process killed in between leaves its
/// draft behind, under the same access rights.
pub(crate) fn publish(path: &Path, access: Access, content: &[u8]) -> io::Result<PublishOutcome> {
    match draft(path, access, content)?.persist_noclobber(path) {
        Ok(_) => {
            flush_folder(folder_of(path))?;
            Ok(PublishOutcome::Created)
        }
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
            Ok(PublishOutcome::Existing)
        }
        Err(failed) => Err(failed.error),
    }
}

/// Lock of processes that replace files which belong together; released when dropped.
pub(crate) struct WriteLock {
    _locked: Option<File>,
}

impl WriteLock {
    /// Waits for the lock that goes with a file; nothing is locked where the file cannot
    /// be read or locked.
    pub(crate) fn wait(path: &Path) -> Self {
        #[cfg(unix)]
        let lock = |file: &File| {
            rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive).is_ok()
        };
        #[cfg(not(unix))]
        let lock = |_: &File| false;
        Self {
            _locked: File::open(path).ok().filter(lock),
        }
    }
}

/// New content of a file.
pub(crate) struct Replacement<'a> {
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
    pub(crate) content: &'a str,
}

/// Replaces files, each in one step, once all of them lie on the disk.
///
/// An error comes with its path, and the files that were replaced before it are
/// restored: a key without its certificate is good for nothing, and the old one would be
/// lost. A file that can have no second name is not restored.
pub(crate) fn replace_all(files: &[Replacement<'_>]) -> Result<(), (PathBuf, io::Error)> {
    let at = |file: &Replacement<'_>| {
        let path = file.path.clone();
        move |source| (path, source)
    };
    let mut drafts = Vec::new();
    for file in files {
        drafts.push(draft(&file.path, file.access, file.content.as_bytes()).map_err(at(file))?);
    }
    let mut replaced = Vec::new();
    for (file, draft) in files.iter().zip(drafts) {
        let backup = Backup::of(&file.path);
        if let Err(failed) = draft.persist(&file.path) {
            for (path, backup) in replaced.into_iter().rev() {
                Backup::restore(backup, path);
            }
            return Err(at(file)(failed.error));
        }
        replaced.push((&file.path, backup));
    }
    for file in files {
        flush_folder(folder_of(&file.path)).map_err(at(file))?;
    }
    Ok(())
}

// The folder of a bare name is the current one, whose own name is not "".
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// State of a path before its file was replaced.
enum Backup {
    /// There was no file.
    Absent,
    /// The file has a second name.
    File(NamedTempFile<()>),
    /// The file could have no second name.
    Lost,
}

impl Backup {
    fn of(path: &Path) -> Self {
        match hidden_beside(path, |second| fs::hard_link(path, second)) {
            Ok(second) => Self::File(second),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Absent,
            Err(_) => Self::Lost,
        }
    }

    fn restore(self, path: &Path) {
        // The error that led here is the one that is returned.
        match self {
            Self::Absent => drop(fs::remove_file(path)),
            Self::File(second) => drop(second.persist(path)),
            Self::Lost => {}
        }
    }
}

/// Writes a draft of the file at `path`, which is removed when dropped.
fn draft(path: &Path, access: Access, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut draft = hidden_beside(path, |draft| create(draft, access))?;
    draft.as_file_mut().write_all(content)?;
    draft.as_file().sync_all()?;
    Ok(draft)
}

fn hidden_beside<T>(
    path: &Path,
    create: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<NamedTempFile<T>> {
    tempfile::Builder::new()
        .prefix(".draft-")
        .make_in(folder_of(path), create)
}

// The rights are set as the file comes into being, before a byte is in it.
fn create(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, access.mode());
    #[cfg(not(unix))]
    let _ = access;
    options.open(path)
}

#[cfg(unix)]
fn flush_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn flush_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    fn replacement(path: PathBuf) -> Replacement<'static> {
        Replacement {
            path,
            access: Access::Private,
            content: "ours",
        }
    }

    #[test]
    fn one_of_many_writers_publishes_and_nothing_else_remains() {
        const WRITERS: u8 = 16;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let start = Barrier::new(WRITERS.into());
        let write = |writer| {
            let content = vec![b'a' + writer; 100_000];
            start.wait();
            publish(&path, Access::Public, &content).unwrap()
        };
        let outcomes: Vec<_> = thread::scope(|scope| {
            let writers = (0..WRITERS).map(|writer| scope.spawn(move || write(writer)));
            let writers: Vec<_> = writers.collect();
            let outcomes = writers.into_iter().map(|writer| writer.join().unwrap());
            outcomes.collect()
        });
        let created = |outcome: &&PublishOutcome| **outcome == PublishOutcome::Created;
        assert_eq!(outcomes.iter().filter(created).count(), 1);
        let content = fs::read(&path).unwrap();
        assert_eq!(content.len(), 100_000);
        assert!(content.iter().all(|byte| *byte == content[0]));
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "drafts are removed");
    }

    #[test]
    fn an_existing_file_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "theirs").unwrap();
        let outcome = publish(&path, Access::Private, b"ours").unwrap();
        assert_eq!(outcome, PublishOutcome::Existing);
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    }

    #[test]
    fn what_cannot_be_written_whole_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good");
        fs::write(&good, "theirs").unwrap();
        let missing = folder.path().join("none/bad");
        let files = [good.clone(), missing.clone()].map(replacement);
        assert_eq!(replace_all(&files).unwrap_err().0, missing);
        assert_eq!(fs::read_to_string(&good).unwrap(), "theirs");
        replace_all(&files[..1]).unwrap();
        assert_eq!(fs::read_to_string(&good).unwrap(), "ours");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_replaced_comes_back_when_the_next_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["old", "new", "folder"].map(|name| folder.path().join(name));
        fs::write(&paths[0], "theirs").unwrap();
        // Nothing replaces a folder that is not empty.
        fs::create_dir_all(paths[2].join("full")).unwrap();
        let (path, _) = replace_all(&paths.clone().map(replacement)).unwrap_err();
        assert_eq!(path, paths[2]);
        assert_eq!(fs::read_to_string(&paths[0]).unwrap(), "theirs");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "the old file and the folder");
    }

    #[cfg(unix)]
    #[test]
    fn a_draft_has_its_rights_before_it_has_content() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for access in [Access::Public, Access::Private, Access::OwnerReadOnly] {
            let file = create(&folder.path().join(format!("{access:?}")), access).unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!(metadata.len(), 0);
            // The umask may take rights away, never add any.
            assert_eq!(metadata.permissions().mode() & 0o777 & !access.mode(), 0);
        }
    }
}
