//! The end of a run: the exit codes of `qecho --help`, and failures.

use std::{fmt::Display, io, os::fd::AsFd, process::ExitCode};

use rustix::{io::Errno, termios::tcgetattr};

/// Exit code of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Did what was asked.
    Done = 0,
    /// An honest negative: no server, a refusal, bytes that differ.
    Negative = 1,
    /// Could not run: wrong usage, a busy port, an unreadable file.
    CouldNotRun = 2,
    /// Interrupted (SIGINT).
    Interrupted = 130,
    /// Terminated (SIGTERM, or SIGHUP: the terminal was closed).
    Terminated = 143,
}

impl From<ExitStatus> for ExitCode {
    fn from(ending: ExitStatus) -> Self {
        Self::from(ending as u8)
    }
}

/// A run that did not end well, and what is said about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: ExitStatus,
    /// `None` when there is nothing to say.
    pub(crate) error: Option<anyhow::Error>,
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// An honest negative.
    pub(crate) fn negative(error: anyhow::Error) -> Self {
        Self {
            exit: ExitStatus::Negative,
            error: Some(error),
            hint: None,
        }
    }

    /// An ending with nothing to say.
    pub(crate) fn silent(exit: ExitStatus) -> Self {
        Self {
            exit,
            error: None,
            hint: None,
        }
    }

    /// Adds what to do about it, if that is known.
    pub(crate) fn maybe_hint(self, hint: Option<impl Display>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(self, hint: impl Display) -> Self {
        Self {
            hint: Some(hint.to_string()),
            ..self
        }
    }
}

/// Makes a failure of work that could not run.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            exit: ExitStatus::CouldNotRun,
            error: Some(error),
            hint: None,
        }
    }
}

/// Writing what is seen: a reader that has gone is no failure, and a terminal that was closed ends
/// a command as the SIGHUP does that comes with it, whichever is seen first.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(ExitStatus::Done);
        }
        if is_of_closed_terminal(&error) {
            return Self::silent(ExitStatus::Terminated);
        }
        anyhow::Error::new(error)
            .context("cannot write the output")
            .into()
    }
}

fn is_of_closed_terminal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error()) && is_closed_terminal(io::stdout())
}

/// Tells whether that is a terminal that was closed: one that is there has settings, and what is
/// none, such as a file on a disk that fails, says so.
pub(crate) fn is_closed_terminal(file: impl AsFd) -> bool {
    matches!(tcgetattr(file), Err(Errno::IO))
}
