//! `cargo xtask dist`: builds everything that is published, and tries each thing as somebody who
//! gets it: packages in fresh systems, crates apart from the workspace, the guide as a book.
//!
//! What it makes lies in `target/dist-packages`. Linux, as root, with apt: it installs what it
//! needs and keeps it for the next run.

#![expect(
    clippy::print_stdout,
    reason = "its reader sits at a terminal or reads a CI log"
)]

mod binaries;
mod book;
mod container;
mod crates;
mod deb;
mod licences;
mod pages;
mod prometheus;
mod root;
mod tarball;
mod workflows;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use xtask::report::Report;
use xtask::sequence::{self, Check};
use xtask::{Outcome, process, workspace};

/// Lines of a log that are shown when its program has failed.
const LOG_LINES_SHOWN: usize = 40;
const QUICK: Duration = Duration::from_secs(60);

/// The parts, in the order in which they run, each with the one that it stands on.
const PARTS: &[Check] = &[
    ("binary", "", binaries::run),
    ("man", "binary", pages::run),
    ("deb", "man", deb::run),
    ("tarball", "man", tarball::run),
    ("container", "binary", container::run),
    ("book", "", book::run),
    ("crates", "", crates::run),
    ("workflows", "", workflows::run),
    ("prometheus", "binary", prometheus::run),
];

/// Flag by which parts are made of what lies there from an earlier run.
const ALONE: &str = "--alone";

fn main() -> ExitCode {
    xtask::main(run)
}

/// Makes the parts that were typed, with what they stand on; for none all of them.
fn run(words: &[String]) -> Result<Outcome> {
    let names = PARTS.iter().map(|(name, ..)| *name);
    if words.iter().any(|word| word == "--list") {
        names.for_each(|name| println!("{name}"));
        return Ok(Outcome::Good);
    }
    let is_alone = words.iter().any(|word| word == ALONE);
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|&it| it != ALONE)
        .collect();
    if let Some(unknown) = words
        .iter()
        .find(|&word| !names.clone().any(|it| it == *word))
    {
        let names: Vec<&str> = names.collect();
        bail!("there is no part {unknown:?}, only {}", names.join(", "));
    }
    let folder = folder();
    workspace::empty(&folder.join("logs"))?;
    let (outcome, ..) = sequence::run(&chosen(&words, is_alone), true)?;
    println!("\npackages and logs: {}", folder.display());
    Ok(outcome)
}

/// Returns the parts of those names and, unless they are made alone, what they stand on; all of
/// them for no names.
fn chosen(words: &[&str], is_alone: bool) -> Vec<Check> {
    let mut names = words.to_vec();
    for &(name, needs, _) in PARTS.iter().rev().filter(|_| !is_alone) {
        if names.contains(&name) {
            names.push(needs);
        }
    }
    let is_chosen = |(name, ..): &&Check| words.is_empty() || names.contains(name);
    PARTS.iter().filter(is_chosen).copied().collect()
}

/// Returns the folder of all that is made.
fn folder() -> PathBuf {
    workspace::target().join("dist-packages")
}

/// Returns the version of what is packed: the workspace's.
fn version() -> Result<String> {
    let manifest = read(&workspace::root().join("Cargo.toml"))?;
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \""));
    let version = line.and_then(|rest| rest.strip_suffix('"'));
    Ok(version.context("Cargo.toml names no version")?.to_owned())
}

/// Returns the second in which what is packed was made, so that the same sources give the same
/// bytes: `SOURCE_DATE_EPOCH`, or the last commit's.
fn source_date_epoch() -> Result<String> {
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch);
    }
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"])
        .current_dir(workspace::root());
    Ok(process::answer(git, QUICK)?.trim().to_owned())
}

/// Runs a program whose output goes into `logs/NAME.log`, behind what is there; it must succeed.
/// Returns what it printed on both outputs.
fn logged(name: &str, command: Command, limit: Duration) -> Result<String> {
    let line = process::line(&command);
    let (ended, stdout, stderr) = process::capture(command, limit)?;
    let output = stdout + &stderr;
    let path = folder().join("logs").join(format!("{name}.log"));
    let log = fs::OpenOptions::new().create(true).append(true).open(&path);
    let mut log = log.with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(log, "$ {line}\n{output}{ended}\n")?;
    if !ended.is_success() {
        let lines: Vec<&str> = output.lines().collect();
        let shown = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
        let program = line.split(' ').next().unwrap_or_default();
        bail!("{program}: {ended}; {} ends:\n{shown}", path.display());
    }
    Ok(output)
}

/// Writes `SHA256SUMS` of all packages anew, as `sha256sum --check` reads it.
fn write_checksums() -> Result<()> {
    let folder = folder();
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".deb") || name.ends_with(".tar.gz") {
            names.push(name);
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "there is no package");
    let mut sums = Command::new("sha256sum");
    sums.arg("--").args(names).current_dir(&folder);
    write(&folder.join("SHA256SUMS"), process::answer(sums, QUICK)?)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = fs::copy(from, to);
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn tried(things: u64) -> Report {
    Report {
        passed: things,
        ..Report::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_made_with_what_it_stands_on_and_no_other() {
        let names = |words: &[&str], is_alone| {
            let parts = chosen(words, is_alone).into_iter();
            parts.map(|(name, ..)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["tarball"], false), ["binary", "man", "tarball"]);
        assert_eq!(names(&["tarball"], true), ["tarball"]);
        assert_eq!(names(&["book"], false), ["book"]);
        assert_eq!(names(&[], false).len(), PARTS.len());
    }
}
