//! Processes that end with their test, whatever happens, and what they say.

use std::{
    fmt::Debug,
    io::{Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// What any one event may take on a machine that has much else to do.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A process that is about to be started.
#[derive(Debug)]
pub(crate) struct Launch(Command);

/// A process that runs until it ends or the test does.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    ended: Heard<bool>,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

/// A process that has ended, and all it said.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The same as `stdout`, if that is no text.
    pub(crate) bytes: Vec<u8>,
}

impl Launch {
    pub(crate) fn new(command: Command) -> Self {
        Self(command)
    }

    /// Adds one argument, whatever is in it.
    pub(crate) fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Gives the command itself, for a terminal.
    pub(crate) fn into_command(self) -> Command {
        self.0
    }

    /// Runs it to its end with nothing on stdin.
    pub(crate) fn run(self) -> Done {
        self.run_with(b"")
    }

    /// Runs it to its end with `input` on stdin.
    pub(crate) fn run_with(self, input: &[u8]) -> Done {
        let mut running = self.start();
        let mut stdin = running.stdin.take().expect("it was piped");
        let input = input.to_vec();
        // A process that does not read its input closes it.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let done = running.done();
        writer.join().expect("writing does not panic");
        done
    }

    /// Starts it; what it says is collected.
    pub(crate) fn start(self) -> Running {
        let (mut running, stdout) = self.start_unread();
        running.stdout = Output::collect(stdout);
        running
    }

    /// Starts it; its stdout is for the test to read, or not.
    pub(crate) fn start_unread(mut self) -> (Running, ChildStdout) {
        self.0
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.0.spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("it was piped");
        let stderr = child.stderr.take().expect("it was piped");
        let running = Running {
            ended: end_of(&child),
            stdin: child.stdin.take(),
            stdout: Output::default(),
            stderr: Output::collect(stderr),
            child,
        };
        (running, stdout)
    }
}

/// Tells when a process has ended, without burying it.
pub(crate) fn end_of(child: &Child) -> Heard<bool> {
    let ended = Heard::default();
    let (pid, tell) = (Pid::from_child(child), ended.clone());
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // An error means that it is buried already.
        let _ = waitid(WaitId::Pid(pid), options);
        tell.change(|ended| *ended = true);
    });
    ended
}

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        // Whether it still lives is for the test to say.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Writes to its stdin at once.
    pub(crate) fn types(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes).expect("it reads its stdin");
        stdin.flush().expect("a pipe has nothing to flush");
    }

    /// Waits for its end.
    pub(crate) fn done(self) -> Done {
        self.done_within(LIMIT)
    }

    /// Waits for its end, which must come in time.
    pub(crate) fn done_within(mut self, limit: Duration) -> Done {
        drop(self.stdin.take());
        if !self.ended.within(limit, |ended| *ended) {
            panic!("still running after {limit:?}: {self:?}");
        }
        let status = self.child.wait().expect("it has ended");
        let bytes = self.stdout.all();
        Done {
            status,
            stdout: String::from_utf8_lossy(&bytes).into_owned(),
            stderr: String::from_utf8_lossy(&self.stderr.all()).into_owned(),
            bytes,
        }
    }

    /// Tells whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.within(Duration::ZERO, |ended| *ended)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Done {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    /// Checks that stderr has these words.
    #[track_caller]
    pub(crate) fn complains(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "no {words:?} in {self:#?}");
        self
    }

    /// Checks that stdout has these words.
    #[track_caller]
    pub(crate) fn prints(&self, words: &str) -> &Self {
        assert!(self.stdout.contains(words), "no {words:?} in {self:#?}");
        self
    }

    /// Checks that there is one line that begins `qecho: ` and, if a hint is expected, one that
    /// begins `hint: ` after it, and that nothing follows.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, reason: &str, hint: Option<&str>) -> &Self {
        self.exits(code);
        let said: Vec<_> = self
            .stderr
            .lines()
            .skip_while(|line| !line.starts_with("qecho: "))
            .collect();
        assert!(said.first().is_some_and(|line| line.contains(reason)), "{self:#?}");
        assert_eq!(said.len(), 1 + usize::from(hint.is_some()), "{self:#?}");
        if let Some(hint) = hint {
            assert!(said[1].starts_with("hint: ") && said[1].contains(hint), "{self:#?}");
        }
        self
    }
}

