//! SIGINT, SIGTERM and SIGHUP.

use std::{fs::File, thread};

use anyhow::Context;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::exit::ExitStatus;

/// Calls `react` for every SIGINT, SIGTERM and SIGHUP, on a thread of its own, with
/// the ending that the signal stands for.
pub(super) fn on_signal(react: impl FnMut(ExitStatus) + Send + 'static) -> anyhow::Result<()> {
    on_signal_or_hangup(react, || false)
}

/// Does so, but asks `hangup` first at a SIGHUP that comes while the terminal, if
/// there ever was one, is still there: somebody sent it, and if `hangup` tells that it
/// had a use for it, it is no end.
pub(super) fn on_signal_or_hangup(
    mut react: impl FnMut(ExitStatus) + Send + 'static,
    mut hangup: impl FnMut() -> bool + Send + 'static,
) -> anyhow::Result<()> {
    let had_terminal = has_terminal();
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                let is_sent = signal == SIGHUP && (!had_terminal || has_terminal());
                if is_sent && hangup() {
                    continue;
                }
                react(match signal {
                    SIGINT => ExitStatus::Interrupted,
                    // A terminal that was closed wants an end as well.
                    _ => ExitStatus::Terminated,
                });
            }
        })
        .context("cannot listen for signals")?;
    Ok(())
}

/// Tells whether this process has a terminal that can end it by being closed.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}
