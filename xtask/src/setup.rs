//! `cargo xtask setup`: what the checks need beyond Rust and a C compiler.
//!
//! Everything is looked for before anything is installed; a second run touches no network.

mod node;
mod platform;
mod programs;
mod python;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

pub use self::node::modules as node_modules;
use self::platform::Platform;
pub use self::programs::{
    CADDY, CLANG, CMAKE, CXX, LIBNUMA, NGTCP2_CLIENT, NGTCP2_SERVER, OPENSSL, PERL, Program,
    QUICHE_CLIENT, TSHARK, VALGRIND,
};
use crate::process;
use crate::{Outcome, workspace};

const CARGO_DENY_VERSION: &str = "0.20.2";
const CARGO_DENY_BUILD_LIMIT: Duration = Duration::from_secs(900);
const FETCH_LIMIT: Duration = Duration::from_secs(600);
const QUESTION_LIMIT: Duration = Duration::from_secs(10);

/// Installs what is missing, or says in one line how to.
pub fn run() -> Result<Outcome> {
    let platform = Platform::here();
    let missing = programs::missing(&platform);
    if !missing.is_empty() {
        if !platform.may_install() {
            eprintln!(
                "{} missing; paste this line and run again:",
                programs::names(&missing)
            );
            println!("{}", platform.line_to_paste(&missing));
            return Ok(Outcome::CouldNotRun);
        }
        platform.install(&missing)?;
        let still = programs::missing(&platform);
        ensure!(
            still.is_empty(),
            "still missing after installing: {}",
            programs::names(&still)
        );
    }
    fetch_crates()?;
    python::ensure_ready()?;
    node::ensure_ready()?;
    ensure_cargo_deny()?;
    println!("setup: all there");
    Ok(Outcome::Good)
}

/// Installs those of `programs` that are missing; where we may not, the error is what to paste.
pub fn obtain(programs: &[Program]) -> Result<()> {
    let platform = Platform::here();
    let is_missing = |program: &&Program| !program.is_here();
    let missing: Vec<Program> = programs.iter().filter(is_missing).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        platform.may_install(),
        "needs {}: {}",
        programs::names(&missing),
        platform.line_to_paste(&missing)
    );
    platform.install(&missing)
}

/// Makes the Python environment ready; returns the version of aioquic in it.
pub fn python_with_aioquic() -> Result<String> {
    python::ensure_ready()?;
    python::aioquic_version()
}

/// Returns the interpreter that has aioquic.
pub fn python() -> PathBuf {
    python::interpreter()
}

/// Returns the path of our own cargo-deny.
pub fn cargo_deny() -> PathBuf {
    tools().join("bin/cargo-deny")
}

/// Fetches the crates of every platform, since cargo-deny reads all of their manifests.
fn fetch_crates() -> Result<()> {
    let ended = process::run(
        workspace::cargo(&["fetch", "--locked", "--quiet"]),
        FETCH_LIMIT,
    )?;
    ensure!(ended.is_success(), "cannot fetch the crates: {ended}");
    Ok(())
}

fn ensure_cargo_deny() -> Result<()> {
    if cargo_deny_version().is_some_and(|version| version == CARGO_DENY_VERSION) {
        return Ok(());
    }
    println!("setup: building cargo-deny {CARGO_DENY_VERSION} (about a minute, once)");
    let mut install = workspace::cargo(&["install", "--quiet", "--locked", "--force", "--debug"]);
    install
        .args(["--version", CARGO_DENY_VERSION, "--root"])
        .arg(tools())
        .arg("cargo-deny");
    // It checks a hundred manifests in half a second even so.
    install
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0");
    let ended = process::run(install, CARGO_DENY_BUILD_LIMIT)?;
    ensure!(ended.is_success(), "cannot build cargo-deny: {ended}");
    Ok(())
}

fn cargo_deny_version() -> Option<String> {
    let mut question = Command::new(cargo_deny());
    question.arg("--version");
    let (ended, answer, _) = process::capture(question, QUESTION_LIMIT).ok()?;
    let version = answer.trim().strip_prefix("cargo-deny ")?;
    ended.is_success().then(|| version.to_owned())
}

fn tools() -> PathBuf {
    workspace::target().join("tools")
}
