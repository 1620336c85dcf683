//! Reports as lines for people.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use qecho_packet::text;

use super::Origin;
use crate::conform::{
    Comparison, Counts, Matrix, MatrixRow, Outcome, Report, Requirement, Row, Verdict,
};

/// Verdicts that are told row by row, the worst first.
const TOLD: [Verdict; 4] = [
    Verdict::Crashed,
    Verdict::Fail,
    Verdict::Note,
    Verdict::Unsteady,
];
/// Verdicts that are told once for all rows that have the same reason.
const GROUPED: [Verdict; 2] = [Verdict::NotReached, Verdict::NotApplicable];
/// Columns of a verdict in a table.
const CELL: usize = 15;

/// Writes what one peer breaks, then what is to be noted, counts and a verdict. Lines are as long
/// as they are.
///
/// # Errors
/// If it cannot be written.
pub fn text(report: &Report, origin: &Origin, out: &mut dyn Write) -> io::Result<()> {
    for verdict in TOLD {
        for row in report.having(verdict) {
            writeln!(out, "{verdict:<10}{}", told(row))?;
            if verdict.is_broken() {
                writeln!(out, "{:10}{}", "", shown(&origin.again(report, row)))?;
            }
        }
    }
    for verdict in GROUPED {
        let mut groups = BTreeMap::<_, Vec<_>>::new();
        for row in report.having(verdict) {
            let ids = groups.entry(shown(&row.finding.seen)).or_default();
            ids.push(row.requirement.id);
        }
        for (seen, ids) in groups {
            writeln!(out, "{verdict}: {} ({seen})", ids.join(" "))?;
        }
    }
    for (rfc, counts) in report.counts_by_rfc() {
        writeln!(out, "{rfc}  {}", counted(&counts))?;
    }
    writeln!(out, "{}", conclusion(report))
}

/// Writes how a report compares with what was expected: what got worse first.
///
/// # Errors
/// If it cannot be written.
pub fn text_of_comparison(comparison: &Comparison<'_>, out: &mut dyn Write) -> io::Result<()> {
    for (row, then) in &comparison.worse {
        let verdict = row.verdict();
        writeln!(out, "worse     {verdict}, was {then}: {}", told(row))?;
    }
    for (row, then) in &comparison.better {
        let (verdict, id) = (row.verdict(), row.requirement.id);
        writeln!(out, "better    {verdict}, was {then}: {id}")?;
    }
    for row in &comparison.new {
        let (verdict, id) = (row.verdict(), row.requirement.id);
        writeln!(out, "new       {verdict}: {id}")?;
    }
    let worse = comparison.worse.len();
    match comparison.outcome() {
        Outcome::NothingReached => writeln!(out, "Nothing was reached: nothing can be compared."),
        Outcome::Kept => writeln!(out, "Nothing is worse than was expected."),
        Outcome::Broken => writeln!(out, "{} worse than expected.", requirements_are(worse)),
    }
}

/// Writes a table with a column for each peer; with `only_differences`, without the rows in which
/// they agree.
///
/// # Errors
/// If it cannot be written.
pub fn text_of_several(
    matrix: &Matrix,
    only_differences: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (number, report) in (1..).zip(matrix.reports()) {
        writeln!(out, "[{number}] {}", conclusion(report))?;
    }
    let mut head = format!("{:22}", "");
    for number in 1..=matrix.reports().len() {
        head += &format!("{:<CELL$}", format!("[{number}]"));
    }
    writeln!(out, "{}", head.trim_end())?;
    let is_shown = |row: &MatrixRow<'_>| !only_differences || row.differs();
    let mut shown = 0;
    for row in matrix.rows().filter(is_shown) {
        let requirement = row.requirement;
        let mut line = format!(
            "{:<5}{:<17}",
            requirement.id,
            requirement.section.to_string()
        );
        for cell in row.rows {
            let verdict = cell.map_or("–".into(), |row| row.verdict().to_string());
            line += &format!("{verdict:<CELL$}");
        }
        writeln!(out, "{}", line.trim_end())?;
        shown += 1;
    }
    match shown {
        0 if only_differences => writeln!(out, "They differ in nothing."),
        _ => Ok(()),
    }
}

