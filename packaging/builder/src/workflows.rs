//! What runs where the project is hosted: its files are valid, and give nobody more than they need.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use xtask::report::Report;
use xtask::{process, setup, workspace};

use crate::{folder, logged, pages, tried};

const INSTALL_LIMIT: Duration = Duration::from_secs(300);
const CHECK_LIMIT: Duration = Duration::from_secs(120);

/// Finds what an attacker could use.
const ZIZMOR: &str = "zizmor==1.32.0";
/// Knows the form of the files.
const ACTION_VALIDATOR: [&str; 2] = [
    "@action-validator/core@0.6.0",
    "@action-validator/cli@0.6.0",
];

/// Checks all of them.
pub(crate) fn run() -> Result<Report> {
    let workflows = pages::files(&workspace::root().join(".github/workflows"))?;
    let tools = folder().join("workflow-tools");
    let validator = tools.join("node_modules/.bin/action-validator");
    let zizmor = tools.join("python/bin/zizmor");
    if !validator.is_file() || !zizmor.is_file() {
        setup::obtain(&setup::INTERPRETERS)?;
        workspace::empty(&tools)?;
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--no-save",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ]);
        npm.arg("--prefix").arg(&tools).args(ACTION_VALIDATOR);
        logged("workflows", npm, INSTALL_LIMIT)?;
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(tools.join("python"));
        logged("workflows", venv, INSTALL_LIMIT)?;
        let mut pip = Command::new(tools.join("python/bin/pip"));
        pip.args(["install", "--no-input", "--only-binary", ":all:", ZIZMOR]);
        logged("workflows", pip, INSTALL_LIMIT)?;
    }
    for workflow in &workflows {
        let mut check = Command::new(&validator);
        check.arg(workflow);
        logged("workflows", check, CHECK_LIMIT)?;
    }
    let mut check = Command::new(zizmor);
    check
        .args(["--offline", "--no-progress", "--persona", "regular"])
        .args(&workflows);
    println!("{}", process::line(&check));
    logged("workflows", check, CHECK_LIMIT)?;
    Ok(tried(workflows.len() as u64))
}
