//! SIGINT, SIGTERM and SIGHUP.

use std::{
    fs::{self, File},
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use qecho_terminal::job_control;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    iterator::Signals,
};

use crate::{exit::ExitStatus, stderr::say_if_read};

/// Time within which a command must have ended after a signal, beyond what it was granted:
/// by then it waits for somebody to read its output, or for a disk that stands still.
pub(super) const ENDING_PATIENCE: Duration = Duration::from_secs(12);

/// Time within which another SIGINT or SIGTERM is the same request as the first: `timeout` and
/// service managers send one to the process and then one to its group.
const SAME_REQUEST: Duration = Duration::from_millis(100);

/// Step of a patience: a process that is stopped, or gets no processor, for however long, loses one step
/// by it, and what is about to end has the others left.
const PATIENCE_STEP: Duration = Duration::from_secs(1);

/// Whether a SIGHUP ends the process at once.
static ENDS_AT_HANGUP: AtomicBool = AtomicBool::new(true);

/// Files that are being written to their ends.
static FILES_ENDING: AtomicUsize = AtomicUsize::new(0);

/// The writing of files to their ends, which knows by itself when they take nothing more.
pub(super) struct FilesEnding;

impl FilesEnding {
    /// Keeps the process from being ended meanwhile.
    pub(super) fn during<T>(write: impl FnOnce() -> T) -> T {
        FILES_ENDING.fetch_add(1, Relaxed);
        let outcome = write();
        FILES_ENDING.fetch_sub(1, Relaxed);
        outcome
    }
}

/// Lets a SIGHUP end the process with the exit code of a terminal that was closed, until a command
/// listens for signals itself, if it does. One that was started to ignore it goes on doing so.
pub(super) fn end_at_hangup() {
    if !ignores_hangup() {
        // Without it the system ends the process, which is as good but for the exit code.
        let code = ExitStatus::Terminated as i32;
        let _ = flag::register_conditional_shutdown(SIGHUP, code, &ENDS_AT_HANGUP);
    }
}

/// Calls `react` for every SIGINT and SIGTERM, and once for SIGHUP, on a thread of its own,
/// with the ending that the signal stands for; what comes within 100 ms of the first is the
/// same request. A command that has not ended 12 seconds after the first is ended.
///
/// A SIGHUP means that the terminal was closed, which ends a command once: the system and
/// the shell may both send it. A command that was started to ignore it, by `nohup`, does.
pub(super) fn on_signal(react: impl FnMut(ExitStatus) + Send + 'static) -> anyhow::Result<()> {
    listen(Duration::ZERO, react, None::<fn()>)
}

/// Does so for a service, which is granted `grace` more, and which a SIGHUP does not end
/// unless its terminal was closed: one that somebody sent is told to `hangup`.
pub(super) fn on_signal_or_hangup(
    grace: Duration,
    react: impl FnMut(ExitStatus) + Send + 'static,
    hangup: impl FnMut() + Send + 'static,
) -> anyhow::Result<()> {
    listen(grace, react, Some(hangup))
}

fn listen(
    grace: Duration,
    mut react: impl FnMut(ExitStatus) + Send + 'static,
    mut hangup: Option<impl FnMut() + Send + 'static>,
) -> anyhow::Result<()> {
    // Asked before there is a handler, which takes the place of what was inherited.
    let may_hang_up = has_terminal() && !ignores_hangup();
    let mut signals = vec![SIGINT, SIGTERM];
    if hangup.is_some() || !ignores_hangup() {
        signals.push(SIGHUP);
    }
    let mut signals = Signals::new(signals).context("cannot listen for signals")?;
    ENDS_AT_HANGUP.store(false, SeqCst);
    let (mut hung_up, mut first) = (false, None::<Instant>);
    let follow = move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                match &mut hangup {
                    Some(hangup) if !may_hang_up || has_terminal() => {
                        hangup();
                        continue;
                    }
                    _ if std::mem::replace(&mut hung_up, true) => continue,
                    _ => {}
                }
            }
            let ending = match signal {
                SIGINT => ExitStatus::Interrupted,
                _ => ExitStatus::Terminated,
            };
            match first {
                Some(first) if first.elapsed() < SAME_REQUEST => continue,
                Some(_) => {}
                None => end_after(grace + ENDING_PATIENCE, ending),
            }
            react(ending);
            first.get_or_insert_with(now);
        }
    };
    let thread = thread::Builder::new().name("signals".into()).spawn(follow);
    thread.context("cannot listen for signals").map(drop)
}

/// Ends the process if it has not ended by itself in time: whoever calls this has nothing
/// left to do but to say what it has done.
pub(super) fn end_soon() {
    end_after(ENDING_PATIENCE, ExitStatus::Terminated);
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program's edge reads the clock"
)]
fn now() -> Instant {
    Instant::now()
}

fn end_after(patience: Duration, ending: ExitStatus) {
    let work = move || {
        let mut left = patience;
        while !left.is_zero() {
            let step = left.min(PATIENCE_STEP);
            thread::sleep(step);
            left -= step;
        }
        while FILES_ENDING.load(Relaxed) > 0 {
            thread::sleep(ENDING_PATIENCE);
        }
        job_control::leave();
        say_if_read("qecho: ended without the rest of its output, which nobody takes");
        std::process::exit(ending as i32);
    };
    // Without a thread it is as it would be without this.
    let _ = thread::Builder::new().name("ending".into()).spawn(work);
}

/// Tells whether this process has a terminal that can end it by being closed.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Tells whether whoever started this process has it ignore SIGHUP, as `nohup` does; only
/// Linux says so without `unsafe`.
fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signal n is bit n - 1.
    ignored.is_some_and(|mask| mask >> (SIGHUP - 1) & 1 == 1)
}
