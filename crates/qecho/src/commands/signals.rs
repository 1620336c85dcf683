//! SIGINT, SIGTERM and SIGHUP.

use std::thread;

use anyhow::Context;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::ending::Ending;

/// Calls `react` for every SIGINT, SIGTERM and SIGHUP, on a thread of its own, with
/// the ending that the signal stands for.
pub(super) fn on_signal(mut react: impl FnMut(Ending) + Send + 'static) -> anyhow::Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                react(match signal {
                    SIGINT => Ending::Interrupted,
                    // A terminal that was closed wants an end as well.
                    _ => Ending::Terminated,
                });
            }
        })
        .context("cannot listen for signals")?;
    Ok(())
}
