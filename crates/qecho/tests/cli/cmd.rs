//! Processes that end with their test, whatever happens, and what they say.

use std::{
    fmt::Debug,
    io::Write,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;

use crate::transcript::{LIMIT, SHOWN_MAX, Shared, Transcript};

/// A process that is about to be started.
#[derive(Debug)]
pub(crate) struct Cmd(Command);

/// A process that runs until it ends or the test does.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    ended: Shared<bool>,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Transcript,
    pub(crate) stderr: Transcript,
}

/// A process that has ended, and all it said.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The same as `stdout`, if that is no text.
    pub(crate) bytes: Vec<u8>,
}

impl Cmd {
    pub(crate) fn new(command: Command) -> Self {
        Self(command)
    }

    /// Adds one argument, whatever is in it.
    pub(crate) fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// Adds arguments, one for each word.
    pub(crate) fn args(mut self, arguments: &str) -> Self {
        self.0.args(arguments.split_whitespace());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
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
    pub(crate) fn run(self) -> Output {
        self.run_with(b"")
    }

    /// Runs it to its end with `input` on stdin.
    pub(crate) fn run_with(self, input: &[u8]) -> Output {
        let mut running = self.start();
        let mut stdin = running.stdin.take().expect("it was piped");
        let input = input.to_vec();
        // A process that does not read its input closes it.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let done = running.done();
        writer.join().expect("writing does not panic");
        done
    }

    /// Runs it to its end, which must be good.
    #[track_caller]
    pub(crate) fn ok(self) -> Output {
        let done = self.run();
        done.exits(0);
        done
    }

    /// Starts it; what it says is collected.
    pub(crate) fn start(self) -> Process {
        let (mut running, stdout) = self.start_unread();
        running.stdout = Transcript::collect(stdout);
        running
    }

    /// Starts it; its stdout is for the test to read, or not.
    pub(crate) fn start_unread(self) -> (Process, ChildStdout) {
        let mut running = self.spawn();
        let stdout = running.child.stdout.take().expect("it was piped");
        running.stderr = Transcript::collect(running.child.stderr.take().expect("it was piped"));
        (running, stdout)
    }

    /// Starts it; its stderr is for the test to read, or not.
    pub(crate) fn start_untold(self) -> (Process, ChildStderr) {
        let mut running = self.spawn();
        let stderr = running.child.stderr.take().expect("it was piped");
        running.stdout = Transcript::collect(running.child.stdout.take().expect("it was piped"));
        (running, stderr)
    }

    fn spawn(mut self) -> Process {
        self.0
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.0.spawn().expect("the program starts");
        Process {
            ended: end_of(&child),
            stdin: child.stdin.take(),
            stdout: Transcript::none(),
            stderr: Transcript::none(),
            child,
        }
    }
}

/// Tells when a process has ended, without burying it.
pub(crate) fn end_of(child: &Child) -> Shared<bool> {
    let ended = Shared::default();
    let (pid, tell) = (Pid::from_child(child), ended.clone());
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // An error means that it is buried already.
        let _ = waitid(WaitId::Pid(pid), options);
        tell.change(|ended| *ended = true);
    });
    ended
}

impl Process {
    pub(crate) fn signal(&self, signal: Signal) {
        // Whether it still lives is for the test to say.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Returns the number by which the system knows it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Stops it in its tracks, until [`Signal::CONT`].
    pub(crate) fn halt(&self) {
        self.signal(Signal::STOP);
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&self.child)), options).expect("it is our child");
    }

    /// Writes to its stdin at once.
    pub(crate) fn types(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes).expect("it reads its stdin");
        stdin.flush().expect("a pipe has nothing to flush");
    }

    /// Writes a text to its stdin and waits until the words of it are on its stdout.
    #[track_caller]
    pub(crate) fn echoes(&mut self, text: &str) {
        self.types(text.as_bytes());
        self.stdout.says(text.trim_end());
    }

    /// Waits for its end.
    pub(crate) fn done(self) -> Output {
        self.done_within(LIMIT)
    }

    /// Waits for its end, which must come in time.
    pub(crate) fn done_within(mut self, limit: Duration) -> Output {
        drop(self.stdin.take());
        if !self.ended.within(limit, |ended| *ended) {
            panic!("still running after {limit:?}: {self:?}");
        }
        let status = self.child.wait().expect("it has ended");
        let bytes = self.stdout.all();
        Output {
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

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = |text: &str| text.chars().take(SHOWN_MAX).collect::<String>();
        writeln!(f, "{}", self.status)?;
        writeln!(f, "stdout: {}", said(&self.stdout))?;
        write!(f, "stderr: {}", said(&self.stderr))
    }
}

impl Output {
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

    /// Returns every line of stdout as the JSON object that it must be.
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).expect("every line is JSON");
        self.stdout.lines().map(parse).collect()
    }

    /// Returns the last of the events.
    pub(crate) fn last_event(&self) -> Value {
        self.events().pop().expect("there is an event")
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
        assert!(
            said.first().is_some_and(|line| line.contains(reason)),
            "{self:#?}"
        );
        assert_eq!(said.len(), 1 + usize::from(hint.is_some()), "{self:#?}");
        if let Some(hint) = hint {
            assert!(
                said[1].starts_with("hint: ") && said[1].contains(hint),
                "{self:#?}"
            );
        }
        self
    }
}

/// Does something until it is quick enough, a few times at most: a machine that has much else to do
/// may be slow once. Checks that it was.
#[track_caller]
pub(crate) fn quickly(limit: Duration, work: impl Fn()) {
    let mut took = Vec::new();
    for _ in 0..3 {
        let ((), time) = timed(&work);
        took.push(time);
        if time < limit {
            return;
        }
    }
    panic!("it took {took:?}");
}

/// Measures how long something takes.
#[expect(
    clippy::disallowed_methods,
    reason = "a test is an edge of the program"
)]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    (work(), began.elapsed())
}
