//! Reports as JUnit XML, which build servers read.

use std::io::{self, Write};

use super::{
    Origin,
    escape::{escaped, escaped_attribute},
    text,
};
use crate::conform::{Comparison, Report, Row, Verdict};

/// Writes a suite for each peer and a case for each requirement. What is broken has failed, or
/// what is worse than was expected, if that is compared; what was not judged is skipped, and an
/// error where the peer was lost.
///
/// # Errors
/// If it cannot be written.
pub fn junit(
    reports: &[Report],
    comparison: Option<&Comparison<'_>>,
    origin: &Origin,
    out: &mut dyn Write,
) -> io::Result<()> {
    let suites = reports.iter().map(|report| {
        let rows = report.rows.iter();
        rows.map(|row| (row, Outcome::of(report, row, comparison)))
            .collect::<Vec<_>>()
    });
    let suites: Vec<_> = suites.collect();
    writeln!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"qecho conform\" {}>",
        attributes(suites.iter().flatten())
    )?;
    for (report, cases) in reports.iter().zip(&suites) {
        writeln!(
            out,
            "  <testsuite name=\"{}\" {} timestamp=\"{}\" time=\"{}\">",
            escaped_attribute(&report.target),
            attributes(cases.iter()),
            escaped_attribute(&origin.began),
            seconds(report.rows.iter()),
        )?;
        for (row, outcome) in cases {
            case(report, row, *outcome, origin, out)?;
        }
        if report.is_partial {
            let conclusion = escaped(&text::conclusion(report));
            writeln!(out, "    <system-err>{conclusion}</system-err>")?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

/// What a build server makes of a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Error,
    Skipped,
}

impl Outcome {
    fn of(report: &Report, row: &Row, comparison: Option<&Comparison<'_>>) -> Self {
        let verdict = row.verdict();
        let is_broken = matches!(verdict, Verdict::Fail | Verdict::Crashed);
        let is_this = |other: &Row| other.requirement.id == row.requirement.id;
        let has_failed = comparison.map_or(is_broken, |comparison| {
            comparison.worse.iter().any(|(worse, _)| is_this(worse))
        });
        let first_lost = || {
            let mut rows = report.rows.iter();
            rows.find(|row| row.verdict() == Verdict::NotReached)
        };
        match verdict {
            _ if has_failed => Self::Failed,
            Verdict::NotReached if report.lost.is_some() && first_lost().is_some_and(is_this) => {
                Self::Error
            }
            Verdict::NotReached | Verdict::NotApplicable | Verdict::Unsteady => Self::Skipped,
            _ => Self::Passed,
        }
    }
}

fn case(
    report: &Report,
    row: &Row,
    outcome: Outcome,
    origin: &Origin,
    out: &mut dyn Write,
) -> io::Result<()> {
    let requirement = row.requirement;
    write!(
        out,
        "    <testcase name=\"{} {}\" classname=\"{}\" time=\"{}\"",
        requirement.id,
        escaped_attribute(requirement.stimulus),
        escaped_attribute(&requirement.section.to_string()),
        seconds(std::iter::once(row)),
    )?;
    let seen = escaped(&row.finding.seen);
    let message = escaped_attribute(&row.finding.seen);
    let verdict = row.verdict();
    match outcome {
        Outcome::Passed if verdict == Verdict::Pass => return writeln!(out, "/>"),
        Outcome::Passed => writeln!(out, ">\n      <system-out>{verdict}: {seen}</system-out>")?,
        Outcome::Failed => writeln!(
            out,
            ">\n      <failure type=\"{verdict}\" message=\"{message}\">{} {}: {}\nexpected: {}\n\
             seen: {seen}\n{}\nagain: {}</failure>",
            requirement.section,
            requirement.level.as_str(),
            escaped(requirement.text),
            escaped(requirement.expected),
            requirement.section.link(),
            escaped(&origin.again(report, row)),
        )?,
        Outcome::Error => {
            let lost = escaped_attribute(report.lost.as_deref().unwrap_or_default());
            writeln!(
                out,
                ">\n      <error message=\"the peer is lost: {lost}\"/>"
            )?;
        }
        Outcome::Skipped => {
            writeln!(out, ">\n      <skipped message=\"{verdict}: {message}\"/>")?;
        }
    }
    writeln!(out, "    </testcase>")
}

fn attributes<'a>(cases: impl Iterator<Item = &'a (&'a Row, Outcome)>) -> String {
    let outcomes: Vec<_> = cases.map(|(_, outcome)| *outcome).collect();
    let count = |of| outcomes.iter().filter(|outcome| **outcome == of).count();
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        outcomes.len(),
        count(Outcome::Failed),
        count(Outcome::Error),
        count(Outcome::Skipped),
    )
}

fn seconds<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let took: std::time::Duration = rows.map(|row| row.finding.took).sum();
    format!("{:.3}", took.as_secs_f64())
}
