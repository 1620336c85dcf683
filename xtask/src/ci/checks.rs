//! The checks of `cargo xtask ci`, in the order in which they run.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Options;
use super::table::Verdict;
use crate::interop::Stage;
use crate::process::{self, Ended};
use crate::totals::Totals;
use crate::{Outcome, deny, format, instructions, interop, setup, tidy, workspace};

const BUILD_LIMIT: Duration = Duration::from_secs(900);
const TEST_LIMIT: Duration = Duration::from_secs(900);
const DEMO_LIMIT: Duration = Duration::from_secs(30);

const DEMO_LAST_LINE: &str = "ok: 3 of 3 echoes identical (stream, uni, datagram)";

/// The check that all others stand on.
pub(crate) const SETUP: &str = "setup";
const RELEASE_BUILD: &str = "release build";

/// One row of the table.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// The checks that must have passed before.
    pub(crate) needs: &'static [&'static str],
    pub(crate) run: Run,
}

/// Runs a check; an error fails it.
pub(crate) type Run = fn(&Options) -> Result<(Verdict, Totals)>;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: SETUP,
        needs: &[],
        run: |_| settle(setup::run()?),
    },
    Check {
        name: "format",
        needs: &[SETUP],
        run: |_| expect_success(format::check()?),
    },
    Check {
        name: "clippy",
        needs: &[SETUP],
        run: |_| clippy(),
    },
    Check {
        name: "tidy",
        needs: &[SETUP],
        run: |_| settle(tidy::run()?),
    },
    Check {
        name: "docs",
        needs: &[SETUP],
        run: |_| docs(),
    },
    Check {
        name: "unit and simulation",
        needs: &[SETUP],
        run: |_| test(&["--workspace", "--exclude", "qecho", "--tests", "--examples"]),
    },
    Check {
        name: "CLI",
        needs: &[SETUP],
        run: |_| test(&["--package", "qecho", "--tests", "--examples"]),
    },
    Check {
        name: "doc tests",
        needs: &[SETUP],
        run: |_| test_if_any(&["--workspace", "--doc"]),
    },
    Check {
        name: RELEASE_BUILD,
        needs: &[SETUP],
        run: |_| release_build(),
    },
    Check {
        name: "demo",
        needs: &[SETUP, RELEASE_BUILD],
        run: |_| demo(),
    },
    Check {
        name: "interop",
        needs: &[SETUP, RELEASE_BUILD],
        run: |_| interop(),
    },
    Check {
        name: "instructions",
        needs: &[SETUP, RELEASE_BUILD],
        run: |_| instructions(),
    },
    Check {
        name: "deny",
        needs: &[SETUP],
        run: |_| expect_success(deny::check()?),
    },
];

fn clippy() -> Result<(Verdict, Totals)> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    expect_success(process::run(workspace::cargo(&arguments), BUILD_LIMIT)?)
}

fn docs() -> Result<(Verdict, Totals)> {
    let mut command = workspace::cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    expect_success(process::run(command, BUILD_LIMIT)?)
}

/// Runs tests; a selection in which there are none has lost them somewhere.
fn test(selection: &[&str]) -> Result<(Verdict, Totals)> {
    let (verdict, totals) = test_if_any(selection)?;
    let verdict = match (verdict, totals) {
        (
            Verdict::Passed,
            Totals {
                passed: 0,
                failed: 0,
            },
        ) => Verdict::Failed("ran no test".to_owned()),
        (verdict, _) => verdict,
    };
    Ok((verdict, totals))
}

fn test_if_any(selection: &[&str]) -> Result<(Verdict, Totals)> {
    let mut command = workspace::cargo(&["test", "--locked", "--no-fail-fast"]);
    command.args(selection);
    let (ended, output) = process::tee(command, TEST_LIMIT)?;
    let (verdict, _) = expect_success(ended)?;
    Ok((verdict, Totals::read(&output)))
}

fn release_build() -> Result<(Verdict, Totals)> {
    let command = workspace::cargo(&["build", "--release", "--locked"]);
    expect_success(process::run(command, BUILD_LIMIT)?)
}

/// Runs the demonstration as a newcomer would, with no home to write to.
fn demo() -> Result<(Verdict, Totals)> {
    let stage = Stage::new("demo")?;
    let mut command = Command::new(workspace::release_binary());
    command.arg("demo");
    stage.move_in(&mut command);
    let (ended, output) = process::tee(command, DEMO_LIMIT)?;
    ensure!(ended.is_success(), "{ended}");
    let last = output.lines().last().unwrap_or_default();
    ensure!(
        last == DEMO_LAST_LINE,
        "its last line is {last:?}, not {DEMO_LAST_LINE:?}"
    );
    Ok((Verdict::Passed, Totals::default()))
}

fn interop() -> Result<(Verdict, Totals)> {
    let report = interop::run_cases(&interop::Options::default())?;
    let verdict = match report.not_here.is_empty() {
        true => Verdict::Passed,
        false => Verdict::NotHere(report.not_here.join(", ")),
    };
    Ok((verdict, report.totals))
}

fn instructions() -> Result<(Verdict, Totals)> {
    let report = instructions::check(&instructions::Options::default())?;
    let verdict = match (report.is_good(), report.not_here) {
        (false, _) => Verdict::Failed("see above".to_owned()),
        (true, Some(what)) => Verdict::NotHere(what),
        (true, None) => Verdict::Passed,
    };
    Ok((verdict, Totals::default()))
}

fn expect_success(ended: Ended) -> Result<(Verdict, Totals)> {
    let verdict = match ended.is_success() {
        true => Verdict::Passed,
        false => Verdict::Failed(ended.to_string()),
    };
    Ok((verdict, Totals::default()))
}

fn settle(outcome: Outcome) -> Result<(Verdict, Totals)> {
    let verdict = match outcome {
        Outcome::Good => Verdict::Passed,
        Outcome::Bad => Verdict::Failed("see above".to_owned()),
        Outcome::CouldNotRun => Verdict::Failed("something is missing, see above".to_owned()),
    };
    Ok((verdict, Totals::default()))
}
