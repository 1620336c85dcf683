//! `target/python` and `target/node`: exactly the packages whose hashes are pinned in `interop/`.
//!
//! `npm install --package-lock-only --omit-lockfile-registry-resolved` makes its lock file anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{process, workspace};

const INSTALL_LIMIT: Duration = Duration::from_secs(300);
const QUESTION_LIMIT: Duration = Duration::from_secs(30);

/// Written last: a folder without it, or with another, is made anew.
const STAMP: &str = "qecho-complete";

/// Package that brings quiche.
pub(super) const QUIC: &str = "@matrixai/quic";

/// Returns the interpreter that has aioquic.
pub fn python() -> PathBuf {
    workspace::target().join("python/bin/python")
}

/// Returns the folder of the Node packages.
pub fn node_modules() -> PathBuf {
    workspace::target().join("node/node_modules")
}

/// Returns the version of aioquic that the environment has.
pub fn aioquic_version() -> Result<String> {
    let program = "import aioquic.asyncio; print(aioquic.__version__)";
    let version = ask(&python(), program)?;
    Ok(version.trim().to_owned())
}

/// Makes the Python environment unless it is complete.
pub fn make_python() -> Result<()> {
    let requirements = workspace::root().join("interop/requirements.txt");
    let pinned = fs::read_to_string(&requirements).context("interop/requirements.txt")?;
    let program = "import sys; print(sys.base_prefix, sys.version)";
    let stamp = ask(Path::new("python3"), program)? + &pinned;
    let is_whole = || aioquic_version().is_ok();
    make("python", &stamp, is_whole, |folder| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(folder);
        process::succeed(venv, INSTALL_LIMIT)?;
        let mut pip = Command::new(python());
        pip.args(["-m", "pip", "install", "--quiet", "--no-input"]);
        pip.args(["--disable-pip-version-check", "--require-hashes"]);
        pip.arg("--requirement").arg(&requirements);
        process::succeed(pip, INSTALL_LIMIT)
    })
}

/// Installs the Node packages unless they are complete.
pub(super) fn make_node() -> Result<()> {
    let interop = workspace::root().join("interop");
    let lock = "package-lock.json";
    let stamp = fs::read_to_string(interop.join(lock)).context("interop/package-lock.json")?;
    make(
        "node",
        &stamp,
        || true,
        |folder| {
            for file in ["package.json", lock] {
                fs::copy(interop.join(file), folder.join(file))?;
            }
            let mut npm = Command::new("npm");
            // `npm ci` would miss the halves for other systems, of which not all are published.
            npm.args(["install", "--no-save", "--ignore-scripts"])
                .args(["--silent", "--no-audit", "--no-fund"])
                .current_dir(folder);
            process::succeed(npm, INSTALL_LIMIT)?;
            // To npm, a half that cannot be fetched is as good as one that there is not.
            let is_published = cfg!(all(target_os = "linux", target_arch = "x86_64"));
            let is_whole = !is_published || has_native(QUIC);
            ensure!(is_whole, "{QUIC} lacks its native half");
            Ok(())
        },
    )
}

/// Tells whether a Node package has its native half, which there is not for every system.
pub(super) fn has_native(package: &str) -> bool {
    let (scope, name) = package.split_once('/').unwrap_or(("", package));
    let beginning = format!("{name}-");
    let begins_so = |file: fs::DirEntry| file.file_name().to_string_lossy().starts_with(&beginning);
    fs::read_dir(node_modules().join(scope)).is_ok_and(|files| files.flatten().any(begins_so))
}

/// Makes a folder of `target` anew unless it has its stamp and is whole.
fn make(
    name: &str,
    stamp: &str,
    is_whole: impl FnOnce() -> bool,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let folder = workspace::target().join(name);
    let file = folder.join(STAMP);
    if fs::read_to_string(&file).unwrap_or_default() == stamp && is_whole() {
        return Ok(());
    }
    println!("setup: making target/{name}");
    workspace::empty(&folder)?;
    fill(&folder).with_context(|| format!("cannot fill target/{name}"))?;
    fs::write(file, stamp).with_context(|| format!("cannot write into target/{name}"))
}

fn ask(python: &Path, program: &str) -> Result<String> {
    let mut question = Command::new(python);
    question.args(["-c", program]);
    process::answer(question, QUESTION_LIMIT)
}
