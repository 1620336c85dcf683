//! `cargo xtask fmt`: rustfmt over the workspace, and over the peers outside of it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{self, Ended};
use crate::{Outcome, workspace};

const FORMAT_LIMIT: Duration = Duration::from_secs(60);

/// Formats every file.
pub(crate) fn apply() -> Result<Outcome> {
    Ok(rustfmt(&[])?.outcome())
}

/// Says which files are not formatted.
pub(crate) fn check() -> Result<Ended> {
    rustfmt(&["--check"])
}

/// Goes on after a workspace that is not as it should be, so that all are named.
fn rustfmt(arguments: &[&str]) -> Result<Ended> {
    let mut all = vec!["fmt", "--all"];
    all.extend(arguments);
    let mut ended = process::run(workspace::cargo(&all), FORMAT_LIMIT)?;
    for manifest in manifests_outside()? {
        let mut command = workspace::cargo(&["fmt", "--manifest-path"]);
        command.arg(manifest).args(arguments);
        let other = process::run(command, FORMAT_LIMIT)?;
        if ended.is_success() {
            ended = other;
        }
    }
    Ok(ended)
}

/// Returns the manifests of `bench/peers`, each of which is a workspace of its own.
fn manifests_outside() -> Result<Vec<PathBuf>> {
    let folder = workspace::root().join("bench/peers");
    let mut manifests = Vec::new();
    let entries = fs::read_dir(&folder);
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let manifest = entry?.path().join("Cargo.toml");
        manifests.extend(manifest.is_file().then_some(manifest));
    }
    manifests.sort();
    Ok(manifests)
}
