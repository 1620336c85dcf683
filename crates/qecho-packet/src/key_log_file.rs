//! Writes the TLS secrets of connections to a file, on a thread of its own, and what waits
//! for it has a limit.

use std::{
    fmt::{self, Write as _},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use rustls::KeyLog;

use crate::writing_thread;

/// Bytes of lines that wait to be written, of some 40,000 handshakes; more are left out.
pub const KEY_LOG_QUEUE_BYTES_MAX: usize = 32 << 20;

/// A file that takes lines.
type File = Box<dyn io::Write + Send>;

/// Destination of the lines of a [`KeyLogFile`].
pub enum KeyLogDestination {
    /// A file that is open.
    Open(File),
    /// A file that takes its time to be opened: a named pipe waits for its reader.
    Later(Box<dyn FnOnce() -> io::Result<File> + Send>),
}

/// The result of a key log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyLogReport {
    /// Secrets that were logged.
    pub logged: u64,
    /// Those of them that are not in the file.
    pub missing: u64,
    /// Whether the file could not be written, which was told when it happened. Where it could,
    /// it was written or read too slowly.
    pub failed: bool,
}

/// A key log in the NSS format that is being written, by a thread of its own: a disk that
/// stands still, or a named pipe that nobody reads, holds no connection up.
pub struct KeyLogFile {
    commands: Sender<Command>,
    state: Arc<State>,
    ended: Mutex<Receiver<()>>,
}

enum Command {
    Write(String),
    End,
}

#[derive(Default)]
struct State {
    /// Whether the file is open.
    open: AtomicBool,
    /// Bytes that wait to be written.
    waiting: AtomicUsize,
    logged: AtomicU64,
    written: AtomicU64,
    failed: AtomicBool,
}

impl KeyLogFile {
    /// Starts to write. `tell` is called once, on the file's thread, if it cannot be opened or
    /// written; later lines are tried all the same.
    ///
    /// # Errors
    /// The system's, if there is no thread to write.
    pub fn start(
        destination: KeyLogDestination,
        tell: impl FnMut(&io::Error) + Send + 'static,
    ) -> io::Result<Self> {
        let (commands, taken) = channel();
        let (tell_end, ended) = channel();
        let state = Arc::<State>::default();
        let is_open = matches!(destination, KeyLogDestination::Open(_));
        state.open.store(is_open, Relaxed);
        let writing = state.clone();
        thread::Builder::new()
            .name("key log".into())
            .spawn(move || {
                writing.write_all(destination, &taken, tell);
                // Whoever started it may have gone without finishing it.
                let _ = tell_end.send(());
            })?;
        Ok(Self {
            commands,
            state,
            ended: Mutex::new(ended),
        })
    }

    /// Writes what waits, unless nobody has opened the file yet or it takes nothing for five
    /// seconds. What is logged later is not in it.
    pub fn finish(&self) -> KeyLogReport {
        let state = &self.state;
        // A thread that has ended has told why.
        let _ = self.commands.send(Command::End);
        let is_open = || state.open.load(Relaxed);
        // Whether it came to its end shows in what is missing.
        let _ = writing_thread::end(&self.ended, &state.waiting, is_open);
        let logged = state.logged.load(Relaxed);
        KeyLogReport {
            logged,
            missing: logged.saturating_sub(state.written.load(Relaxed)),
            failed: state.failed.load(Relaxed),
        }
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = String::new();
        push_line(&mut line, label, client_random, secret);
        let state = &self.state;
        state.logged.fetch_add(1, Relaxed);
        if state.waiting.load(Relaxed) + line.len() <= KEY_LOG_QUEUE_BYTES_MAX {
            state.waiting.fetch_add(line.len(), Relaxed);
            // After the file's end it is for nobody.
            let _ = self.commands.send(Command::Write(line));
        }
    }
}

impl fmt::Debug for KeyLogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLogFile(…)")
    }
}

