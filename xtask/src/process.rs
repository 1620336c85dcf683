//! Runs child processes, each in a group of its own and with a time limit.
//!
//! A hang fails rather than blocks: at the limit, and whenever a child ends, everything that is
//! left of its group is killed.

mod group;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

pub use self::group::{Group, kill_everything_on_signals};
use crate::Outcome;

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub enum Ended {
    /// By itself, or by a signal of somebody else.
    Exited(ExitStatus),
    /// Killed at its time limit.
    TimedOut(Duration),
}

impl Ended {
    /// Tells whether the child itself said that all is well.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Exited(status) if status.success())
    }

    /// Returns the exit code, if the child ended by itself with one.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Exited(status) => status.code(),
            Self::TimedOut(_) => None,
        }
    }

    /// Returns what a command that only runs this child came to.
    pub fn outcome(&self) -> Outcome {
        match self.is_success() {
            true => Outcome::Good,
            false => Outcome::Bad,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "{status}"),
            Self::TimedOut(limit) => write!(f, "no end within {} s: killed", limit.as_secs()),
        }
    }
}

/// Runs a child whose output the reader sees as it comes.
pub fn run(mut command: Command, limit: Duration) -> Result<Ended> {
    command.stdin(Stdio::null());
    start(&mut command)?.wait(limit)
}

/// Runs a child whose standard output the reader sees and the caller gets.
pub fn tee(mut command: Command, limit: Duration) -> Result<(Ended, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut group = start(&mut command)?;
    let stdout = group.stdout().context("standard output is a pipe")?;
    let copier = thread::spawn(move || copy_lines(stdout));
    let ended = group.wait(limit)?;
    // The whole group is gone, so the pipe has no writer and the copier ends.
    Ok((ended, copier.join().expect("copying lines does not panic")))
}

/// Runs a child that nobody sees; returns both its outputs.
pub fn capture(mut command: Command, limit: Duration) -> Result<(Ended, String, String)> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut group = start(&mut command)?;
    let stdout = group.stdout().context("standard output is a pipe")?;
    let stderr = group.stderr().context("standard error is a pipe")?;
    let stdout = thread::spawn(move || read_all(stdout));
    let stderr = thread::spawn(move || read_all(stderr));
    let ended = group.wait(limit)?;
    let join = |reader: thread::JoinHandle<String>| reader.join().expect("reading does not panic");
    Ok((ended, join(stdout), join(stderr)))
}

fn start(command: &mut Command) -> Result<Group> {
    Group::spawn(command)
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))
}

fn copy_lines(from: impl Read) -> String {
    let mut from = BufReader::new(from);
    let mut seen = Vec::new();
    loop {
        let before = seen.len();
        match from.read_until(b'\n', &mut seen) {
            Ok(0) | Err(_) => break,
            // A reader who went away does not end the check.
            Ok(_) => drop(io::stdout().write_all(&seen[before..])),
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

fn read_all(mut from: impl Read) -> String {
    let mut seen = Vec::new();
    // What came before an error is still worth showing.
    drop(from.read_to_end(&mut seen));
    String::from_utf8_lossy(&seen).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_child_that_hangs_is_killed_with_its_own_children() {
        let limit = Duration::from_secs(2);
        // Both sleeps hold the pipe: capture returns only when both are gone.
        let (ended, stdout, _) = capture(shell("echo hello; sleep 600 & sleep 600"), limit)
            .expect("sh is on every machine");
        assert!(matches!(ended, Ended::TimedOut(_)));
        assert_eq!(stdout, "hello\n");
    }

    #[test]
    fn what_a_child_leaves_behind_goes_with_it() {
        let limit = Duration::from_secs(30);
        let (ended, ..) =
            capture(shell("sleep 600 & exit 3"), limit).expect("sh is on every machine");
        assert_eq!(ended.code(), Some(3));
    }
}