/// Bytes that a process writes, collected on a thread.
#[derive(Clone, Default)]
pub(crate) struct Output(Heard<Collected>);

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

impl Output {
    pub(crate) fn collect(mut source: impl Read + Send + 'static) -> Self {
        let output = Self(Heard::default());
        output.0.change(|collected| collected.ended = false);
        let heard = output.0.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            // A terminal whose other side has gone gives an error.
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                heard.change(|collected| collected.bytes.extend_from_slice(&buffer[..length]));
            }
            heard.change(|collected| collected.ended = true);
        });
        output
    }

    pub(crate) fn text(&self) -> String {
        self.0.see(|collected| String::from_utf8_lossy(&collected.bytes).into_owned())
    }

    /// Waits until what was written fulfils a condition.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, condition: impl Fn(&[u8]) -> bool) {
        let met = self
            .0
            .within(LIMIT, |collected| condition(&collected.bytes) || collected.ended);
        let fulfilled = self.0.see(|collected| condition(&collected.bytes));
        assert!(met && fulfilled, "no {what} in {self:?}");
    }

    /// Waits until some words were written.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        self.says_times(words, 1);
    }

    /// Waits until some words were written so many times.
    #[track_caller]
    pub(crate) fn says_times(&self, words: &str, times: usize) {
        self.until(words, |bytes| {
            String::from_utf8_lossy(bytes).matches(words).count() >= times
        });
    }

    /// Waits for a whole line, counted from 0.
    #[track_caller]
    pub(crate) fn line(&self, number: usize) -> String {
        self.until("whole line", |bytes| {
            bytes.iter().filter(|byte| **byte == b'\n').count() > number
        });
        self.text().lines().nth(number).expect("it was written").to_owned()
    }

    /// Waits for the first whole line that has some words.
    #[track_caller]
    pub(crate) fn line_with(&self, words: &str) -> String {
        let find = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let whole = text.rsplit_once('\n')?.0;
            whole.lines().find(|line| line.contains(words)).map(str::to_owned)
        };
        self.until(words, |bytes| find(bytes).is_some());
        self.0.see(|collected| find(&collected.bytes)).expect("it was written")
    }

    /// Waits for the end and returns everything; an output that the test reads itself has nothing
    /// here.
    fn all(&self) -> Vec<u8> {
        let unread = Arc::strong_count(&self.0.0) == 1 && self.0.see(|c| c.bytes.is_empty());
        if !unread {
            assert!(self.0.within(LIMIT, |collected| collected.ended), "{self:?} stays open");
        }
        self.0.see(|collected| collected.bytes.clone())
    }
}

impl Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.text();
        let tail = text.char_indices().rev().nth(4_000).map_or(0, |(at, _)| at);
        write!(f, "{:?}", &text[tail..])
    }
}

/// A value that one thread changes and another waits for.
#[derive(Debug, Default)]
pub(crate) struct Heard<T>(Arc<(Mutex<T>, Condvar)>);

impl<T> Clone for Heard<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Heard<T> {
    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.0.0.lock().expect("no thread panics with it"));
        self.0.1.notify_all();
    }

    fn see<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0.0.lock().expect("no thread panics with it"))
    }

    /// Waits for a condition; tells whether it came true in time.
    pub(crate) fn within(&self, limit: Duration, condition: impl Fn(&T) -> bool) -> bool {
        let value = self.0.0.lock().expect("no thread panics with it");
        let (value, _) = self
            .0
            .1
            .wait_timeout_while(value, limit, |value| !condition(value))
            .expect("no thread panics with it");
        condition(&value)
    }
}

/// Measures how long something takes.
#[expect(clippy::disallowed_methods, reason = "a test is an edge of the program")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    (work(), began.elapsed())
}
