//! The lines that a person typed at a prompt, kept in a file for the next one.
//!
//! The file is only its owner's (0600), has at most [`LINES_MAX`] lines, and is replaced in one
//! step, under a lock of its folder: prompts that are open at once add to it in turns, and one
//! that dies leaves it whole.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{self, Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    process::geteuid,
};
use tempfile::NamedTempFile;

/// Lines that are kept; the oldest make room.
pub const LINES_MAX: usize = 1_000;

/// Bytes of the longest line that is kept, as it stands in the file.
pub const LINE_MAX: usize = 4_096;

/// Bytes that the file can have.
const FILE_MAX: u64 = (LINES_MAX * (LINE_MAX + 1)) as u64;

/// Times that the lock is asked for, and the pause between two: a prompt waits no longer for
/// somebody who does not give it back.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Symbolic links of which one leads to the next, at the most, as on Linux.
const LINKS_MAX: u32 = 40;

/// File with one line for each that was typed, the newest last.
#[derive(Clone, Debug)]
pub struct History {
    path: PathBuf,
}

impl History {
    /// Takes a file, which need not be there; nothing is read or written yet. Symbolic links
    /// are followed, also to where no file is yet.
    ///
    /// Returns `None` where something else than a file has its place: with a link to /dev/null
    /// people say that they want no history.
    pub fn at(path: &Path) -> Option<Self> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| destination(path));
        match fs::metadata(&path) {
            Ok(file) if !file.is_file() => None,
            _ => Some(Self { path }),
        }
    }

    /// Returns where the file is, or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the lines, the oldest first; none where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, is too large to be a history, or is not this user's.
    pub fn read(&self) -> io::Result<Vec<String>> {
        self.check_owner()?;
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        let mut bytes = Vec::new();
        if file.take(FILE_MAX + 1).read_to_end(&mut bytes)? as u64 > FILE_MAX {
            return Err(io::Error::other("it is too large to be a history"));
        }
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().map(unescaped).collect())
    }

    /// Adds a line, unless it is the newest already, empty or longer than [`LINE_MAX`].
    ///
    /// # Errors
    /// The file cannot be read or replaced, is not this user's, or is locked for too long; it is
    /// as it was then.
    pub fn add(&self, line: &str) -> io::Result<()> {
        let new = escaped(line);
        if new.is_empty() || new.len() > LINE_MAX {
            return Ok(());
        }
        self.check_owner()?;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let _lock = lock(folder)?;
        let mut lines = self.read()?;
        if lines.last().is_some_and(|newest| newest == line) {
            return Ok(());
        }
        lines.push(line.into());
        // Only its owner can open it.
        let mut draft = NamedTempFile::with_prefix_in(".history-", folder)?;
        draft.write_all(content(&lines).as_bytes())?;
        draft.persist(&self.path)?;
        Ok(())
    }

    /// Refuses a file of another user, and a place for it in another's folder: what root writes
    /// with somebody's `HOME`, that user could not read or replace any more. Who may write in
    /// root's folders, root has said.
    fn check_owner(&self) -> io::Result<()> {
        let mut places = self.path.ancestors();
        let found = places.find_map(|place| Some((place, fs::metadata(place).ok()?)));
        let Some((place, found)) = found else {
            return Ok(());
        };
        let is_ours = found.uid() == geteuid().as_raw();
        match is_ours || (found.is_dir() && found.uid() == 0) {
            true => Ok(()),
            false => {
                let words = format!("{} belongs to another user", place.display());
                Err(io::Error::new(ErrorKind::PermissionDenied, words))
            }
        }
    }
}

/// Returns the place to which symbolic links lead, where no file is yet.
fn destination(path: &Path) -> PathBuf {
    let mut path = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        // It is relative to the folder of its link.
        path.pop();
        path.push(target);
    }
    path
}

/// Locks a folder until the file that is returned is closed.
fn lock(folder: &Path) -> io::Result<File> {
    let lock = File::open(folder)?;
    for _ in 0..LOCK_TRIES {
        match flock(lock.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
            // Where nothing can be locked, the worst is that another prompt's line is lost.
            _ => return Ok(lock),
        }
    }
    let words = format!("another program has locked {}", folder.display());
    Err(io::Error::new(ErrorKind::WouldBlock, words))
}

/// Returns what the file is to have: as many of the newest lines as it can.
fn content(lines: &[String]) -> String {
    let newest = lines.iter().rev().take(LINES_MAX);
    // Bytes that were no text have become longer.
    let mut room = FILE_MAX as usize;
    let fitting = newest.map_while(|line| {
        let stored = escaped(line) + "\n";
        room = room.checked_sub(stored.len())?;
        Some(stored)
    });
    let mut kept: Vec<_> = fitting.collect();
    kept.reverse();
    kept.concat()
}

