//! The checks of `cargo xtask ci`, in the order in which they run, and the commands that make
//! some of them alone.

use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::home::Home;
use xtask::process::Ended;
use xtask::report::Report;
use xtask::sequence::{self, Check, SETUP};
use xtask::workspace::{BUILD_LIMIT, Profile};
use xtask::{Outcome, process, setup, workspace};

use crate::{instructions, interop, tidy};

const FORMAT_LIMIT: Duration = Duration::from_secs(60);
/// Time in which a test or what it is built of ends, on a machine that has much else to do.
const TEST_SILENCE_MAX: Duration = Duration::from_secs(900);
const DEMO_LIMIT: Duration = Duration::from_secs(30);
const DENY_LIMIT: Duration = Duration::from_secs(120);

const DEMO_LAST_LINE: &str = "ok: 3 of 3 echoes identical (stream, uni, datagram)";

const RELEASE_BUILD: &str = "release build";

const CHECKS: &[Check] = &[
    (SETUP, "", || setup::run().map(|()| Report::default())),
    ("format", SETUP, || format(&["--check"])),
    ("clippy", SETUP, clippy),
    ("tidy", SETUP, tidy::run),
    ("docs", SETUP, docs),
    ("tests", SETUP, tests),
    (RELEASE_BUILD, SETUP, release_build),
    ("demo", RELEASE_BUILD, demo),
    ("interop", RELEASE_BUILD, || {
        interop::run(&Default::default())
    }),
    ("instructions", RELEASE_BUILD, || {
        instructions::run(&Default::default())
    }),
    ("deny", SETUP, deny),
];

/// Runs all checks; with `require_all` one that cannot run on this platform fails.
pub(crate) fn run(require_all: bool) -> Result<Outcome> {
    let (outcome, passed, failed) = sequence::run(CHECKS, require_all)?;
    // The last line of all: other programs look for it.
    println!("\n{passed} passed, {failed} failed");
    Ok(outcome)
}

/// Formats the workspace and what stands outside of it, or looks whether they are; goes on after one
/// that is not as it should be, so that all are named.
pub(crate) fn format(arguments: &[&str]) -> Result<Report> {
    let entries = fs::read_dir(workspace::root().join("bench/peers"));
    let entries = entries.context("cannot read bench/peers")?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.push(workspace::root().join("fuzz/coverage"));
    folders.retain(|folder| folder.join("Cargo.toml").is_file());
    folders.push(workspace::root());
    folders.sort();
    let mut report = Report::default();
    for folder in folders {
        // A package alone is a workspace of one.
        let mut command = workspace::cargo(&["fmt", "--all"]);
        command.args(arguments).current_dir(folder);
        let ended = process::run(command, FORMAT_LIMIT)?;
        report.failure = report.failure.or(Report::from(ended).failure);
    }
    Ok(report)
}

fn clippy() -> Result<Report> {
    let mut command = workspace::cargo(&["clippy", "--workspace", "--all-targets", "--locked"]);
    // A feature that only packages need.
    command.args(["--features", "qecho/man-pages", "--", "-D", "warnings"]);
    Ok(process::run(command, BUILD_LIMIT)?.into())
}

fn docs() -> Result<Report> {
    let mut command = workspace::cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    Ok(process::run(command, BUILD_LIMIT)?.into())
}

/// Runs the tests of the whole workspace at once, examples and documentation with them: of a part
/// of it the same crates would be built again, with other features of what they stand on.
fn tests() -> Result<Report> {
    let mut command = workspace::cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    command.env("RUST_TEST_THREADS", test_threads(load()).to_string());
    let (ended, output) = process::tee(command, TEST_SILENCE_MAX)?;
    let mut report = Report::from(ended).count(&output);
    if let (Ended::Silent(_), Some(reason)) = (ended, &mut report.failure) {
        *reason += &format!("; running: {}", still_running(&output).join(", "));
    }
    ensure!(report.failure.is_some() || report.passed > 0, "ran no test");
    Ok(report)
}

/// Returns how many tests run beside each other: two for each core, as most wait for a process or a
/// silence; but one on a machine that has much else to do.
fn test_threads(load: Option<f64>) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let is_busy = load.is_some_and(|load| load > 2.0 * cores as f64);
    if is_busy { cores } else { 2 * cores }
}

/// Returns how many processes wanted to run in the last minute, where the system tells.
fn load() -> Option<f64> {
    let told = fs::read_to_string("/proc/loadavg").ok()?;
    told.split_whitespace().next()?.parse().ok()
}

/// Returns the tests that their runner has called slow and that have not ended since.
fn still_running(output: &str) -> Vec<&str> {
    let mut running = Vec::new();
    for line in output.lines().filter_map(|line| line.strip_prefix("test ")) {
        if let Some((name, _)) = line.split_once(" has been running for over ") {
            running.push(name);
        } else if let Some((ended, _)) = line.split_once(" ... ") {
            running.retain(|name| *name != ended);
        }
    }
    running
}

fn release_build() -> Result<Report> {
    let command = workspace::cargo(&["build", "--release", "--locked"]);
    Ok(process::run(command, BUILD_LIMIT)?.into())
}

/// Runs the demonstration as a newcomer would, with no home to write to.
fn demo() -> Result<Report> {
    let binary = Profile::Release.binary();
    let mut command = Command::new(&binary);
    Home::new("demo")?.confine(command.arg("demo"));
    let (ended, output) = process::tee(command, DEMO_LIMIT)?;
    ensure!(ended.is_success(), "{ended}");
    let last = output.lines().last().unwrap_or_default();
    let is_ok = last == DEMO_LAST_LINE;
    ensure!(is_ok, "its last line is {last:?}, not {DEMO_LAST_LINE:?}");
    Ok(Report::default())
}

/// Gates on licences, bans and sources, which needs no network.
pub(crate) fn deny() -> Result<Report> {
    cargo_deny(&["--offline", "check", "bans", "licenses", "sources"])
}

/// Gates on known vulnerabilities; alone, since an unchanged tree must not fail on a later day.
pub(crate) fn advisories() -> Result<Report> {
    cargo_deny(&["check", "advisories"])
}

fn cargo_deny(arguments: &[&str]) -> Result<Report> {
    let mut command = Command::new(setup::CARGO_DENY.path());
    command.args(arguments).current_dir(workspace::root());
    Ok(process::run(command, DENY_LIMIT)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_has_much_else_to_do_runs_half_as_many_tests_beside_each_other() {
        let usual = test_threads(None);
        assert_eq!(test_threads(Some(0.5)), usual);
        assert_eq!(2 * test_threads(Some(1e6)), usual);
    }

    #[test]
    fn tests_that_hang_are_named_and_those_that_were_only_slow_are_not() {
        let output = "test a::quick ... ok\n\
            test a::slow has been running for over 60 seconds\n\
            test a::hangs has been running for over 60 seconds\n\
            test a::slow ... ok\n";
        assert_eq!(still_running(output), ["a::hangs"]);
    }
}
