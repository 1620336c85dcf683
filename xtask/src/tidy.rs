//! `cargo xtask tidy`: the rules that neither the compiler, clippy nor cargo-deny knows
//! (ARCHITECTURE.md says why).

mod files;
mod locks;
mod pages;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use xtask::report::Report;

use crate::workspace;

/// Folders that hold nothing of ours.
const SKIPPED: &[&str] = &["target", ".git", "__pycache__"];

/// Texts of all files of the workspace, by their paths from its root.
type Tree = BTreeMap<String, String>;

/// Breach of a rule.
#[derive(Debug)]
struct Finding {
    path: String,
    /// Counted from one.
    line: usize,
    /// Names the rule and says what to do.
    message: String,
    is_error: bool,
}

/// Function that looks at the whole tree and returns what breaks a rule.
type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: &[Rule] = &[
    files::are_short,
    files::have_names_that_say_something,
    files::manifests_name_only_what_is_used,
    locks::know_all_dependencies,
    words::stand_where_they_may,
    pages::links_lead_somewhere,
    pages::rust_is_compiled,
    pages::guide_is_a_book,
];

/// Applies every rule to the workspace.
pub(crate) fn run() -> Result<Report> {
    let mut tree = Tree::new();
    read(&workspace::root(), "", &mut tree)?;
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    for finding in &findings {
        let word = if finding.is_error { "error" } else { "warning" };
        println!(
            "{}:{}: {word}: {}",
            finding.path, finding.line, finding.message
        );
    }
    let errors = findings.iter().filter(|finding| finding.is_error).count();
    let warnings = findings.len() - errors;
    let files = tree.len();
    println!("tidy: {files} files, {errors} errors, {warnings} warnings");
    Ok(match errors {
        0 => Report::default(),
        _ => Report::failure("see above"),
    })
}

impl Finding {
    fn error(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
            is_error: true,
        }
    }
}

/// Reads all files below a folder; those that are no text are empty.
fn read(folder: &Path, prefix: &str, tree: &mut Tree) -> Result<()> {
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                read(&entry.path(), &format!("{path}/"), tree)?;
            }
            continue;
        }
        match fs::read(entry.path()) {
            Ok(bytes) => drop(tree.insert(path, String::from_utf8(bytes).unwrap_or_default())),
            // Editors' temporary files come and go.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
        }
    }
    Ok(())
}

/// Returns where a rule finds fault with a small tree.
#[cfg(test)]
fn fires(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter();
    let tree = files.map(|(path, text)| (path.to_string(), text.to_string()));
    let place = |finding: &Finding| format!("{}:{}", finding.path, finding.line);
    rule(&tree.collect()).iter().map(place).collect()
}
