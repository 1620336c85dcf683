//! A process of a case: its lines as they come, its end.

use std::process::Command;
use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rustix::process::Signal;

use crate::clock;
use crate::process::{self, Ended, Group};

/// More than this of a case's output helps nobody.
const TRANSCRIPT_LINES_SHOWN: usize = 200;

/// Lines of all processes of a case, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript(Arc<Mutex<Vec<String>>>);

impl Transcript {
    fn add(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }

    /// Returns the last lines.
    pub(super) fn tail(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = lines.len().saturating_sub(TRANSCRIPT_LINES_SHOWN);
        let shown = lines[first..].iter();
        shown.flat_map(|line| [line, "\n"]).collect()
    }
}

/// Running process; dropping it kills it and all it started.
#[derive(Debug)]
pub(super) struct Child {
    label: String,
    group: Group,
    deadline: Instant,
    lines: Receiver<String>,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

/// Process that ended.
#[derive(Debug)]
pub(super) struct Output {
    label: String,
    ended: Ended,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Child {
    /// Starts a process that must have ended at `deadline`.
    pub(super) fn start(
        label: &str,
        mut command: Command,
        deadline: Instant,
        transcript: &Transcript,
    ) -> Result<Self> {
        transcript.add(format!("$ {}", process::line(&command)));
        let mut group = Group::spawn_piped(&mut command)?;
        let (sender, lines) = mpsc::channel();
        let note = |mark: char| {
            let (sender, transcript) = (sender.clone(), transcript.clone());
            let label = label.to_owned();
            move |line: &str| {
                let line = line.trim_end();
                transcript.add(format!("{label}{mark} {line}"));
                // Nobody may be waiting for lines any more.
                drop(sender.send(line.to_owned()));
            }
        };
        Ok(Self {
            label: label.to_owned(),
            stdout: process::read_lines(group.stdout()?, note(':')),
            stderr: process::read_lines(group.stderr()?, note('!')),
            group,
            deadline,
            lines,
        })
    }

    /// Waits for a line of either output that holds `words`, and returns it.
    pub(super) fn says(&self, words: &str) -> Result<String> {
        let label = &self.label;
        loop {
            match self.lines.recv_timeout(self.remaining()) {
                Ok(line) if line.contains(words) => return Ok(line),
                Ok(_) => {}
                Err(Timeout) => bail!("{label} did not say {words:?} in time"),
                Err(Disconnected) => bail!("{label} ended without saying {words:?}"),
            }
        }
    }

    /// Tells whether it has closed both its outputs, as it does at its end.
    pub(super) fn has_ended(&self) -> bool {
        self.stdout.is_finished() && self.stderr.is_finished()
    }

    /// Waits for the end.
    pub(super) fn finish(self) -> Result<Output> {
        let limit = self.remaining();
        Ok(Output {
            ended: self.group.wait(limit)?,
            label: self.label,
            // The group is gone and with it every writer of the pipes.
            stdout: process::joined(self.stdout),
            stderr: process::joined(self.stderr),
        })
    }

    /// Asks for the end with SIGTERM, and waits for it.
    pub(super) fn stop(self) -> Result<Output> {
        self.group.signal(Signal::TERM);
        self.finish()
    }

    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(clock::now())
    }
}

impl Output {
    /// Expects an exit code.
    pub(super) fn exits(self, code: i32) -> Result<Self> {
        let Self { label, ended, .. } = &self;
        let is_so = ended.code() == Some(code);
        ensure!(is_so, "{label}: {ended}, expected exit status: {code}");
        Ok(self)
    }

    /// Expects exit code 0 and these words on standard output.
    pub(super) fn succeeds(self, words: &[&str]) -> Result<Self> {
        let mut words = words.iter();
        words.try_fold(self.exits(0)?, |output, words| output.prints(words))
    }

    /// Expects exit code 1 and these words on standard error.
    pub(super) fn fails(self, words: &[&str]) -> Result<Self> {
        let mut words = words.iter();
        words.try_fold(self.exits(1)?, |output, words| output.complains(words))
    }

    /// Expects words on standard output.
    pub(super) fn prints(self, words: &str) -> Result<Self> {
        let Self { label, stdout, .. } = &self;
        ensure!(stdout.contains(words), "{label} did not print {words:?}");
        Ok(self)
    }

    /// Expects words on standard error.
    pub(super) fn complains(self, words: &str) -> Result<Self> {
        let Self { label, stderr, .. } = &self;
        let has_said = stderr.contains(words);
        ensure!(has_said, "{label} did not say on stderr {words:?}");
        Ok(self)
    }
}
