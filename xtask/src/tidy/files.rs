//! Rules on names and lengths of files, and on what a manifest names.

use super::{Finding, Tree};

const LINES_WARN: usize = 400;
const LINES_MAX: usize = 600;

/// Names of modules that would collect everything; `mod` is clippy's in sources, but not in tests.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "misc", "helper", "helpers", "shared", "mod",
];

/// Crates that others use in tests alone, or that are the program: cargo-deny cannot tell.
const TESTED_WITH: &[&str] = &["qecho-netsim", "qecho-testkit"];
const USERS: &[&str] = &[
    "bench/",
    "crates/qecho-cli/",
    "crates/qecho-testkit/",
    "fuzz/",
];

/// Asks to split a file that cannot be read in one go.
pub(super) fn are_short(tree: &Tree) -> Vec<Finding> {
    let long = sources(tree).filter_map(|(path, text)| {
        let lines = text.lines().count();
        let message = format!("{lines} lines: split it (200 are good, {LINES_MAX} the most)");
        (lines > LINES_WARN).then(|| Finding {
            is_error: lines > LINES_MAX,
            ..Finding::error(path, lines, message)
        })
    });
    long.collect()
}

/// Refuses names that say nothing of what a module is for.
pub(super) fn have_names_that_say_something(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _) in sources(tree) {
        let stems = path.split('/').filter_map(|part| part.split('.').next());
        findings.extend(stems.filter(|stem| EMPTY_NAMES.contains(stem)).map(|stem| {
            let message = format!("`{stem}` says nothing: name the module after what it is for");
            Finding::error(path, 1, message)
        }));
    }
    findings
}

/// Refuses a version in the root manifest that no member uses, and in libraries what is for tests.
pub(super) fn manifests_name_only_what_is_used(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.iter();
    let members = manifests.filter(|(path, _)| path.ends_with("/Cargo.toml"));
    let names = |text: &str, name: &str| {
        let key = |line: &str| line.split(['.', '=', ' ']).next() == Some(name);
        text.lines().any(key)
    };
    let mut findings = Vec::new();
    let root = tree.get("Cargo.toml").map_or("", String::as_str);
    let mut versions = (1..).zip(root.lines());
    versions.find(|(_, line)| *line == "[workspace.dependencies]");
    for (line, text) in versions.take_while(|(_, line)| !line.starts_with('[')) {
        let name = text.split(' ').next().unwrap_or_default();
        if !name.is_empty() && !members.clone().any(|(_, text)| names(text, name)) {
            let message = format!("no member uses {name}: remove the line");
            findings.push(Finding::error("Cargo.toml", line, message));
        }
    }
    for (path, text) in members.filter(|(path, _)| !USERS.iter().any(|it| path.starts_with(it))) {
        let library = text.split("[dev-dependencies]").next().unwrap_or_default();
        for name in TESTED_WITH.iter().filter(|name| names(library, name)) {
            let message = format!("{name} is for tests here: make it a dev-dependency");
            findings.push(Finding::error(path, 1, message));
        }
    }
    findings
}

fn sources(tree: &Tree) -> impl Iterator<Item = (&String, &String)> {
    tree.iter()
        .filter(|(path, _)| path.ends_with(".rs") || path.ends_with(".py"))
}

#[cfg(test)]
mod tests {
    use super::super::fires;
    use super::*;

    #[test]
    fn a_long_file_warns_and_a_very_long_one_fails() {
        let is_error = |lines: usize| {
            let tree = Tree::from([("a.rs".to_owned(), "\n".repeat(lines))]);
            are_short(&tree).first().map(|finding| finding.is_error)
        };
        let expected = [None, Some(false), Some(false), Some(true)];
        assert_eq!([400, 401, 600, 601].map(is_error), expected);
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        let rule = have_names_that_say_something;
        for path in [
            "crates/a/src/utils.rs",
            "crates/a/src/misc/b.rs",
            "interop/peers/helpers.py",
            "crates/qecho/tests/room/mod.rs",
        ] {
            assert_eq!(fires(rule, &[(path, "")]), [format!("{path}:1")]);
        }
        assert!(fires(rule, &[("crates/qecho/src/modest.rs", "")]).is_empty());
    }

    #[test]
    fn a_version_that_nobody_uses_is_found() {
        let root = "[workspace.dependencies]\nbytes = \"1\"\nrand = \"0\"\n\n[lints]\na = 1";
        let member = "[dependencies]\nbytes.workspace = true";
        let files = [("Cargo.toml", root), ("crates/qecho/Cargo.toml", member)];
        let found = fires(manifests_name_only_what_is_used, &files);
        assert_eq!(found, ["Cargo.toml:3"]);
    }

    #[test]
    fn what_is_for_tests_is_found_in_a_library() {
        let fires = |path, text| fires(manifests_name_only_what_is_used, &[(path, text)]).len();
        let measure = "crates/qecho-measure/Cargo.toml";
        let used = "[dependencies]\nqecho-netsim.workspace = true";
        let tested_with = "[dependencies]\na = 1\n[dev-dependencies]\nqecho-netsim = 1";
        assert_eq!(fires(measure, used), 1);
        assert_eq!(fires(measure, tested_with), 0);
        assert_eq!(fires("crates/qecho-cli/Cargo.toml", used), 0);
    }
}
