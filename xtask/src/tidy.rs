//! `cargo xtask tidy`: the rules of the house that no compiler knows (ARCHITECTURE.md says why).

mod dependencies;
mod layers;
mod lines;
mod manifest;
mod modules;
mod pages;
mod text;
mod tree;

use anyhow::Result;

use self::tree::Tree;
use crate::{Outcome, workspace};

/// Something that a rule objects to.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from one.
    line: usize,
    severity: Severity,
    /// The rule and what to do.
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Error,
    Warning,
}

impl Finding {
    fn error(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            severity: Severity::Error,
            message: message.into(),
        }
    }
}

/// A rule looks at the whole tree and returns what it objects to.
type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: &[Rule] = &[
    dependencies::arrows_point_one_way,
    dependencies::crates_keep_to_their_owner,
    dependencies::workspace_dependencies_are_used,
    layers::sources_name_only_their_own_crates,
    layers::tools_never_import_one_another,
    layers::args_and_render_are_apart,
    modules::folders_have_no_mod_rs,
    modules::names_say_something,
    lines::files_are_short,
    lines::only_the_event_loop_reads_the_clock,
    lines::nothing_is_unfinished,
    pages::links_lead_somewhere,
    pages::rust_is_compiled,
];

/// Applies every rule to the workspace.
pub(crate) fn run() -> Result<Outcome> {
    let tree = Tree::read(&workspace::root())?;
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    for Finding {
        path,
        line,
        severity,
        message,
    } in &findings
    {
        let word = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        println!("{path}:{line}: {word}: {message}");
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    println!(
        "tidy: {} files, {errors} errors, {} warnings",
        tree.files().count(),
        findings.len() - errors
    );
    Ok(if errors == 0 {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

/// For the tests of the rules: what a rule says about a small tree.
#[cfg(test)]
fn fires(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
    let findings = rule(&Tree::of(files));
    findings
        .iter()
        .map(|finding| format!("{}:{}", finding.path, finding.line))
        .collect()
}
