//! Reports as JSON, an object a line.

use std::io::{self, Write};

use qecho_packet::text;
use serde::Serialize;

use crate::conform::{Counts, Outcome, Report, Row, SUITE};

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

/// Writes a verdict as it comes. `time` is now (RFC 3339).
///
/// # Errors
/// If it cannot be written.
pub fn json_row(target: &str, row: &Row, time: &str, out: &mut dyn Write) -> io::Result<()> {
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
    };
    line(&written, out)
}

/// Writes what all verdicts come to; `outcome` is the one by which the program ends, `schema` the
/// version of its JSON. `time` is now (RFC 3339).
///
/// # Errors
/// If it cannot be written.
pub fn json_summary(
    reports: &[Report],
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
        targets: reports.iter().map(TargetLine::new).collect(),
    };
    line(&summary, out)
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
fn line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    // JSON escapes few characters, and what a peer has said is in it.
    text::escape_json(&mut line);
    line.push(b'\n');
    out.write_all(&line)
}
