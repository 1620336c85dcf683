//! Writes blocks on a thread of its own, and what waits for it has a limit.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use super::{output::Output, pcapng};
use crate::writing_thread;

/// Bytes of packets that wait to be written; more are left out.
pub const QUEUE_BYTES_MAX: usize = 32 << 20;

/// Bytes of secrets that may wait beyond that. None is left out; should even
/// these not suffice, the capture ends.
pub const SECRETS_BYTES_MAX: usize = 32 << 20;

/// Buffers that are kept to be used again, and the largest of them.
const EMPTY_MAX: usize = 8;
const EMPTY_BYTES_MAX: usize = 4 << 20;

/// The result of a capture.
#[derive(Debug)]
#[non_exhaustive]
pub struct CaptureReport {
    /// Datagrams that were seen.
    pub seen: u64,
    /// Those of them that were left out, because the file was written more
    /// slowly than they came.
    pub left_out: u64,
    /// The error for which the file ends early, if it does.
    pub failure: Option<io::Error>,
}

enum Command {
    Write(Vec<u8>),
    End,
}

/// The thread that writes, from outside.
pub(super) struct Writer {
    commands: Sender<Command>,
    state: Arc<State>,
    ended: Mutex<Receiver<io::Result<()>>>,
}

/// Handle of one observer to the thread that writes.
pub(super) struct Queue {
    commands: Sender<Command>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    waiting: AtomicUsize,
    seen: AtomicU64,
    left_out: AtomicU64,
    /// Those of them that no packet's comment has told of yet.
    gap: AtomicU64,
    /// Nanoseconds since 1970 of the last datagram.
    last: AtomicU64,
    /// Nothing more is written.
    over: AtomicBool,
    /// More secrets waited than may.
    overrun: AtomicBool,
    empty: Mutex<Vec<Vec<u8>>>,
}

impl Writer {
    pub(super) fn start(output: Output) -> io::Result<Self> {
        let (commands, taken) = channel();
        let (tell, ended) = channel();
        let state = Arc::<State>::default();
        let writing = state.clone();
        thread::Builder::new()
            .name("capture".into())
            .spawn(move || {
                let written = writing.write_all(output, &taken);
                writing.over.store(true, Relaxed);
                // Whoever started it may have gone without finishing it.
                let _ = tell.send(written);
            })?;
        Ok(Self {
            commands,
            state,
            ended: Mutex::new(ended),
        })
    }

    pub(super) fn queue(&self) -> Queue {
        Queue {
            commands: self.commands.clone(),
            state: self.state.clone(),
        }
    }

    /// Writes what waits and ends the file, unless it stands still.
    pub(super) fn finish(&self) -> CaptureReport {
        let state = &self.state;
        // A thread that has ended has told why.
        let _ = self.commands.send(Command::End);
        let written = match writing_thread::end(&self.ended, &state.waiting, || true) {
            Ok(written) => written,
            Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
        };
        let overrun = state.overrun.load(Relaxed);
        let too_slow = || io::Error::other("it was written too slowly even for the secrets");
        CaptureReport {
            seen: state.seen.load(Relaxed),
            left_out: state.left_out.load(Relaxed),
            failure: written.err().or_else(|| overrun.then(too_slow)),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer(…)")
    }
}

impl Queue {
    /// Tells whether so many more bytes may wait.
    pub(super) fn has_room(&self, length: usize) -> bool {
        self.state.waiting.load(Relaxed) + length <= QUEUE_BYTES_MAX
    }

    /// Tells whether nothing more is written.
    pub(super) fn is_over(&self) -> bool {
        self.state.over.load(Relaxed)
    }

    /// Counts a datagram that is in the file, or will be.
    pub(super) fn count(&self, at: Duration) {
        self.state.seen.fetch_add(1, Relaxed);
        self.state.last.fetch_max(at.as_nanos() as u64, Relaxed);
    }

    /// Counts a datagram that is not.
    pub(super) fn leave_out(&self, at: Duration) {
        self.count(at);
        self.state.left_out.fetch_add(1, Relaxed);
        self.state.gap.fetch_add(1, Relaxed);
    }

    /// Returns how many datagrams were left out since this was last asked.
    pub(super) fn take_gap(&self) -> u64 {
        match self.state.gap.load(Relaxed) {
            0 => 0,
            _ => self.state.gap.swap(0, Relaxed),
        }
    }

    /// Hands over whole blocks, also where there is room for secrets alone;
    /// where there is none either, the capture ends.
    pub(super) fn push(&self, blocks: Vec<u8>) {
        if self.is_over() {
            return;
        }
        let waiting = self.state.waiting.load(Relaxed) + blocks.len();
        if waiting > QUEUE_BYTES_MAX + SECRETS_BYTES_MAX {
            self.state.overrun.store(true, Relaxed);
            self.state.over.store(true, Relaxed);
            return;
        }
        self.state.waiting.fetch_add(blocks.len(), Relaxed);
        // After the file's end they are for nobody.
        let _ = self.commands.send(Command::Write(blocks));
    }

    /// Returns an empty buffer.
    pub(super) fn empty(&self) -> Vec<u8> {
        self.state.lock_empty().pop().unwrap_or_default()
    }
}

impl State {
    fn write_all(&self, mut output: Output, commands: &Receiver<Command>) -> io::Result<()> {
        for command in commands {
            let Command::Write(mut blocks) = command else {
                break;
            };
            output.write(&blocks, || self.closing())?;
            self.waiting.fetch_sub(blocks.len(), Relaxed);
            blocks.clear();
            let mut empty = self.lock_empty();
            if empty.len() < EMPTY_MAX && blocks.capacity() <= EMPTY_BYTES_MAX {
                empty.push(blocks);
            }
        }
        output.end(&self.closing())
    }

    /// Returns the last block: how much was seen and how much left out.
    fn closing(&self) -> Vec<u8> {
        let seen = self.seen.load(Relaxed);
        let left_out = self.left_out.load(Relaxed);
        let comment = (left_out > 0).then(|| {
            format!("datagrams left out: {left_out} of {seen}; the file was written too slowly")
        });
        let last = Duration::from_nanos(self.last.load(Relaxed));
        pcapng::statistics(last, seen, left_out, comment.as_deref())
    }

    fn lock_empty(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.empty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
