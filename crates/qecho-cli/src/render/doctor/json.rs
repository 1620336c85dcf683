//! Findings of the doctor, as JSON.

use std::io::{self, Write};

use qecho_probe::doctor::{Finding, RungReport};

use super::{Diagnosis, Outcome};
use crate::render::Object;

/// Writes what was seen on a rung, of this server if of any.
pub(crate) fn rung_line(
    target: Option<&str>,
    report: &RungReport,
    out: &mut dyn Write,
) -> io::Result<()> {
    Object::event("rung")
        .with("target", target)
        .with("name", report.rung.name())
        .with("result", report.result.name())
        .with("lines", &report.lines)
        .with("facts", &report.facts)
        .line(out)
}

/// Writes what it comes to: the last line.
pub(super) fn summary_line(diagnosis: &Diagnosis, out: &mut dyn Write) -> io::Result<()> {
    let report = &diagnosis.report;
    let outcome = diagnosis.outcome();
    let first = match report.verdict() {
        Some(finding) => of_finding(finding),
        None => without_finding(diagnosis),
    };
    let others: Vec<_> = diagnosis.others().map(of_finding).collect();
    Object::event("summary")
        .with_schema()
        .with("target", &diagnosis.target)
        .with("outcome", outcome.name())
        .with("partial", diagnosis.is_partial)
        .and(first)
        .with("others", others)
        .with("untried", diagnosis.untried())
        .with_some("control", control(diagnosis))
        .line(out)
}

fn of_finding(finding: &Finding) -> Object {
    let or_else = finding.or_else.as_ref();
    let or_else = or_else.map(|(cause, told_apart_by)| {
        Object::default()
            .with("cause", cause.name())
            .with("told_apart_by", told_apart_by)
    });
    Object::default()
        .with("cause", finding.cause.name())
        .with("sentence", &finding.sentence)
        .with("advice", &finding.advice)
        .with("evidence", &finding.evidence)
        .with_some("or_else", or_else)
}

fn without_finding(diagnosis: &Diagnosis) -> Object {
    debug_assert_ne!(diagnosis.outcome(), Outcome::Cause);
    Object::default()
        .with("cause", None::<&str>)
        .with("sentence", diagnosis.conclusion())
        .with("advice", None::<&str>)
        .with("evidence", [""; 0])
}

fn control(diagnosis: &Diagnosis) -> Option<Object> {
    let control = diagnosis.control.as_ref()?;
    let cause = control.report.as_ref().and_then(|report| report.cause());
    let control = Object::default()
        .with("target", &control.host)
        .with("tried", control.report.is_some())
        .with("cause", cause.map(|cause| cause.name()))
        .with("side", diagnosis.side().map(|side| side.name()));
    Some(control)
}
