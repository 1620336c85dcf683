//! SIGINT, SIGTERM and SIGHUP.

use std::{fs::File, thread, time::Duration};

use anyhow::Context;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{exit::ExitStatus, stderr::say_if_read};

/// Time within which a command must have ended after a signal, beyond what it was granted:
/// by then it waits for somebody to read its output, or for a disk that stands still.
const ENDING_PATIENCE: Duration = Duration::from_secs(12);

/// Calls `react` for every SIGINT, SIGTERM and SIGHUP, on a thread of its own, with
/// the ending that the signal stands for. A command that has not ended 12 seconds after the
/// first is ended.
pub(super) fn on_signal(react: impl FnMut(ExitStatus) + Send + 'static) -> anyhow::Result<()> {
    on_signal_or_hangup(Duration::ZERO, react, || false)
}

/// Does so, but grants the command `grace` more, and asks `hangup` first at a SIGHUP that
/// comes while the terminal, if there ever was one, is still there: somebody sent it, and
/// if `hangup` tells that it had a use for it, it is no end.
pub(super) fn on_signal_or_hangup(
    grace: Duration,
    mut react: impl FnMut(ExitStatus) + Send + 'static,
    mut hangup: impl FnMut() -> bool + Send + 'static,
) -> anyhow::Result<()> {
    let had_terminal = has_terminal();
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut is_ending = false;
            for signal in signals.forever() {
                let is_sent = signal == SIGHUP && (!had_terminal || has_terminal());
                if is_sent && hangup() {
                    continue;
                }
                let ending = match signal {
                    SIGINT => ExitStatus::Interrupted,
                    // A terminal that was closed wants an end as well.
                    _ => ExitStatus::Terminated,
                };
                if !std::mem::replace(&mut is_ending, true) {
                    end_after(grace + ENDING_PATIENCE, ending);
                }
                react(ending);
            }
        })
        .context("cannot listen for signals")?;
    Ok(())
}

/// Ends the process if it has not ended by itself in time: whoever calls this has nothing
/// left to do but to say what it has done.
pub(super) fn end_soon() {
    end_after(ENDING_PATIENCE, ExitStatus::Terminated);
}

fn end_after(patience: Duration, ending: ExitStatus) {
    let work = move || {
        thread::sleep(patience);
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
