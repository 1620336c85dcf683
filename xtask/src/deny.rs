//! `cargo xtask deny` and `advisories`: what may be in the dependency tree.
//!
//! Advisories stand alone, since an unchanged tree must not fail on a later day.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::process::{self, Ended};
use crate::{Outcome, setup, workspace};

const DENY_LIMIT: Duration = Duration::from_secs(120);

/// Gates on licences, bans and sources.
pub(crate) fn gate() -> Result<Outcome> {
    Ok(check()?.outcome())
}

/// Runs the gate, which needs no network.
pub(crate) fn check() -> Result<Ended> {
    process::run(
        cargo_deny(&["--offline", "check", "bans", "licenses", "sources"]),
        DENY_LIMIT,
    )
}

/// Gates on known vulnerabilities.
pub(crate) fn advisories() -> Result<Outcome> {
    Ok(process::run(cargo_deny(&["check", "advisories"]), DENY_LIMIT)?.outcome())
}

fn cargo_deny(arguments: &[&str]) -> Command {
    let mut command = Command::new(setup::cargo_deny());
    command.args(arguments).current_dir(workspace::root());
    command
}
