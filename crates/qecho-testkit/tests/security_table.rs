//! The tables of docs/security.md name limits and tests that are there.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// A row of the tables: an attack with the names of its limits and of its tests.
struct Row {
    attack: String,
    limits: Vec<String>,
    tests: Vec<String>,
}

#[test]
fn every_limit_and_test_that_the_security_page_names_exists() {
    let sources = sources();
    let (limits, tests) = (constants(&sources), tests(&sources));
    let rows = rows();
    assert!(rows.len() > 30, "{} rows", rows.len());
    for Row {
        attack,
        limits: named,
        tests: shown_by,
    } in &rows
    {
        assert!(!shown_by.is_empty(), "no test shows: {attack}");
        for name in named {
            assert!(limits.contains(name), "{attack}: there is no limit {name}");
        }
        for name in shown_by {
            assert!(tests.contains(name), "{attack}: there is no test {name}");
        }
    }
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("../..").canonicalize().expect("it is there")
}

/// Reads the tables whose last columns are limits and tests.
fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("the page is there");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').collect();
        let &[attack, _, limits, tests] = cells.as_slice() else {
            panic!("four columns are expected: {line}");
        };
        (attack.trim() != "attack").then(|| Row {
            attack: attack.trim().to_owned(),
            limits: quoted(limits),
            tests: quoted(tests),
        })
    });
    rows.collect()
}

/// Returns what stands between backquotes.
fn quoted(cell: &str) -> Vec<String> {
    let parts = cell.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// Reads all Rust sources of the crates.
fn sources() -> Vec<String> {
    let mut folders = vec![root().join("crates")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it is a folder") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(fs::read_to_string(&path).expect("it is text"));
            }
        }
    }
    sources
}

/// Returns the names of all constants.
fn constants(sources: &[String]) -> HashSet<String> {
    names(sources, |line| {
        let line = line.trim_start();
        let visibilities = ["pub ", "pub(crate) ", "pub(super) "].into_iter();
        let mut shown = visibilities.filter_map(|visibility| line.strip_prefix(visibility));
        let line = shown.next().unwrap_or(line);
        line.strip_prefix("const ")?.split(':').next()
    })
}

/// Returns the names of all functions that are tests.
fn tests(sources: &[String]) -> HashSet<String> {
    let mut is_test = false;
    names(sources, |line| {
        let line = line.trim_start();
        if line == "#[test]" {
            is_test = true;
        }
        let name = line.strip_prefix("fn ")?.split('(').next()?;
        std::mem::take(&mut is_test).then_some(name)
    })
}

fn names(sources: &[String], mut name: impl FnMut(&'_ str) -> Option<&'_ str>) -> HashSet<String> {
    let lines = sources.iter().flat_map(|source| source.lines());
    lines
        .filter_map(|line| name(line).map(str::to_owned))
        .collect()
}
