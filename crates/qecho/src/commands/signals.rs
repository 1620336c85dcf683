//! SIGINT and SIGTERM.

use std::thread;

use anyhow::Context;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::ending::Ending;

/// Calls `react` for every SIGINT and SIGTERM, on a thread of its own, with
/// the ending that the signal stands for.
pub(super) fn on_signal(mut react: impl FnMut(Ending) + Send + 'static) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                react(match signal {
                    SIGTERM => Ending::Terminated,
                    _ => Ending::Interrupted,
                });
            }
        })
        .context("cannot listen for signals")?;
    Ok(())
}
