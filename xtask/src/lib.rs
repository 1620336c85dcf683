//! The automation of the workspace: processes, places, programs and checks, which `bench/harness`,
//! `interop/scoreboard` and `packaging/builder` need too.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its reader sits at a terminal or reads a CI log"
)]

pub mod clock;
pub mod home;
pub mod process;
pub mod report;
pub mod sequence;
pub mod setup;
pub mod workspace;

use std::process::ExitCode;

use anyhow::Result;

/// Result of a command, as an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well: 0.
    Good,
    /// A check failed: 1.
    Bad,
    /// Something is missing or was typed wrongly: 2.
    CouldNotRun,
}

/// Runs a program on the words that were typed; a signal ends it with all its children.
pub fn main(run: fn(&[String]) -> Result<Outcome>) -> ExitCode {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    let outcome = process::kill_everything_on_signals().and_then(|()| run(&typed));
    ExitCode::from(match outcome {
        Ok(Outcome::Good) => 0,
        Ok(Outcome::Bad) => 1,
        Ok(Outcome::CouldNotRun) => 2,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            2
        }
    })
}
