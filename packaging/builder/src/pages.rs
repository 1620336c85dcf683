//! What the program says of itself in files: man pages, completions, and the licences of all that
//! is inside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use xtask::process;
use xtask::report::Report;
use xtask::workspace::{self, BUILD_LIMIT};

use crate::{QUICK, binaries, copy, folder, licences, logged, tried, write};

/// Shells, each with the name that its completions have on a system.
pub(crate) const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "qecho.bash"),
    ("zsh", "_qecho"),
    ("fish", "qecho.fish"),
];

/// Returns the folder of the man pages.
pub(crate) fn manual() -> PathBuf {
    folder().join("man")
}

/// Returns the folder of the completions.
pub(crate) fn completions() -> PathBuf {
    folder().join("completions")
}

/// Returns the file of the licences of what the program is made of.
pub(crate) fn licences() -> PathBuf {
    folder().join("THIRD-PARTY-LICENCES")
}

/// Makes them.
pub(crate) fn run() -> Result<Report> {
    workspace::empty(&manual())?;
    let mut pages = workspace::cargo(&["run", "--quiet", "--locked", "--package", "qecho"]);
    pages
        .args(["--features", "man-pages", "--", "man-pages"])
        .arg(manual());
    logged("man", pages, BUILD_LIMIT)?;
    let page = manual().join("qecho.1");
    ensure!(page.is_file(), "there is no {}", page.display());
    workspace::empty(&completions())?;
    for (shell, name) in COMPLETIONS {
        let mut question = Command::new(binaries::shared());
        question.args(["completions", shell]);
        let script = process::answer(question, QUICK)?;
        ensure!(
            script.contains("qecho"),
            "the completions for {shell} are empty"
        );
        write(&completions().join(name), script)?;
    }
    write(&licences(), licences::collected()?)?;
    Ok(tried(files(&manual())?.len() as u64))
}

/// Copies all files of a folder into another, which is made.
pub(crate) fn copy_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for file in files(from)? {
        let name = file.file_name().context("a file has a name")?;
        copy(&file, &to.join(name))?;
    }
    Ok(())
}

/// Returns the files of a folder, sorted.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder);
    let entries = entries.with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}
