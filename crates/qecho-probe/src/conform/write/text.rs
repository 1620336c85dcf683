//! Reports as lines for people.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    ops::Range,
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
/// Columns of an identifier, a section and a verdict in a table: the longest is "not applicable".
const ID: usize = 5;
const SECTION: usize = 17;
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
        grouped(report, verdict, "", out)?;
    }
    for (rfc, counts) in report.counts_by_rfc() {
        writeln!(out, "{rfc}  {}", counted(&counts))?;
    }
    writeln!(out, "{}", conclusion(report))
}

/// Writes the rows of one verdict, those that have the same reason in a line.
fn grouped(report: &Report, verdict: Verdict, begin: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for row in report.having(verdict) {
        let ids = groups.entry(shown(&row.finding.seen)).or_default();
        ids.push(row.requirement.id);
    }
    let mut groups = groups.into_iter();
    groups.try_for_each(|(seen, ids)| writeln!(out, "{begin}{verdict}: {} ({seen})", ids.join(" ")))
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
        Outcome::Broken => {
            let are = if worse == 1 { "is" } else { "are" };
            writeln!(out, "{} {are} worse than expected.", requirements(worse))
        }
    }
}

/// Writes a table with a column for each peer; with `only_differences`, without the rows in which
/// they agree. What does not fit into `width` columns stands in a further table.
///
/// # Errors
/// If it cannot be written.
pub fn text_of_several(
    matrix: &Matrix,
    only_differences: bool,
    width: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let reports = matrix.reports();
    for (number, report) in (1..).zip(reports) {
        writeln!(out, "[{number}] {}", conclusion(report))?;
        if report.outcome() != Outcome::NothingReached {
            // The table has the verdicts, and of these alone the reasons say more.
            for verdict in [Verdict::Unsteady, Verdict::NotReached] {
                grouped(report, verdict, "    ", out)?;
            }
        }
    }
    let is_shown = |row: &MatrixRow<'_>| !only_differences || row.differs();
    let rows: Vec<_> = matrix.rows().filter(is_shown).collect();
    if rows.is_empty() {
        return writeln!(out, "{}", agreement(matrix));
    }
    let width = width.unwrap_or(usize::MAX);
    // The section is in the list and in each other report.
    let has_section = ID + SECTION + reports.len() * CELL <= width;
    let first = if has_section { ID + SECTION } else { ID };
    let fitting = (width.saturating_sub(first) / CELL).max(1);
    let mut peers = 0..reports.len();
    while !peers.is_empty() {
        let of = peers.start..peers.end.min(peers.start.saturating_add(fitting));
        table(&rows, of.clone(), first, out)?;
        peers.start = of.end;
    }
    Ok(())
}

/// Writes the columns of some peers, with so many columns before the first.
fn table(
    rows: &[MatrixRow<'_>],
    peers: Range<usize>,
    first: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let heads = peers.clone().map(|peer| format!("[{}]", peer + 1));
    table_line("", heads, first, out)?;
    rows.iter().try_for_each(|row| {
        let requirement = row.requirement;
        let begin = match first {
            ID => requirement.id.to_owned(),
            _ => format!("{:<ID$}{}", requirement.id, requirement.section),
        };
        let cells = row.rows[peers.clone()].iter();
        let cells = cells.map(|cell| cell.map_or("–".into(), |row| row.verdict().to_string()));
        table_line(&begin, cells, first, out)
    })
}

fn table_line(
    begin: &str,
    cells: impl Iterator<Item = String>,
    first: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let cells: String = cells.map(|cell| format!("{cell:<CELL$}")).collect();
    writeln!(out, "{}", format!("{begin:<first$}{cells}").trim_end())
}

/// Says that peers differ in nothing, as far as they were judged.
fn agreement(matrix: &Matrix) -> String {
    let unjudged = matrix.rows().filter(|row| !row.is_judged()).count();
    match unjudged {
        0 => "They differ in nothing.".into(),
        count if count == matrix.rows().count() => {
            "Nothing was judged of all: there is nothing to compare.".into()
        }
        count => format!(
            "They differ in nothing that was judged of all; {} {} not.",
            requirements(count),
            if count == 1 { "was" } else { "were" }
        ),
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

/// Says in a line what was tried, seen and expected.
pub(crate) fn told(row: &Row) -> String {
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
    if report.rows.is_empty() && report.is_partial {
        return format!("{target}: it was stopped before anything was tried.");
    }
    let kept = counts.of(Verdict::Pass) + counts.of(Verdict::Note);
    let judged = kept + counts.of(Verdict::Fail) + counts.of(Verdict::Crashed);
    let rest = match counts.total() - judged {
        0 => String::new(),
        rest => format!("; {rest} could not be judged"),
    };
    let sentence = match outcome {
        Outcome::NothingReached => format!("{target}: nothing was reached"),
        Outcome::Kept if kept == 0 => format!("{target}: nothing could be judged."),
        Outcome::Kept => {
            let of = requirements(kept);
            format!("{target} breaks none of {of}{rest}.")
        }
        Outcome::Broken => {
            let broken = report.rows.iter().filter(|row| row.verdict().is_broken());
            let ids: Vec<_> = broken.map(|row| row.requirement.id).collect();
            let (count, ids) = (ids.len(), ids.join(", "));
            let of = requirements(judged);
            format!("{target} breaks {count} of {of}: {ids}{rest}.")
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

fn requirements(count: usize) -> String {
    text::counted(count as u64, "requirement")
}

/// Makes what a peer has said one line that is safe to show.
pub(crate) fn shown(words: &str) -> String {
    text::shown_lines(words).replace('\n', " ")
}
