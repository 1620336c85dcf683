//! Checks in order, then a table, for `cargo xtask ci` and `cargo xtask dist`.
//!
//! A check that fails does not keep the others from running, unless they need what it makes.

use std::io::{self, Write};

use anyhow::Result;

use crate::report::Report;
use crate::{Outcome, clock};

/// Name of a check, name of the one that must have passed before, and what it does; an error
/// fails it.
pub type Check = (&'static str, &'static str, Run);
/// What a check does.
pub type Run = fn() -> Result<Report>;

/// Name of the check that all others stand on: nothing could run without it.
pub const SETUP: &str = "setup";

/// Line of the table.
#[derive(Debug)]
struct Row {
    check: &'static str,
    /// Verdict, with the number of tests that ran.
    ran: String,
    is_bad: bool,
    seconds: f64,
}

/// Runs checks and writes the table; with `require_all` one that cannot run on this platform
/// fails. Returns also how many tests passed and failed in them.
///
/// # Errors
/// Stdout takes nothing.
pub fn run(checks: &[Check], require_all: bool) -> Result<(Outcome, u64, u64)> {
    let mut rows: Vec<Row> = Vec::new();
    let (mut passed, mut failed) = (0, 0);
    for check in checks {
        let not_run = missing_ground(check, &rows).map(|row| (row, Report::default()));
        let (row, report) = not_run.unwrap_or_else(|| run_one(check, require_all));
        passed += report.passed;
        failed += report.failed;
        rows.push(row);
    }
    write(&rows, &mut io::stdout().lock())?;
    Ok((outcome(&rows), passed, failed))
}

fn run_one(&(check, _, run): &Check, require_all: bool) -> (Row, Report) {
    println!("\n== {check}");
    let start = clock::now();
    let report = run().unwrap_or_else(|error| Report::failure(format!("{error:#}")));
    let reason = report.reason(require_all);
    if let Some(reason) = reason {
        println!("== {check}: FAILED: {reason}");
    }
    let row = Row {
        check,
        ran: ran(&report, reason),
        is_bad: reason.is_some(),
        seconds: start.elapsed().as_secs_f64(),
    };
    (row, report)
}

/// Returns what ran in words, and why it failed if it did.
fn ran(report: &Report, reason: Option<&str>) -> String {
    let first = reason.map_or("ok", |reason| reason.lines().next().unwrap_or_default());
    let counted = match (report.passed, report.failed) {
        (0, 0) => first.to_owned(),
        (passed, failed) => format!("{passed} passed, {failed} failed"),
    };
    match (reason, &report.not_here) {
        (Some(_), _) => format!("FAILED: {counted}"),
        (None, Some(what)) => format!("{counted}; not on this platform: {what}"),
        (None, None) => counted,
    }
}

/// Returns the row of a check that does not run, since the one that it stands on did not pass.
fn missing_ground(&(check, needs, _): &Check, rows: &[Row]) -> Option<Row> {
    let fell = rows.iter().any(|row| row.check == needs && row.is_bad);
    fell.then(|| Row {
        check,
        ran: format!("NOT RUN: {needs} failed"),
        is_bad: true,
        seconds: 0.0,
    })
}

fn outcome(rows: &[Row]) -> Outcome {
    match rows.iter().find(|row| row.is_bad) {
        None => Outcome::Good,
        Some(row) if row.check == SETUP => Outcome::CouldNotRun,
        Some(_) => Outcome::Bad,
    }
}

/// Writes the table: check, ran, seconds.
fn write(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let width = |cell: fn(&Row) -> &str, title: &str| {
        let cells = rows.iter().map(cell).chain([title]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let first = width(|row| row.check, "check");
    let second = width(|row| &row.ran, "ran");
    writeln!(out, "\n{:first$}  {:second$}  seconds", "check", "ran")?;
    for row in rows {
        let (check, ran) = (row.check, &row.ran);
        writeln!(out, "{check:first$}  {ran:second$}  {:7.1}", row.seconds)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(check: &'static str, ran: &str, is_bad: bool, seconds: f64) -> Row {
        Row {
            check,
            ran: ran.to_owned(),
            is_bad,
            seconds,
        }
    }

    fn is_bad(run: Run, require_all: bool) -> bool {
        run_one(&("sample", "", run), require_all).0.is_bad
    }

    #[test]
    fn a_check_whose_ground_failed_does_not_run() {
        let rows = [row("build", "", true, 0.0)];
        let passes: Run = || Ok(Report::default());
        let not_run = missing_ground(&("sample", "build", passes), &rows).expect("it must not run");
        assert_eq!(not_run.ran, "NOT RUN: build failed");
        assert!(not_run.is_bad);
        assert!(missing_ground(&("sample", "other", passes), &rows).is_none());
    }

    #[test]
    fn a_check_that_is_not_for_this_platform_fails_only_when_all_are_required() {
        let sample: Run = || Ok(Report::not_here("no ngtcp2"));
        assert!(!is_bad(sample, false));
        assert!(is_bad(sample, true));
    }

    #[test]
    fn failed_tests_fail_the_check() {
        let failed: Run = || Ok(Report::default().count("test result: F. 8 passed; 1 failed"));
        assert!(is_bad(failed, false));
    }

    #[test]
    fn a_failure_shows_in_the_exit_status() {
        let passed = || row("format", "ok", false, 0.0);
        assert_eq!(outcome(&[passed()]), Outcome::Good);
        assert_eq!(outcome(&[passed(), row("x", "", true, 0.0)]), Outcome::Bad);
        assert_eq!(outcome(&[row(SETUP, "", true, 0.0)]), Outcome::CouldNotRun);
    }

    #[test]
    fn the_table_shows_what_ran_what_failed_and_what_could_not() {
        let failed = Report::failure("exit status: 101\nmore");
        let passed = Report::default().count("test result: ok. 14 passed; 0 failed");
        let partial = Report::not_here("gtlsclient").count("test result: ok. 14 passed; 0 failed");
        let rows = [
            row("format", &ran(&Report::default(), None), false, 0.52),
            row("clippy", &ran(&failed, failed.reason(false)), true, 12.0),
            row("interop", &ran(&partial, None), false, 51.0),
            row("CLI", &ran(&passed, Some("tests failed")), true, 2.0),
            row("demo", "NOT RUN: release build failed", true, 0.0),
        ];
        let mut out = Vec::new();
        write(&rows, &mut out).expect("a vector takes everything");
        let expected = "
check    ran                                                    seconds
format   ok                                                         0.5
clippy   FAILED: exit status: 101                                  12.0
interop  14 passed, 0 failed; not on this platform: gtlsclient     51.0
CLI      FAILED: 14 passed, 0 failed                                2.0
demo     NOT RUN: release build failed                              0.0
";
        assert_eq!(String::from_utf8(out).expect("names are UTF-8"), expected);
    }
}
