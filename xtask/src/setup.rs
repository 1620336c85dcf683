//! `cargo xtask setup`: what the checks need beyond Rust and a C compiler.
//!
//! Everything is looked for before anything is installed; a second run touches no network.

mod folders;
mod platform;
mod programs;
mod tools;

use std::time::Duration;

use anyhow::{Result, bail, ensure};

pub use self::folders::{aioquic_version, make_python, node_modules, python};
use self::platform::Platform;
pub use self::programs::*;
pub use self::tools::*;
use crate::{process, workspace};

const FETCH_LIMIT: Duration = Duration::from_secs(600);

/// Installs what is missing, or says in one line how to.
pub fn run() -> Result<()> {
    obtain(&programs::CHECKS)?;
    // The crates of every platform, since cargo-deny reads all of their manifests.
    let fetch = workspace::cargo(&["fetch", "--locked", "--quiet"]);
    process::succeed(fetch, FETCH_LIMIT)?;
    folders::make_python()?;
    folders::make_node()?;
    CARGO_DENY.obtain()?;
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
