//! Reports as JSON, an object a line.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use qecho_packet::text;
use serde::Serialize;

use crate::conform::{
    Change, Counts, Expectations, Outcome, Report, Requirement, Row, SUITE, Verdict,
};

#[derive(Serialize)]
struct RowLine<'a> {
    event: &'static str,
    time: &'a str,
    target: &'a str,
    id: &'static str,
    rfc: String,
    level: &'static str,
    verdict: &'static str,
    stimulus: &'static str,
    expected: &'static str,
    seen: &'a str,
    link: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_verdict: Option<&'static str>,
}

#[derive(Serialize)]
struct Summary<'a> {
    event: &'static str,
    time: &'a str,
    schema: u32,
    suite: u32,
    outcome: &'static str,
    partial: bool,
    requirements: usize,
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<BTreeMap<&'static str, usize>>,
    targets: Vec<TargetLine<'a>>,
}

#[derive(Serialize)]
struct TargetLine<'a> {
    target: &'a str,
    outcome: &'static str,
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<&'a str>,
}

#[derive(Serialize)]
struct ListedLine<'a> {
    event: &'static str,
    time: &'a str,
    schema: u32,
    suite: u32,
    id: &'static str,
    rfc: String,
    level: &'static str,
    side: String,
    text: &'static str,
    stimulus: &'static str,
    expected: &'static str,
    link: String,
}

/// Writes a verdict as it comes, beside what was expected if anything was. `time` is now (RFC
/// 3339).
///
/// # Errors
/// If it cannot be written.
pub fn json_row(
    target: &str,
    row: &Row,
    expectations: Option<&Expectations>,
    time: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let requirement = row.requirement;
    let written = RowLine {
        event: "requirement",
        time,
        target,
        id: requirement.id,
        rfc: requirement.section.to_string(),
        level: requirement.level.as_str(),
        verdict: row.verdict().as_str(),
        stimulus: requirement.stimulus,
        expected: requirement.expected,
        seen: &row.finding.seen,
        link: requirement.section.link(),
        comparison: expectations.map(|all| all.change(row).as_str()),
        expected_verdict: expectations
            .and_then(|all| all.expected(row))
            .map(Verdict::as_str),
    };
    line(&written, out)
}

/// Writes what all verdicts come to, beside what was expected if anything was; `outcome` is the
/// one by which the program ends, `schema` the version of its JSON. `time` is now (RFC 3339).
///
/// # Errors
/// If it cannot be written.
pub fn json_summary(
    reports: &[Report],
    expectations: Option<&Expectations>,
    outcome: Outcome,
    schema: u32,
    time: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = || reports.iter().flat_map(|report| &report.rows);
    let counts: Counts = rows().map(Row::verdict).collect();
    let summary = Summary {
        event: "summary",
        time,
        schema,
        suite: SUITE,
        outcome: word(outcome),
        partial: reports.iter().any(|report| report.is_partial),
        requirements: counts.total(),
        counts,
        comparison: expectations.map(|all| {
            let changes: Vec<_> = rows().map(|row| all.change(row)).collect();
            let count = |of| changes.iter().filter(|change| **change == of).count();
            Change::ALL.map(|of| (of.as_str(), count(of))).into()
        }),
        targets: reports.iter().map(TargetLine::new).collect(),
    };
    line(&summary, out)
}

/// Writes what would be tried, an object a requirement; `schema` is the version of the program's
/// JSON, `time` is now (RFC 3339).
///
/// # Errors
/// If it cannot be written.
pub fn json_requirements(
    rows: &[&Requirement],
    schema: u32,
    time: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    rows.iter().try_for_each(|row| {
        let listed = ListedLine {
            event: "listed",
            time,
            schema,
            suite: SUITE,
            id: row.id,
            rfc: row.section.to_string(),
            level: row.level.as_str(),
            side: row.side.to_string(),
            text: row.text,
            stimulus: row.stimulus,
            expected: row.expected,
            link: row.section.link(),
        };
        line(&listed, out)
    })
}

impl<'a> TargetLine<'a> {
    fn new(report: &'a Report) -> Self {
        Self {
            target: &report.target,
            outcome: word(report.outcome()),
            counts: report.counts(),
            lost: report.lost.as_deref(),
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "kept",
        Outcome::Broken => "broken",
        Outcome::NothingReached => "nothing_reached",
    }
}

/// Writes a line at once.
pub(crate) fn line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    // JSON escapes few characters, and what a peer has said is in it.
    text::escape_json(&mut line);
    line.push(b'\n');
    out.write_all(&line)
}
