//! Rules on the names of files and modules.

use super::tree::Tree;
use super::{Finding, text};

const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "misc", "helper", "helpers", "shared",
];
/// The rules themselves hold bad samples.
const RULES: &str = "xtask/src/tidy/";

/// Folders are `x.rs` and `x/`.
pub(super) fn folders_have_no_mod_rs(tree: &Tree) -> Vec<Finding> {
    let paths = tree
        .rust()
        .map(|(path, _)| path)
        .filter(|path| path.ends_with("/mod.rs"));
    paths
        .map(|path| Finding::error(path, 1, "a folder x/ goes with x.rs: rename this file"))
        .collect()
}

/// A module whose name says nothing collects everything.
pub(super) fn names_say_something(tree: &Tree) -> Vec<Finding> {
    let message =
        |name: &str| format!("`{name}` says nothing: name the module after what it is for");
    let mut findings = Vec::new();
    for (path, text) in tree.sources() {
        for part in path.split('/') {
            let stem = part.split('.').next().unwrap_or_default();
            if EMPTY_NAMES.contains(&stem) {
                findings.push(Finding::error(path, 1, message(stem)));
            }
        }
        if path.starts_with(RULES) {
            continue;
        }
        for (line, code) in text::code_lines(text) {
            let declared = text::words(code, "mod")
                .next()
                .map(|at| code[at + 3..].trim_start());
            let name = declared.and_then(|rest| rest.split([' ', ';', '{']).next());
            if let Some(name) = name.filter(|name| EMPTY_NAMES.contains(name)) {
                findings.push(Finding::error(path, line, message(name)));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fires;
    use super::*;

    #[test]
    fn a_mod_rs_is_found() {
        let files = [
            ("crates/qecho/tests/room/mod.rs", ""),
            ("crates/qecho/src/modest.rs", ""),
        ];
        assert_eq!(
            fires(folders_have_no_mod_rs, &files),
            ["crates/qecho/tests/room/mod.rs:1"]
        );
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        let fires = |path, text| fires(names_say_something, &[(path, text)]);
        assert_eq!(
            fires("crates/a/src/utils.rs", ""),
            ["crates/a/src/utils.rs:1"]
        );
        assert_eq!(
            fires("crates/a/src/misc/b.rs", ""),
            ["crates/a/src/misc/b.rs:1"]
        );
        assert_eq!(
            fires("interop/peers/helpers.py", ""),
            ["interop/peers/helpers.py:1"]
        );
        assert_eq!(
            fires("crates/a/src/b.rs", "\npub(crate) mod common;"),
            ["crates/a/src/b.rs:2"]
        );
        assert!(fires("crates/a/src/b.rs", "mod utility; let shared = 1;").is_empty());
    }
}
