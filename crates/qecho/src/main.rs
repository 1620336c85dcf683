//! qecho: echo over pure QUIC.
//!
//! `args` says what was typed, `commands` does it, `render` writes what is
//! seen.

mod args;
mod commands;
mod exit;
mod render;
mod stderr;

use std::process::ExitCode;

use crate::args::Arguments;

/// A stream, a handshake and a packet each take memory and give it back; this
/// does so cheaper than the C library (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run(Arguments::read()) {
        Ok(ending) => ending.into(),
        Err(failure) => {
            if let Some(error) = &failure.error {
                stderr::say_failure(format_args!("{error:#}"), failure.hint.as_deref());
            }
            failure.exit.into()
        }
    }
}
