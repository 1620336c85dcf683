//! The licences of the crates that are inside the program, which ask to go where it goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::{process, workspace};

use crate::binaries;

const QUESTION_LIMIT: Duration = Duration::from_secs(120);

/// Beginnings of the names of files that have a licence or what it asks to be kept, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"];

const INTRODUCTION: &str = "\
qecho is licensed under MIT or Apache-2.0, as you like. The program has parts of the packages
below inside, each under its own licence; texts that are the same stand here once. Where it is
linked with the GNU C library (in the archive and the container), that is under the LGPL 2.1 or
later, and all sources to link it anew are public.
";

/// Returns the texts, each behind the names of those that are under it.
pub(crate) fn collected() -> Result<String> {
    let inside = inside()?;
    let mut question = workspace::cargo(&["metadata", "--locked", "--format-version", "1"]);
    question.args(["--filter-platform", &binaries::target()]);
    let metadata: Value = serde_json::from_str(&process::answer(question, QUESTION_LIMIT)?)?;
    let packages = metadata["packages"]
        .as_array()
        .context("metadata has packages")?;
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} v{}", text("name"), text("version"));
        if package["source"].is_null() || !inside.contains(&name) {
            continue;
        }
        let folder = Path::new(text("manifest_path")).parent();
        let name = format!("{name} ({})", text("license"));
        for licence in files(folder.context("a manifest lies in a folder")?)? {
            texts.entry(licence).or_default().push(name.clone());
        }
    }
    let mut texts: Vec<(Vec<String>, String)> = texts
        .into_iter()
        .map(|(text, names)| (names, text))
        .collect();
    texts.sort();
    let line = "=".repeat(80);
    Ok(texts
        .iter()
        .fold(INTRODUCTION.to_owned(), |all, (names, text)| {
            all + &format!(
                "\n{line}\n{}\n{line}\n\n{}\n",
                names.join("\n"),
                text.trim_matches('\n')
            )
        }))
}

/// Returns `name vVERSION` of all that is compiled into the program.
fn inside() -> Result<Vec<String>> {
    let mut question = workspace::cargo(&["tree", "--locked", "--package", "qecho"]);
    question.args([
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    question.args(["--target", &binaries::target()]);
    let tree = process::answer(question, QUESTION_LIMIT)?;
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok(tree.lines().map(name).collect())
}

/// Returns the texts of a package's licences.
fn files(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder);
    let mut texts = Vec::new();
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_uppercase();
        if NAMES.iter().any(|begin| name.starts_with(begin)) && entry.path().is_file() {
            texts.push(String::from_utf8_lossy(&fs::read(entry.path())?).into_owned());
        }
    }
    Ok(texts)
}
