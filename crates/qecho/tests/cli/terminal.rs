//! A person's terminal: a pseudo-terminal with the program on its other side.

use std::{
    io::{PipeReader, PipeWriter, Write, pipe},
    process::{self, Child},
    sync::Arc,
    thread,
    time::Duration,
};

use pty_process::{
    Size,
    blocking::{Command, Pts, Pty, open},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, Signal, kill_process, test_kill_process},
    termios::{Action, LocalModes, tcflow, tcgetattr},
};

use crate::{
    cmd::{Cmd, end_of},
    env::TestEnv,
    transcript::{LIMIT, Shared, Transcript},
};

/// A terminal in which the program runs.
pub(crate) struct Terminal {
    child: Child,
    ended: Shared<bool>,
    pty: Arc<Pty>,
    /// Kept open, so that the settings can be seen after the program's end.
    pts: Option<Pts>,
    /// As long as it is open, what is shown is read.
    open: Option<PipeWriter>,
    /// All that was ever shown.
    pub(crate) screen: Transcript,
}

/// Time between two looks at a process.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) const UP: &[u8] = b"\x1b[A";
pub(crate) const CTRL_C: &[u8] = b"\x03";
pub(crate) const CTRL_D: &[u8] = b"\x04";
pub(crate) const CTRL_Z: &[u8] = b"\x1a";
pub(crate) const CTRL_BACKSLASH: &[u8] = b"\x1c";

/// Script that says how a job ended or was stopped and how it left the terminal, and continues it
/// after a line.
pub(crate) const JOB: &str = "before=$(stty -g); qecho; echo status $?
    test $(stty -g) = $before && echo terminal as before; read line; fg && echo status $?";

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
        let (until, open) = pipe().expect("the system has pipes");
        Self {
            ended: end_of(&child),
            child,
            screen: Transcript::collect(Reader(pty.clone(), until)),
            open: Some(open),
            pty,
            pts: Some(pts),
        }
    }

    /// Starts a shell with job control in which `qecho` is the program with this command. Each
    /// says the number of its process first.
    pub(crate) fn start_script(env: &TestEnv, script: &str, command: &str) -> Self {
        Self::start_script_in(env, ("/bin/sh", 200), script, command)
    }

    /// Does so in another shell, on a terminal of this width.
    pub(crate) fn start_script_in(
        env: &TestEnv,
        (shell, columns): (&str, u16),
        script: &str,
        command: &str,
    ) -> Self {
        let program = env!("CARGO_BIN_EXE_qecho");
        let function = format!("sh -c 'echo process $$; exec \"$@\"' sh {program} {command}");
        let script = format!("ulimit -c 0; set -m; qecho() {{ {function}; }}; {script}");
        let shell = Cmd::new(env.command(shell));
        Self::start_with_columns(columns, shell.arg("-c").arg(script))
    }

    /// Takes nothing any more that is written to it, or what waits and all that comes.
    pub(crate) fn takes_output(&self, takes: bool) {
        let action = if takes { Action::OOn } else { Action::OOff };
        let pts = self.pts.as_ref().expect("it is open");
        tcflow(pts, action).expect("it is a terminal");
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

    /// Signals the program that a script has started.
    pub(crate) fn signals_job(&self, signal: Signal) {
        self.signals_job_by(signal.as_raw());
    }

    /// Signals it by the number of a signal, which may be one without a name.
    pub(crate) fn signals_job_by(&self, signal: i32) {
        let job = self.job().as_raw_nonzero();
        let command = format!("kill -{signal} {job}");
        let sent = process::Command::new("sh").arg("-c").arg(command).status();
        assert!(sent.is_ok_and(|status| status.success()), "it lives");
    }

    /// Returns the process of the program that a script has started.
    pub(crate) fn job(&self) -> Pid {
        let line = self.screen.line_with("process ");
        let number = line.split_whitespace().nth(1).expect("its number");
        let id = number.parse().ok().and_then(Pid::from_raw);
        id.expect("a number")
    }

    /// Waits until a condition of that process holds, of which the system does not tell.
    #[track_caller]
    pub(crate) fn until_job(&self, condition: impl Fn(Pid) -> bool) {
        let job = self.job();
        let looks = LIMIT.as_millis() / LOOK_EVERY.as_millis();
        let met = (0..looks).any(|_| {
            thread::sleep(LOOK_EVERY);
            condition(job)
        });
        assert!(met, "the job is not what it should be: {:?}", self.screen);
    }

    /// Waits until the program that a script has started has gone.
    #[track_caller]
    pub(crate) fn until_job_ends(&self) {
        self.until_job(|job| test_kill_process(job).is_err());
    }

    /// Closes the terminal, as who closes a window does; what it was started with ends, too.
    pub(crate) fn closes(mut self) {
        let screen = self.screen.clone();
        drop(self.open.take());
        screen.ends();
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

/// Reads what is shown until the pipe's other end is closed.
struct Reader(Arc<Pty>, PipeReader);

impl std::io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut awaited = [
            PollFd::new(&*self.0, PollFlags::IN),
            PollFd::new(&self.1, PollFlags::IN),
        ];
        poll(&mut awaited, None)?;
        match awaited[1].revents().is_empty() {
            true => (&*self.0).read(buffer),
            false => Ok(0),
        }
    }
}
