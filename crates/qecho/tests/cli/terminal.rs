//! A person's terminal: a pseudo-terminal with the program on its other side.

use std::{io::Write, process::Child, sync::Arc, time::Duration};

use pty_process::{
    Size,
    blocking::{Command, Pts, Pty, open},
};
use rustix::{
    process::{Pid, Signal, kill_process},
    termios::{LocalModes, tcgetattr},
};

use crate::{
    cmd::{Cmd, end_of},
    transcript::{LIMIT, Shared, Transcript},
};

/// A terminal in which the program runs.
pub(crate) struct Terminal {
    child: Child,
    ended: Shared<bool>,
    pty: Arc<Pty>,
    /// Kept open, so that the settings can be seen after the program's end.
    pts: Option<Pts>,
    /// All that was ever shown.
    pub(crate) screen: Transcript,
}

pub(crate) const UP: &[u8] = b"\x1b[A";
pub(crate) const CTRL_C: &[u8] = b"\x03";
pub(crate) const CTRL_D: &[u8] = b"\x04";

impl Terminal {
    /// Starts a program with stdin, stdout and stderr on a new terminal.
    pub(crate) fn start(launch: Cmd) -> Self {
        Self::start_with_columns(200, launch)
    }

    /// Does so on a terminal of this width.
    pub(crate) fn start_with_columns(columns: u16, launch: Cmd) -> Self {
        let (pty, pts) = open().expect("the system has pseudo-terminals");
        pty.resize(Size::new(40, columns)).expect("it has a size");
        let mut command = Command::from(launch.into_command());
        let child = command.spawn_borrowed(&pts).expect("the program starts");
        let pty = Arc::new(pty);
        Self {
            ended: end_of(&child),
            child,
            screen: Transcript::collect(Reader(pty.clone())),
            pty,
            pts: Some(pts),
        }
    }

    /// Presses keys.
    pub(crate) fn types(&self, keys: &[u8]) {
        (&*self.pty)
            .write_all(keys)
            .expect("the terminal takes keys");
    }

    /// Types a line and presses Enter.
    pub(crate) fn enters(&self, line: &str) {
        self.types(format!("{line}\r").as_bytes());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // Whether it still lives is for the test to say.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Tells whether the program ends in time.
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        self.ended.within(limit, |ended| *ended)
    }

    /// Waits for the program's end; checks its exit code and that the terminal is as it was.
    /// Returns all that was shown.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> String {
        self.exits_within(LIMIT, code)
    }

    #[track_caller]
    pub(crate) fn exits_within(mut self, limit: Duration, code: i32) -> String {
        assert!(
            self.ends_within(limit),
            "still running after {limit:?}: {:?}",
            self.screen
        );
        let status = self.child.wait().expect("it has ended");
        let modes = tcgetattr(&*self.pty)
            .expect("a terminal has settings")
            .local_modes;
        drop(self.pts.take());
        self.screen.ends();
        let shown = self.screen.text();
        assert_eq!(status.code(), Some(code), "{shown:?}");
        let sane = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        assert!(modes.contains(sane), "the terminal is left {modes:?}");
        shown
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Reader(Arc<Pty>);

impl std::io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        (&*self.0).read(buffer)
    }
}
