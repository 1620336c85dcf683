//! `cargo xtask setup`: what the checks need beyond Rust and a C compiler.
//!
//! Everything is looked for before anything is installed; a second run touches no network.

mod folders;
mod platform;
mod programs;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

pub use self::folders::{aioquic_version, node_modules, python};
use self::platform::Platform;
pub use self::programs::*;
use crate::{process, workspace};

const CARGO_DENY_VERSION: &str = "0.20.2";
const CARGO_DENY_BUILD_LIMIT: Duration = Duration::from_secs(900);
const FETCH_LIMIT: Duration = Duration::from_secs(600);
const QUESTION_LIMIT: Duration = Duration::from_secs(10);

/// Installs what is missing, or says in one line how to.
pub fn run() -> Result<()> {
    obtain(&programs::CHECKS)?;
    // The crates of every platform, since cargo-deny reads all of their manifests.
    let fetch = workspace::cargo(&["fetch", "--locked", "--quiet"]);
    process::succeed(fetch, FETCH_LIMIT)?;
    folders::make_python()?;
    folders::make_node()?;
    build_cargo_deny()?;
    println!("setup: all there");
    Ok(())
}

/// Installs those of `programs` that are missing; where we may not, the error is what to paste.
pub fn obtain(programs: &[Program]) -> Result<()> {
    let platform = Platform::here();
    let missing = platform.missing(programs);
    if missing.is_empty() {
        return Ok(());
    }
    if !platform.may_install() {
        let (names, line) = (programs::names(&missing), platform.line_to_paste(&missing));
        bail!("{names} missing; paste this line and run again:\n{line}");
    }
    platform.install(&missing)?;
    let missing = platform.missing(&missing);
    let names = programs::names(&missing);
    ensure!(names.is_empty(), "still missing after installing: {names}");
    Ok(())
}

/// Makes the Python environment ready; returns the version of aioquic in it.
pub fn python_with_aioquic() -> Result<String> {
    folders::make_python()?;
    aioquic_version()
}

/// Returns the path of our own cargo-deny.
pub fn cargo_deny() -> PathBuf {
    workspace::target().join("tools/bin/cargo-deny")
}

fn build_cargo_deny() -> Result<()> {
    let mut question = Command::new(cargo_deny());
    question.arg("--version");
    let version = process::answer(question, QUESTION_LIMIT).unwrap_or_default();
    if version.trim().strip_prefix("cargo-deny ") == Some(CARGO_DENY_VERSION) {
        return Ok(());
    }
    println!("setup: building cargo-deny {CARGO_DENY_VERSION} (about a minute, once)");
    let mut install = workspace::cargo(&["install", "--quiet", "--locked", "--force", "--debug"]);
    install
        .args(["cargo-deny", "--version", CARGO_DENY_VERSION, "--root"])
        .arg(workspace::target().join("tools"))
        // It checks a hundred manifests in half a second even so.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0");
    process::succeed(install, CARGO_DENY_BUILD_LIMIT)
}
