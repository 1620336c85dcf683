//! `cargo xtask fmt`: rustfmt over the workspace.

use std::time::Duration;

use anyhow::Result;

use crate::process::{self, Ended};
use crate::{Outcome, workspace};

const FORMAT_LIMIT: Duration = Duration::from_secs(60);

/// Formats every file.
pub(crate) fn apply() -> Result<Outcome> {
    Ok(process::run(workspace::cargo(&["fmt", "--all"]), FORMAT_LIMIT)?.outcome())
}

/// Says which files are not formatted.
pub(crate) fn check() -> Result<Ended> {
    process::run(workspace::cargo(&["fmt", "--all", "--check"]), FORMAT_LIMIT)
}
