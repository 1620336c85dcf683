//! The Node packages in `target/node`: those whose hashes are in interop/package-lock.json, which
//! `npm install --package-lock-only --omit-lockfile-registry-resolved` makes anew.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::workspace;

const INSTALL_LIMIT: Duration = Duration::from_secs(300);
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// The package that brings quiche.
pub(super) const QUIC: &str = "@matrixai/quic";

/// Written last: packages without it, or with another, are installed anew.
const STAMP: &str = "qecho-complete";

/// Returns the folder of the packages.
pub fn modules() -> PathBuf {
    folder().join("node_modules")
}

/// Installs the packages unless they are complete.
pub(super) fn ensure_ready() -> Result<()> {
    let [package, lock] = FILES.map(|file| workspace::root().join("interop").join(file));
    let wanted = fs::read_to_string(&lock).context("cannot read interop/package-lock.json")?;
    let stamp = folder().join(STAMP);
    if fs::read_to_string(&stamp).unwrap_or_default() == wanted {
        return Ok(());
    }
    println!("setup: making target/node");
    if folder().exists() {
        fs::remove_dir_all(folder()).context("cannot remove the old target/node")?;
    }
    fs::create_dir_all(folder()).context("cannot make target/node")?;
    for (from, file) in [package, lock].iter().zip(FILES) {
        fs::copy(from, folder().join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let mut npm = Command::new("npm");
    // `npm ci` would miss the halves for other systems, of which not all are published.
    npm.args(["install", "--no-save", "--ignore-scripts"])
        .args(["--silent", "--no-audit", "--no-fund"])
        .current_dir(folder());
    let ended = process::run(npm, INSTALL_LIMIT)?;
    ensure!(ended.is_success(), "npm install in target/node: {ended}");
    // To npm, a half that cannot be fetched is as good as one that there is not.
    let is_published = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    ensure!(
        !is_published || has_native(QUIC),
        "npm install in target/node: {QUIC} lacks its native half"
    );
    fs::write(stamp, wanted).context("cannot write into target/node")
}

/// Tells whether a package has its native half, which there is not for every system.
pub(super) fn has_native(package: &str) -> bool {
    let (scope, name) = package.split_once('/').unwrap_or(("", package));
    let begins_so = |file: fs::DirEntry| {
        let file = file.file_name();
        file.to_string_lossy().starts_with(&format!("{name}-"))
    };
    fs::read_dir(modules().join(scope)).is_ok_and(|files| files.flatten().any(begins_so))
}

fn folder() -> PathBuf {
    workspace::target().join("node")
}