/// Returns a line as it stands in the file: what was pasted may have several.
fn escaped(line: &str) -> String {
    line.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

fn unescaped(stored: &str) -> String {
    let mut line = String::new();
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        line.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                other => other.unwrap_or('\\'),
            },
            character => character,
        });
    }
    line
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// Returns a history in a folder that is not there yet.
    fn history(folder: &tempfile::TempDir) -> History {
        let path = folder.path().join("state/qecho/history");
        History::at(&path).expect("there is nothing yet")
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("there is room for a folder")
    }

    #[test]
    fn lines_come_back_as_they_were_typed_and_nobody_else_can_read_them() {
        let folder = folder();
        let history = history(&folder);
        assert_eq!(history.read().expect("no file is no lines"), [""; 0]);
        let typed = ["hello", "日本語", "two\nlines\r", r"C:\new\", " ", "hello"];
        for line in typed {
            history.add(line).expect("the folder takes files");
        }
        history.add("hello").expect("it is there already");
        history.add("").expect("nothing is nothing to keep");
        assert_eq!(history.read().expect("it is there"), typed);
        let file = fs::metadata(&history.path).expect("it is there");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        let files = fs::read_dir(history.path.parent().expect("it has a folder"));
        assert_eq!(files.expect("it can be read").count(), 1);
    }

    #[test]
    fn prompts_at_once_keep_all_of_their_lines() {
        let folder = folder();
        thread::scope(|scope| {
            for prompt in 0..4 {
                let history = history(&folder);
                scope.spawn(move || {
                    for line in 0..25 {
                        history.add(&format!("{prompt}/{line}")).expect("it can");
                    }
                });
            }
        });
        let lines = history(&folder).read().expect("it is there");
        assert_eq!(lines.len(), 100);
        for prompt in 0..4 {
            let own = lines
                .iter()
                .filter(|line| line.starts_with(&format!("{prompt}/")));
            let expected = (0..25).map(|line| format!("{prompt}/{line}"));
            assert!(own.eq(&expected.collect::<Vec<_>>()), "{lines:?}");
        }
    }

    #[test]
    fn old_lines_make_room_and_long_ones_are_not_kept() {
        let folder = folder();
        let history = history(&folder);
        history.add("first").expect("it can");
        let many: String = (0..LINES_MAX).map(|line| format!("{line}\n")).collect();
        fs::write(&history.path, many).expect("it can be written");
        history.add("last").expect("it can");
        history
            .add(&"x".repeat(LINE_MAX + 1))
            .expect("it is left out");
        let lines = history.read().expect("it is there");
        assert_eq!(lines.len(), LINES_MAX);
        assert_eq!((&lines[0][..], &lines[LINES_MAX - 1][..]), ("1", "last"));
    }

    #[test]
    fn what_is_no_history_is_left_alone() {
        let folder = folder();
        let path = folder.path().join("history");
        symlink("/dev/null", &path).expect("it can be linked");
        assert!(History::at(&path).is_none());
        let other = folder.path().join("other");
        fs::write(&other, vec![b'x'; FILE_MAX as usize + 1]).expect("it can be written");
        let history = History::at(&other).expect("it is a file");
        assert!(history.add("a").is_err());
        assert_eq!(
            fs::metadata(&other).expect("it is there").len(),
            FILE_MAX + 1
        );
    }

    #[test]
    fn a_history_that_is_linked_to_stays_where_it_is() {
        let folder = folder();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "one\n").expect("it can be written");
        symlink(&real, &link).expect("it can be linked");
        let history = History::at(&link).expect("it is a file");
        history.add("two").expect("it can");
        assert_eq!(
            fs::read_to_string(&real).expect("it is there"),
            "one\ntwo\n"
        );
        assert!(link.is_symlink());
    }

    #[test]
    fn a_link_to_a_history_that_is_not_there_yet_stays_a_link() {
        let folder = folder();
        let (link, real) = (folder.path().join("link"), folder.path().join("a/real"));
        let further = folder.path().join("further");
        symlink("further", &link).expect("it can be linked");
        symlink("a/real", &further).expect("it can be linked");
        let history = History::at(&link).expect("there is nothing yet");
        history.add("one").expect("it can");
        assert_eq!(fs::read_to_string(&real).expect("it is there"), "one\n");
        assert!(link.is_symlink() && further.is_symlink());
    }

    #[test]
    fn what_belongs_to_another_user_is_left_alone() {
        let folder = folder();
        let (file, others) = (folder.path().join("history"), folder.path().join("others"));
        fs::write(&file, "one\n").expect("it can be written");
        fs::create_dir(&others).expect("it can be made");
        let mut places = vec![Path::new("/etc/passwd").to_owned()];
        if geteuid().is_root() {
            for place in [&file, &others] {
                std::os::unix::fs::chown(place, Some(12_345), None).expect("root can");
            }
            places = vec![file, others.join("state/history")];
        }
        for place in places {
            let history = History::at(&place).expect("there is no folder");
            for refused in [history.read().map(drop), history.add("two")] {
                let error = refused.expect_err("it is another's").to_string();
                assert!(error.ends_with(" belongs to another user"), "{error}");
            }
        }
        let made = fs::read_dir(&others).expect("it is there");
        assert_eq!(made.count(), 0);
    }

    #[test]
    fn a_lock_that_nobody_gives_back_holds_no_prompt_up() {
        let folder = folder();
        let other = lock(folder.path()).expect("it is free");
        let history = History::at(&folder.path().join("history")).expect("there is nothing yet");
        let error = history.add("a").expect_err("it is locked");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        drop(other);
        history.add("a").expect("it is free again");
    }

    #[test]
    fn bytes_that_are_no_text_do_not_make_a_history_too_large_to_be_read() {
        let folder = folder();
        let history = history(&folder);
        history.add("first").expect("it can");
        let line = [&[0xff; 2_000][..], b"\n"].concat();
        fs::write(&history.path, line.repeat(LINES_MAX)).expect("it can be written");
        history.add("last").expect("it can");
        let lines = history.read().expect("it is no larger than it can be");
        assert_eq!(lines.last().map(String::as_str), Some("last"));
        assert!(lines.len() > LINES_MAX / 2);
    }
}
