//! Reports as tests want them.

use super::{Finding, Report, Requirement, Row, Verdict, requirements};

/// Returns the requirement that has this identifier.
pub(super) fn requirement(id: &str) -> &'static Requirement {
    requirements::all().find(|row| row.id == id).unwrap()
}

/// Makes a report of these verdicts.
pub(super) fn report(verdicts: &[(&str, Verdict)]) -> Report {
    let mut report = Report::new("localhost:4433");
    report.rows = verdicts
        .iter()
        .map(|(id, verdict)| row(id, *verdict))
        .collect();
    report
}

fn row(id: &str, verdict: Verdict) -> Row {
    Row {
        requirement: requirement(id),
        finding: Finding::new(verdict, format!("what is {verdict}")),
    }
}
