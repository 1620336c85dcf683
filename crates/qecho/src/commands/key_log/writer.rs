//! Writes the lines of one key log on a thread of its own, and what waits for it has a
//! limit.

use std::{
    fs::File,
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use super::Destination;
use crate::stderr::{say, say_if_read};

/// Bytes of lines that wait to be written, of some 40,000 handshakes; more are left out.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// Time for which a file may take nothing before its end is given up.
const PATIENCE: Duration = Duration::from_secs(5);

enum Command {
    Write(String),
    End,
}

/// The thread that writes one key log, from outside.
#[derive(Debug)]
pub(super) struct Writer {
    /// The file's name in messages.
    name: String,
    commands: Sender<Command>,
    state: Arc<State>,
    ended: Mutex<Receiver<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the file is open: a named pipe waits for its reader.
    open: AtomicBool,
    /// Bytes that wait to be written.
    waiting: AtomicUsize,
    /// Secrets that were logged, and those of them that are in the file.
    logged: AtomicU64,
    written: AtomicU64,
    /// Whether it was said that the file cannot be written.
    failed: AtomicBool,
}

impl Writer {
    pub(super) fn start(name: String, destination: Destination) -> io::Result<Self> {
        let (commands, taken) = channel();
        let (tell, ended) = channel();
        let state = Arc::<State>::default();
        let is_open = matches!(destination, Destination::Open(_));
        state.open.store(is_open, Relaxed);
        let (shown, writing) = (name.clone(), state.clone());
        thread::Builder::new()
            .name("key log".into())
            .spawn(move || {
                match destination.wait() {
                    Ok(file) => writing.write_all(&shown, file, &taken),
                    Err(error) => writing.fail(&shown, &error),
                }
                // Whoever started it may have gone without finishing it.
                let _ = tell.send(());
            })?;
        Ok(Self {
            name,
            commands,
            state,
            ended: Mutex::new(ended),
        })
    }

    /// Hands a line over, unless too many wait.
    pub(super) fn append(&self, line: &str) {
        let state = &self.state;
        state.logged.fetch_add(1, Relaxed);
        if state.waiting.load(Relaxed) + line.len() <= WAITING_BYTES_MAX {
            state.waiting.fetch_add(line.len(), Relaxed);
            // After the file's end it is for nobody.
            let _ = self.commands.send(Command::Write(line.to_owned()));
        }
    }

    /// Writes what waits, unless the file stands still, and says what is missing.
    pub(super) fn finish(&self) {
        // A thread that has ended has said why.
        let _ = self.commands.send(Command::End);
        self.wait();
        let state = &self.state;
        let logged = state.logged.load(Relaxed);
        let missing = logged - state.written.load(Relaxed).min(logged);
        if missing > 0 && !state.failed.load(Relaxed) {
            let name = &self.name;
            say_if_read(format_args!(
                "warning: TLS secrets that are not in {name}: {missing} of {logged}; \
                 it was read or written too slowly"
            ));
        }
    }

    /// Waits for the end of the file, for as long as it takes something.
    fn wait(&self) {
        let state = &self.state;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = state.waiting.load(Relaxed);
        while state.open.load(Relaxed) {
            match ended.recv_timeout(PATIENCE) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = state.waiting.load(Relaxed);
            if now >= waiting {
                return;
            }
            waiting = now;
        }
    }
}

impl State {
    fn write_all(&self, name: &str, mut file: File, commands: &Receiver<Command>) {
        self.open.store(true, Relaxed);
        for command in commands {
            let Command::Write(line) = command else {
                return;
            };
            match file.write_all(line.as_bytes()) {
                Ok(()) => {
                    self.written.fetch_add(1, Relaxed);
                }
                Err(error) => self.fail(name, &error),
            }
            self.waiting.fetch_sub(line.len(), Relaxed);
        }
    }

    /// Says once that the file cannot be written; the connections go on.
    fn fail(&self, name: &str, error: &io::Error) {
        if !self.failed.swap(true, Relaxed) {
            say(format_args!(
                "warning: cannot write TLS secrets to {name}: {error}; what follows cannot be \
                 decrypted with it"
            ));
        }
    }
}
