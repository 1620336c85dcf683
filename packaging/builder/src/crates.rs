//! The crates as crates.io gets them: packed, told of, and compiled apart from the workspace.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::process;
use xtask::report::Report;
use xtask::workspace::{self, BUILD_LIMIT};

use crate::{QUICK, logged, tried};

const QUESTION_LIMIT: Duration = Duration::from_secs(60);

/// What a page of crates.io shows of a crate.
const TOLD: [&str; 6] = [
    "description",
    "repository",
    "readme",
    "license",
    "keywords",
    "categories",
];
/// What goes with each crate.
const FILES: [&str; 3] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Packs and compiles each crate that is published, on what the packages of the others have.
pub(crate) fn run() -> Result<Report> {
    let mut question = workspace::cargo(&["metadata", "--locked", "--no-deps"]);
    question.args(["--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&process::answer(question, QUESTION_LIMIT)?)?;
    let packages = metadata["packages"]
        .as_array()
        .context("metadata has packages")?;
    let published: Vec<&Value> = packages
        .iter()
        .filter(|it| it["publish"].is_null())
        .collect();
    let mut pack = workspace::cargo(&["package", "--locked", "--allow-dirty"]);
    for package in &published {
        let name = package["name"].as_str().context("a package has a name")?;
        for key in TOLD {
            let is_told = match &package[key] {
                Value::Array(words) => !words.is_empty(),
                value => value.is_string(),
            };
            ensure!(is_told, "{name} has no {key}");
        }
        pack.args(["--package", name]);
    }
    logged("crates", pack, BUILD_LIMIT)?;
    for package in &published {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let stem = format!("{}-{}", text("name"), text("version"));
        let archive = workspace::target().join(format!("package/{stem}.crate"));
        let mut list = Command::new("tar");
        list.args(["--list", "--gzip", "--file"]).arg(archive);
        let files = process::answer(list, QUICK)?;
        for file in FILES {
            let path = format!("{stem}/{file}");
            ensure!(files.lines().any(|it| it == path), "{stem} has no {file}");
        }
    }
    Ok(tried(published.len() as u64))
}
