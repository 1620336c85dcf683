//! Runs child processes, each in a group of its own and with a time limit.
//!
//! A hang fails rather than blocks: at the limit, and whenever a child ends, everything that is
//! left of its group is killed.

mod group;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, iter};

use anyhow::{Result, ensure};

pub use self::group::{Group, kill_everything_on_signals};

/// End of a child.
#[derive(Clone, Copy, Debug)]
pub enum Ended {
    /// By itself, or by a signal of somebody else.
    Exited(ExitStatus),
    /// Killed at its time limit.
    TimedOut(Duration),
    /// Killed because it has printed nothing for so long.
    Silent(Duration),
}

impl Ended {
    /// Tells whether the child itself said that all is well.
    pub fn is_success(&self) -> bool {
        self.code() == Some(0)
    }

    /// Returns the exit code, if the child ended by itself with one.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Exited(status) => status.code(),
            Self::TimedOut(_) | Self::Silent(_) => None,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "{status}"),
            Self::TimedOut(limit) => write!(f, "no end within {} s: killed", limit.as_secs()),
            Self::Silent(limit) => write!(f, "not a line for {} s: killed", limit.as_secs()),
        }
    }
}

/// Runs a child whose output the reader sees as it comes.
pub fn run(mut command: Command, limit: Duration) -> Result<Ended> {
    command.stdin(Stdio::null());
    Group::spawn(&mut command)?.wait(limit)
}

/// Runs such a child, which must succeed.
pub fn succeed(command: Command, limit: Duration) -> Result<()> {
    let line = line(&command);
    let ended = run(command, limit)?;
    ensure!(ended.is_success(), "{line}: {ended}");
    Ok(())
}

/// Runs a child whose standard output the reader sees and the caller gets, as long as it goes on:
/// how long it takes as a whole is the machine's matter, that nothing happens is not.
pub fn tee(mut command: Command, silence_max: Duration) -> Result<(Ended, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut group = Group::spawn(&mut command)?;
    let (sender, lines) = mpsc::channel();
    let stdout = read_lines(group.stdout()?, move |line| {
        // A reader who went away does not end the check.
        let _ = io::stdout().write_all(line.as_bytes());
        let _ = sender.send(());
    });
    let ended = loop {
        match lines.recv_timeout(silence_max) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => {
                drop(group);
                break Ended::Silent(silence_max);
            }
            Err(RecvTimeoutError::Disconnected) => break group.wait(silence_max)?,
        }
    };
    // The whole group is gone, so the pipe has no writer and the reader ends.
    Ok((ended, joined(stdout)))
}

/// Runs a child that nobody sees; returns both its outputs.
pub fn capture(mut command: Command, limit: Duration) -> Result<(Ended, String, String)> {
    let mut group = Group::spawn_piped(&mut command)?;
    let stdout = read_lines(group.stdout()?, |_| {});
    let stderr = read_lines(group.stderr()?, |_| {});
    let ended = group.wait(limit)?;
    Ok((ended, joined(stdout), joined(stderr)))
}

/// Runs such a child, which must succeed; returns what it printed.
pub fn answer(command: Command, limit: Duration) -> Result<String> {
    let line = line(&command);
    let (ended, stdout, stderr) = capture(command, limit)?;
    ensure!(ended.is_success(), "{line}: {ended}\n{stderr}");
    Ok(stdout)
}

/// Reads a pipe to its end on a thread of its own, which returns all of it; `each` sees each line,
/// with its line feed, as soon as it is there.
pub fn read_lines(
    from: impl Read + Send + 'static,
    mut each: impl FnMut(&str) + Send + 'static,
) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let (mut all, mut line) = (String::new(), Vec::new());
        // What came before an error is still worth showing.
        while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            each(&text);
            all.push_str(&text);
            line.clear();
        }
        all
    })
}

/// Returns what a reader has read, once nobody writes any more.
pub fn joined(reader: JoinHandle<String>) -> String {
    reader.join().expect("reading does not panic")
}

/// Returns a command as a person would type it.
pub fn line(command: &Command) -> String {
    let words = iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
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
        let child = shell("echo hello; sleep 600 & sleep 600");
        let (ended, stdout, _) = capture(child, limit).expect("sh is on every machine");
        assert!(matches!(ended, Ended::TimedOut(_)));
        assert_eq!(stdout, "hello\n");
    }

    #[test]
    fn a_child_that_goes_on_is_let_and_one_that_falls_silent_is_killed() {
        let silence = Duration::from_secs(6);
        let child = shell("for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 1; done");
        let (ended, stdout) = tee(child, silence).expect("sh is on every machine");
        assert!(ended.is_success(), "{ended}");
        assert_eq!(stdout, "1\n2\n3\n4\n5\n6\n7\n8\n");
        let child = shell("echo begun; sleep 600");
        let (ended, stdout) = tee(child, silence).expect("sh is on every machine");
        assert!(matches!(ended, Ended::Silent(_)), "{ended}");
        assert_eq!(stdout, "begun\n");
    }

    #[test]
    fn what_a_child_leaves_behind_goes_with_it() {
        let limit = Duration::from_secs(30);
        let child = shell("sleep 600 & exit 3");
        let (ended, ..) = capture(child, limit).expect("sh is on every machine");
        assert_eq!(ended.code(), Some(3));
    }
}
