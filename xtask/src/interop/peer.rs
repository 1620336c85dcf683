//! A process of a case: its lines as they come, its end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::clock;
use crate::process::{Ended, Group};

/// More than this of a case's output helps nobody.
const TRANSCRIPT_LINES_SHOWN: usize = 200;

/// What all processes of a case said, in the order in which it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript(Arc<Mutex<Vec<String>>>);

impl Transcript {
    pub(super) fn add(&self, line: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    /// Returns the last lines.
    pub(super) fn tail(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = lines.len().saturating_sub(TRANSCRIPT_LINES_SHOWN);
        lines[first..]
            .iter()
            .flat_map(|line| [line, "\n"])
            .collect()
    }
}

/// A running process; dropping it kills it and all it started.
#[derive(Debug)]
pub(super) struct Peer {
    label: String,
    group: Group,
    deadline: Instant,
    lines: Receiver<String>,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

/// A process that ended.
#[derive(Debug)]
pub(super) struct Done {
    label: String,
    ended: Ended,
    stdout: String,
    stderr: String,
}

impl Peer {
    /// Starts a process that must have done its part at `deadline`.
    pub(super) fn start(
        label: &str,
        mut command: Command,
        deadline: Instant,
        transcript: &Transcript,
    ) -> Result<Self> {
        let words = [command.get_program()]
            .into_iter()
            .chain(command.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        transcript.add(format!("$ {}", words.join(" ")));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut group =
            Group::spawn(&mut command).with_context(|| format!("cannot start {label}"))?;
        let (sender, lines) = mpsc::channel();
        let stdout = group.stdout().context("standard output is a pipe")?;
        let stderr = group.stderr().context("standard error is a pipe")?;
        let stdout = read(
            stdout,
            format!("{label}: "),
            sender.clone(),
            transcript.clone(),
        );
        let stderr = read(stderr, format!("{label}! "), sender, transcript.clone());
        Ok(Self {
            label: label.to_owned(),
            group,
            deadline,
            lines,
            stdout,
            stderr,
        })
    }

    /// Waits for a line of either output that holds `words`, and returns it.
    pub(super) fn says(&self, words: &str) -> Result<String> {
        loop {
            match self.lines.recv_timeout(self.remaining()) {
                Ok(line) if line.contains(words) => return Ok(line),
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    bail!("{} did not say {words:?} in time", self.label)
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    bail!("{} ended without saying {words:?}", self.label)
                }
            }
        }
    }

    /// Tells whether it has closed both its outputs, as it does at its end.
    pub(super) fn has_ended(&self) -> bool {
        self.stdout.is_finished() && self.stderr.is_finished()
    }

    /// Waits for the end.
    pub(super) fn finish(self) -> Result<Done> {
        let limit = self.remaining();
        let ended = self.group.wait(limit)?;
        // The group is gone and with it every writer of the pipes.
        let join = |reader: JoinHandle<String>| reader.join().expect("reading does not panic");
        Ok(Done {
            label: self.label,
            ended,
            stdout: join(self.stdout),
            stderr: join(self.stderr),
        })
    }

    /// Asks for the end with SIGTERM, and waits for it.
    pub(super) fn stop(self) -> Result<Done> {
        self.group.signal(Signal::TERM);
        self.finish()
    }

    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(clock::now())
    }
}

impl Done {
    /// Expects an exit code.
    pub(super) fn exits(self, code: i32) -> Result<Self> {
        let Self { label, ended, .. } = &self;
        ensure!(
            ended.code() == Some(code),
            "{label}: {ended}, expected exit status: {code}"
        );
        Ok(self)
    }

    /// Expects words on standard output.
    pub(super) fn prints(self, words: &str) -> Result<Self> {
        ensure!(
            self.stdout.contains(words),
            "{} did not print {words:?}",
            self.label
        );
        Ok(self)
    }

    /// Returns what was printed on standard output.
    pub(super) fn stdout(&self) -> &str {
        &self.stdout
    }

    /// Returns what was printed on standard error.
    pub(super) fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Expects words on standard error.
    pub(super) fn complains(self, words: &str) -> Result<Self> {
        ensure!(
            self.stderr.contains(words),
            "{} did not say on stderr {words:?}",
            self.label
        );
        Ok(self)
    }
}

fn read(
    from: impl Read + Send + 'static,
    prefix: String,
    lines: Sender<String>,
    transcript: Transcript,
) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut all = String::new();
        let mut line = Vec::new();
        while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).into_owned();
            all.push_str(&text);
            transcript.add(format!("{prefix}{}", text.trim_end()));
            // Nobody may be waiting for lines any more.
            drop(lines.send(text.trim_end().to_owned()));
            line.clear();
        }
        all
    })
}
