//! The Python environment in `target/python`: exactly the files whose hashes are pinned.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::workspace;

const INSTALL_LIMIT: Duration = Duration::from_secs(300);
const QUESTION_LIMIT: Duration = Duration::from_secs(30);

/// Written last: an environment without it, or with another, is made anew.
const STAMP: &str = "qecho-complete";

/// Returns the environment's interpreter.
pub(super) fn interpreter() -> PathBuf {
    folder().join("bin/python")
}

/// Makes the environment unless it is complete.
pub(super) fn ensure_ready() -> Result<()> {
    let stamp = wanted_stamp()?;
    let present = fs::read_to_string(folder().join(STAMP)).unwrap_or_default();
    if present == stamp && imports_aioquic() {
        return Ok(());
    }
    println!("setup: making target/python");
    if folder().exists() {
        fs::remove_dir_all(folder()).context("cannot remove the old target/python")?;
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder());
    let ended = process::run(venv, INSTALL_LIMIT)?;
    ensure!(ended.is_success(), "python3 -m venv target/python: {ended}");

    let mut pip = Command::new(interpreter());
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]);
    pip.args(["--require-hashes", "--requirement"])
        .arg(requirements());
    let ended = process::run(pip, INSTALL_LIMIT)?;
    ensure!(
        ended.is_success(),
        "pip install --requirement interop/requirements.txt: {ended}"
    );
    fs::write(folder().join(STAMP), stamp).context("cannot write into target/python")
}

/// Returns the version of aioquic that the environment has.
pub(super) fn aioquic_version() -> Result<String> {
    let mut question = Command::new(interpreter());
    question.args(["-c", "import aioquic; print(aioquic.__version__)"]);
    let (ended, version, error) = process::capture(question, QUESTION_LIMIT)?;
    ensure!(ended.is_success(), "aioquic: {ended}\n{error}");
    Ok(version.trim().to_owned())
}

/// Returns what a complete environment's stamp says: which Python, which requirements.
fn wanted_stamp() -> Result<String> {
    let mut question = Command::new("python3");
    question.args(["-c", "import sys; print(sys.base_prefix, sys.version)"]);
    let (ended, python, error) = process::capture(question, QUESTION_LIMIT)?;
    ensure!(ended.is_success(), "python3: {ended}\n{error}");
    let requirements =
        fs::read_to_string(requirements()).context("cannot read interop/requirements.txt")?;
    Ok(format!("{python}{requirements}"))
}

fn imports_aioquic() -> bool {
    let mut question = Command::new(interpreter());
    question.args(["-c", "import aioquic.asyncio"]);
    process::capture(question, QUESTION_LIMIT).is_ok_and(|(ended, ..)| ended.is_success())
}

fn requirements() -> PathBuf {
    workspace::root().join("interop/requirements.txt")
}

fn folder() -> PathBuf {
    workspace::target().join("python")
}
