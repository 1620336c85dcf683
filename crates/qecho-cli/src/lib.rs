//! The command line of qecho: what a person types and sees.
//!
//! `args` says what was typed, `commands` does it, `render` writes what is
//! seen. The program itself is the crate `qecho`.

mod args;
mod commands;
mod exit;
mod render;
mod stderr;

use std::process::ExitCode;

use crate::args::Arguments;

/// Reads the command line of this process, does what it asks for, and returns the exit code.
///
/// Help, and usage that is wrong, end the process.
pub fn run() -> ExitCode {
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

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
