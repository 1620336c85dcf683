//! A child process that leads a process group, and the list of all live groups.

use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;
use std::{io, process, thread};

use anyhow::{Context, Result};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Ended;

/// Groups of which the leader is not reaped yet, so that their numbers are still theirs.
static LIVE: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Child process with all its descendants; dropping it kills them.
#[derive(Debug)]
pub struct Group {
    leader: Child,
    pid: Pid,
    reaped: bool,
}

impl Group {
    /// Starts a child as the leader of a new group.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        // Held over the start, so that a signal never misses a new group.
        let mut live = live();
        let leader = command.process_group(0).spawn();
        let leader = leader.with_context(|| format!("cannot start {}", super::line(command)))?;
        let pid = Pid::from_child(&leader);
        live.push(pid);
        Ok(Self {
            leader,
            pid,
            reaped: false,
        })
    }

    /// Starts such a child without input, and with pipes for both outputs.
    pub fn spawn_piped(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null());
        Self::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Returns the child's standard output, once, if it is a pipe.
    pub fn stdout(&mut self) -> Result<ChildStdout> {
        let stdout = self.leader.stdout.take();
        stdout.context("standard output is no pipe")
    }

    /// Returns the child's standard error, once, if it is a pipe.
    pub fn stderr(&mut self) -> Result<ChildStderr> {
        let stderr = self.leader.stderr.take();
        stderr.context("standard error is no pipe")
    }

    /// Returns the leader's number.
    pub fn id(&self) -> u32 {
        self.leader.id()
    }

    /// Sends a signal to the leader alone.
    pub fn signal(&self, signal: Signal) {
        // ESRCH cannot be: a leader that ended stays a zombie until it is reaped here.
        let _ = kill_process(self.pid, signal);
    }

    /// Waits until the leader ends, at most for `limit`, then kills what is left of the group.
    pub fn wait(mut self, limit: Duration) -> Result<Ended> {
        let (sender, ended) = mpsc::channel();
        let pid = self.pid;
        // The leader stays a zombie: its number cannot be given to anybody else before the kill.
        thread::spawn(move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = sender.send(waitid(WaitId::Pid(pid), options));
        });
        let in_time = ended.recv_timeout(limit).is_ok();
        let status = self.kill_and_reap().context("cannot wait for a child")?;
        Ok(match in_time {
            true => Ended::Exited(status),
            false => Ended::TimedOut(limit),
        })
    }

    fn kill_and_reap(&mut self) -> io::Result<process::ExitStatus> {
        {
            let mut live = live();
            // ESRCH or, on macOS, EPERM: only the zombie is left.
            let _ = kill_process_group(self.pid, Signal::KILL);
            live.retain(|pid| *pid != self.pid);
        }
        self.reaped = true;
        self.leader.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            drop(self.kill_and_reap());
        }
    }
}

/// Lets SIGINT and SIGTERM end every child too, although they lead groups of their own.
pub fn kill_everything_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            for group in live().iter() {
                let _ = kill_process_group(*group, Signal::KILL);
            }
            process::exit(128 + signal);
        }
    });
    Ok(())
}

fn live() -> MutexGuard<'static, Vec<Pid>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}
