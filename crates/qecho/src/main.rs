//! qecho: echo over pure QUIC.
//!
//! `args` says what was typed, `commands` does it, `render` writes what is
//! seen.

mod args;
mod commands;
mod ending;
mod render;

use std::{io::Write, process::ExitCode};

use crate::{args::Arguments, ending::Failure};

/// A stream, a handshake and a packet each take memory and give it back; this
/// does so cheaper than the C library (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run(Arguments::read()) {
        Ok(ending) => ending.into(),
        Err(failure) => {
            explain(&failure);
            failure.exit.into()
        }
    }
}

/// Says on stderr what was attempted, why it failed and what to do.
fn explain(failure: &Failure) {
    let Some(error) = &failure.error else {
        return;
    };
    let mut lines = format!("qecho: {error:#}\n");
    if let Some(hint) = &failure.hint {
        lines.push_str(&format!("hint: {hint}\n"));
    }
    // With stderr gone there is nobody to tell.
    let _ = std::io::stderr().write_all(lines.as_bytes());
}