/// Writes what would be tried, a line a requirement.
///
/// # Errors
/// If it cannot be written.
pub fn text_of_requirements(rows: &[&Requirement], out: &mut dyn Write) -> io::Result<()> {
    rows.iter().try_for_each(|row| {
        let (section, level) = (row.section.to_string(), row.level.as_str());
        writeln!(out, "{:<5}{section:<15}{level:<8}{}", row.id, row.stimulus)
    })
}

/// Writes what one requirement is, before its packets.
///
/// # Errors
/// If it cannot be written.
pub fn text_of_requirement(requirement: &Requirement, out: &mut dyn Write) -> io::Result<()> {
    let (id, section, level) = (requirement.id, requirement.section, requirement.level);
    writeln!(out, "--- {id} {section} {} ---", level.as_str())?;
    writeln!(out, "requirement  {}", requirement.text)?;
    writeln!(out, "link         {}", requirement.section.link())?;
    writeln!(out, "stimulus     {}", requirement.stimulus)
}

/// Writes what came of one requirement, behind its packets.
///
/// # Errors
/// If it cannot be written.
pub fn text_of_row(row: &Row, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "expected     {}", row.requirement.expected)?;
    writeln!(out, "seen         {}", shown(&row.finding.seen))?;
    writeln!(out, "verdict      {}", row.verdict())
}

fn told(row: &Row) -> String {
    let requirement = row.requirement;
    format!(
        "{} {} {}: {}. Seen: {}. Expected: {}",
        requirement.id,
        requirement.section,
        requirement.level.as_str(),
        requirement.stimulus,
        shown(&row.finding.seen),
        requirement.expected,
    )
}

/// Says in a sentence what a report comes to.
pub(super) fn conclusion(report: &Report) -> String {
    let target = shown(&report.target);
    let counts = report.counts();
    let partial = match report.is_partial {
        true => " It was stopped before all were tried.",
        false => "",
    };
    let outcome = report.outcome();
    let lost = match &report.lost {
        Some(why) if outcome == Outcome::NothingReached => format!(": {}.", shown(why)),
        None if outcome == Outcome::NothingReached => ".".into(),
        Some(why) => format!(" It was lost {}.", shown(why)),
        None => String::new(),
    };
    let sentence = match outcome {
        Outcome::NothingReached => format!("{target}: nothing was reached"),
        Outcome::Kept => {
            let kept = counts.of(Verdict::Pass) + counts.of(Verdict::Note);
            let of = match kept {
                1 => "1 requirement".into(),
                kept => format!("{kept} requirements"),
            };
            let rest = match counts.total() - kept {
                0 => String::new(),
                rest => format!("; {rest} could not be judged"),
            };
            format!("{target} breaks none of {of}{rest}.")
        }
        Outcome::Broken => {
            let broken = report.rows.iter().filter(|row| row.verdict().is_broken());
            let ids: Vec<_> = broken.map(|row| row.requirement.id).collect();
            let (count, total, ids) = (ids.len(), counts.total(), ids.join(", "));
            format!("{target} breaks {count} of {total} requirements: {ids}.")
        }
    };
    sentence + &lost + partial
}

/// Counts verdicts in words: `88 pass, 1 fail, 3 not reached`.
pub(super) fn counted(counts: &Counts) -> String {
    let parts = counts.nonzero();
    let parts: Vec<_> = parts
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect();
    parts.join(", ")
}

fn requirements_are(count: usize) -> String {
    match count {
        1 => "1 requirement is".into(),
        count => format!("{count} requirements are"),
    }
}

/// Makes what a peer has said one line that is safe to show.
pub(super) fn shown(words: &str) -> String {
    text::shown_lines(words).replace('\n', " ")
}
