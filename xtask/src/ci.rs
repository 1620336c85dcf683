//! `cargo xtask ci`: every check in order, then a table and the totals.
//!
//! A check that fails does not keep the others from running, unless they need what it makes.

mod checks;
mod table;

use std::io::{self, Write};

use anyhow::Result;

use self::checks::{CHECKS, Check};
use self::table::{Row, Verdict};
use crate::totals::Totals;
use crate::{Outcome, clock};

/// How strict the checks are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// A check that cannot run on this platform fails.
    pub(crate) require_all: bool,
}

/// Runs all checks.
pub(crate) fn run(options: &Options) -> Result<Outcome> {
    let mut rows: Vec<Row> = Vec::new();
    for check in CHECKS {
        let row = match missing_ground(check, &rows) {
            Some(ground) => Row::not_run(check.name, ground),
            None => run_one(check, options),
        };
        rows.push(row);
    }
    let totals = rows.iter().fold(Totals::default(), |mut sum, row| {
        sum += row.totals;
        sum
    });
    let mut out = io::stdout().lock();
    table::write(&rows, &mut out)?;
    // The last line of all: other programs look for it.
    writeln!(out, "{} passed, {} failed", totals.passed, totals.failed)?;
    Ok(outcome(&rows))
}

fn run_one(check: &Check, options: &Options) -> Row {
    println!("\n== {}", check.name);
    let start = clock::now();
    let (verdict, totals) = (check.run)(options)
        .unwrap_or_else(|error| (Verdict::Failed(format!("{error:#}")), Totals::default()));
    let verdict = match verdict {
        Verdict::Passed if totals.failed > 0 => Verdict::Failed("tests failed".to_owned()),
        Verdict::NotHere(what) if options.require_all => Verdict::Failed(what),
        verdict => verdict,
    };
    if let Verdict::Failed(reason) = &verdict {
        println!("== {}: FAILED: {reason}", check.name);
    }
    Row {
        check: check.name,
        verdict,
        totals,
        seconds: start.elapsed().as_secs_f64(),
    }
}

/// Returns the check that `check` stands on, if that one did not pass.
fn missing_ground(check: &Check, rows: &[Row]) -> Option<&'static str> {
    let fell = |ground: &&&str| {
        rows.iter()
            .any(|row| row.check == **ground && row.verdict.is_bad())
    };
    check.needs.iter().find(fell).copied()
}

fn outcome(rows: &[Row]) -> Outcome {
    let bad = |row: &&Row| row.verdict.is_bad();
    match rows.iter().find(bad) {
        None => Outcome::Good,
        Some(row) if row.check == checks::SETUP => Outcome::CouldNotRun,
        Some(_) => Outcome::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(check: &'static str, verdict: Verdict) -> Row {
        Row {
            check,
            verdict,
            totals: Totals::default(),
            seconds: 0.0,
        }
    }

    fn check(needs: &'static [&'static str], run: checks::Run) -> Check {
        Check {
            name: "sample",
            needs,
            run,
        }
    }

    #[test]
    fn a_check_whose_ground_failed_does_not_run() {
        let rows = [row("build", Verdict::Failed("no".to_owned()))];
        let passes: checks::Run = |_| Ok((Verdict::Passed, Totals::default()));
        assert_eq!(
            missing_ground(&check(&["build"], passes), &rows),
            Some("build")
        );
        assert_eq!(missing_ground(&check(&["other"], passes), &rows), None);
    }

    #[test]
    fn a_check_that_is_not_for_this_platform_fails_only_when_all_are_required() {
        let sample = check(&[], |_| {
            Ok((Verdict::NotHere("no ngtcp2".to_owned()), Totals::default()))
        });
        assert!(
            !run_one(&sample, &Options { require_all: false })
                .verdict
                .is_bad()
        );
        assert!(
            run_one(&sample, &Options { require_all: true })
                .verdict
                .is_bad()
        );
    }

    #[test]
    fn failed_tests_fail_the_check() {
        let sample = check(&[], |_| {
            Ok((
                Verdict::Passed,
                Totals {
                    passed: 8,
                    failed: 1,
                },
            ))
        });
        assert!(
            run_one(&sample, &Options { require_all: false })
                .verdict
                .is_bad()
        );
    }

    #[test]
    fn a_failure_shows_in_the_exit_status() {
        let passed = || row("format", Verdict::Passed);
        assert_eq!(outcome(&[passed()]), Outcome::Good);
        assert_eq!(
            outcome(&[passed(), row("x", Verdict::NotRun("build"))]),
            Outcome::Bad
        );
        let setup = row(checks::SETUP, Verdict::Failed(String::new()));
        assert_eq!(outcome(&[setup]), Outcome::CouldNotRun);
    }
}