impl State {
    fn write_all(
        &self,
        destination: KeyLogDestination,
        commands: &Receiver<Command>,
        mut tell: impl FnMut(&io::Error),
    ) {
        let opened = match destination {
            KeyLogDestination::Open(file) => Ok(file),
            KeyLogDestination::Later(open) => open(),
        };
        let mut fail = |error: &io::Error| {
            if !self.failed.swap(true, Relaxed) {
                tell(error);
            }
        };
        let mut file = match opened {
            Ok(file) => file,
            Err(error) => return fail(&error),
        };
        self.open.store(true, Relaxed);
        // Whether the last line may stand there in part.
        let mut torn = false;
        for command in commands {
            let Command::Write(line) = command else {
                return;
            };
            let end_torn = match torn {
                true => file.write_all(b"\n"),
                false => Ok(()),
            };
            match end_torn.and_then(|()| file.write_all(line.as_bytes())) {
                Ok(()) => {
                    torn = false;
                    self.written.fetch_add(1, Relaxed);
                }
                Err(error) => {
                    torn = true;
                    fail(&error);
                }
            }
            self.waiting.fetch_sub(line.len(), Relaxed);
        }
    }
}

/// Adds the line of a secret in the NSS key log format.
pub(crate) fn push_line(lines: &mut String, label: &str, client_random: &[u8], secret: &[u8]) {
    lines.push_str(label);
    for bytes in [client_random, secret] {
        lines.push(' ');
        for byte in bytes {
            // Writing to a text cannot fail.
            let _ = write!(lines, "{byte:02x}");
        }
    }
    lines.push('\n');
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Passes what is written on; fails once nobody takes it.
    struct Passing(Sender<String>);

    impl io::Write for Passing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(bytes.to_vec()).expect("lines are text");
            let sent = self.0.send(text);
            sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_logged_before_the_end_is_in_the_file() {
        let (to, lines) = channel();
        let destination = KeyLogDestination::Open(Box::new(Passing(to)));
        let file = KeyLogFile::start(destination, |_| {}).expect("there is a thread");
        file.log("A", &[0, 1], &[0xab]);
        file.log("B", &[2], &[]);
        let report = file.finish();
        let (logged, missing, failed) = (report.logged, report.missing, report.failed);
        assert_eq!((logged, missing, failed), (2, 0, false));
        let written: Vec<_> = lines.iter().collect();
        assert_eq!(written, ["A 0001 ab\n", "B 02 \n"]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_once() {
        let (to, _) = channel();
        let (tell, told) = mpsc::channel();
        let destination = KeyLogDestination::Open(Box::new(Passing(to)));
        let note = move |error: &io::Error| tell.send(error.kind()).expect("it is awaited");
        let file = KeyLogFile::start(destination, note).expect("there is a thread");
        file.log("A", &[0], &[1]);
        file.log("B", &[2], &[3]);
        let report = file.finish();
        assert_eq!((report.missing, report.failed), (2, true));
        drop(file);
        let told: Vec<_> = told.iter().collect();
        assert_eq!(told, [io::ErrorKind::BrokenPipe]);
    }

    /// A disk that is full after so many bytes, and has room again once it has said so.
    struct FullOnce {
        room: usize,
        to: Sender<String>,
    }

    impl io::Write for FullOnce {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                self.room = usize::MAX;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            Passing(self.to.clone()).write(&bytes[..taken])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_after_one_that_was_torn_is_whole() {
        let (to, lines) = channel();
        let destination = KeyLogDestination::Open(Box::new(FullOnce { room: 10, to }));
        let file = KeyLogFile::start(destination, |_| {}).expect("there is a thread");
        file.log("A", &[0], &[1]);
        file.log("B", &[2], &[3]);
        file.log("C", &[4], &[5]);
        assert_eq!(file.finish().missing, 1);
        let text: String = lines.iter().collect();
        assert_eq!(text, "A 00 01\nB \nC 04 05\n");
    }

    #[test]
    fn an_end_does_not_wait_for_who_never_opens() {
        let (opens, never) = channel::<()>();
        let later = KeyLogDestination::Later(Box::new(move || {
            // Ends with the test.
            let _ = never.recv();
            Err(io::ErrorKind::NotFound.into())
        }));
        let file = KeyLogFile::start(later, |_| {}).expect("there is a thread");
        file.log("A", &[0], &[1]);
        let report = file.finish();
        assert_eq!((report.logged, report.missing), (1, 1));
        drop(opens);
    }
}
