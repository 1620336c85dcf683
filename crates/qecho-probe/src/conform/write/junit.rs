//! Reports as JUnit XML, which build servers read.

use std::io::{self, Write};

use super::{Origin, escape::escaped};
use crate::conform::{Counts, Report, Row, Verdict};

/// Writes a suite for each peer and a case for each requirement. What is broken has failed; what
/// was not judged is skipped.
///
/// # Errors
/// If it cannot be written.
pub fn junit(reports: &[Report], origin: &Origin, out: &mut dyn Write) -> io::Result<()> {
    let rows = || reports.iter().flat_map(|report| &report.rows);
    let total = attributes(rows().map(Row::verdict).collect());
    writeln!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"qecho conform\" {total}>"
    )?;
    for report in reports {
        writeln!(
            out,
            "  <testsuite name=\"{}\" {} timestamp=\"{}\" time=\"{}\">",
            escaped(&report.target),
            attributes(report.counts()),
            escaped(&origin.began),
            seconds(report.rows.iter()),
        )?;
        for row in &report.rows {
            case(report, row, origin, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn case(report: &Report, row: &Row, origin: &Origin, out: &mut dyn Write) -> io::Result<()> {
    let requirement = row.requirement;
    write!(
        out,
        "    <testcase name=\"{} {}\" classname=\"{}\" time=\"{}\"",
        requirement.id,
        escaped(requirement.stimulus),
        escaped(&requirement.section.to_string()),
        seconds(std::iter::once(row)),
    )?;
    let seen = escaped(&row.finding.seen);
    let verdict = row.verdict();
    match verdict {
        Verdict::Pass => return writeln!(out, "/>"),
        Verdict::Note => writeln!(out, ">\n      <system-out>note: {seen}</system-out>")?,
        Verdict::Fail | Verdict::Crashed => writeln!(
            out,
            ">\n      <failure type=\"{verdict}\" message=\"{seen}\">{} {}: {}\nexpected: {}\n\
             seen: {seen}\n{}\nagain: {}</failure>",
            requirement.section,
            requirement.level.as_str(),
            escaped(requirement.text),
            escaped(requirement.expected),
            requirement.section.link(),
            escaped(&origin.again(report, row)),
        )?,
        Verdict::NotApplicable | Verdict::NotReached | Verdict::Unsteady => {
            writeln!(out, ">\n      <skipped message=\"{verdict}: {seen}\"/>")?;
        }
    }
    writeln!(out, "    </testcase>")
}

fn attributes(counts: Counts) -> String {
    let judged = [Verdict::Pass, Verdict::Note].map(|verdict| counts.of(verdict));
    let failures = counts.broken();
    let skipped = counts.total() - failures - judged.iter().sum::<usize>();
    format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"",
        counts.total()
    )
}

fn seconds<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let took: std::time::Duration = rows.map(|row| row.finding.took).sum();
    format!("{:.3}", took.as_secs_f64())
}
