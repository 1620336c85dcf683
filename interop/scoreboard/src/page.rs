//! The scoreboard in docs/conformance.md.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use qecho_probe::conform::{Requirement, SUITE, Side, Verdict};
use xtask::workspace;

use crate::trial::{self, Finding};
use crate::{Judged, readings};

/// Page that has the section, and the lines between which it stands.
const PAGE: &str = "docs/conformance.md";
const BEGIN: &str = "<!-- scoreboard: `cargo xtask conformance` writes what follows -->\n";
const END: &str = "<!-- end of the scoreboard -->\n";

/// Writes the section into the page.
///
/// # Errors
/// The page lacks its place, or cannot be written.
pub(crate) fn keep(section: &str) -> Result<()> {
    let file = workspace::root().join(PAGE);
    let page = fs::read_to_string(&file).with_context(|| format!("cannot read {PAGE}"))?;
    let page = replaced(&page, section);
    let page = page.with_context(|| format!("{PAGE} has no place for the scoreboard"))?;
    fs::write(&file, page).with_context(|| format!("cannot write {PAGE}"))
}

fn replaced(page: &str, section: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{section}\n{END}{after}"))
}

/// Returns the section.
pub(crate) fn section(judged: &[Judged]) -> String {
    let days: BTreeSet<&str> = crate::tried(judged)
        .map(|(_, it)| it.day.as_str())
        .collect();
    let suites: BTreeSet<u64> = crate::tried(judged).map(|(_, it)| it.suite).collect();
    debug_assert!(suites.iter().all(|suite| *suite == u64::from(SUITE)));
    let day = days.last().copied().unwrap_or("never");
    let mut out = format!("Judged on {day} by version {SUITE} of the requirements.\n");
    for side in [Side::Server, Side::Client] {
        let of_side = judged.iter().filter(|it| it.stack.side == side);
        let board = Board::new(side, of_side.collect());
        board.write(&mut out);
    }
    out
}

/// Stacks of one side, and the requirements that they were judged by.
struct Board<'a> {
    side: Side,
    judged: Vec<&'a Judged>,
    rows: Vec<&'static Requirement>,
}

impl<'a> Board<'a> {
    fn new(side: Side, judged: Vec<&'a Judged>) -> Self {
        let crashes = |row: &Requirement| {
            let verdicts = judged.iter().filter_map(|it| finding(it, row));
            verdicts
                .map(|it| it.verdict)
                .any(|it| it == Verdict::Crashed)
        };
        let is_judged =
            |row: &Requirement| judged.iter().any(|judged| finding(judged, row).is_some());
        let rows = trial::tried(side).filter(|row| is_judged(row) && !crashes(row));
        let rows = rows.collect();
        Self { side, judged, rows }
    }

    fn write(&self, out: &mut String) {
        let title = match self.side {
            Side::Server => "Servers",
            Side::Client => "Clients",
        };
        if self.judged.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n### {title}\n");
        self.write_stacks(out);
        let fails = self.rows.iter().filter(|row| self.has(row, Verdict::Fail));
        let fails: Vec<_> = fails.copied().collect();
        let is_noted = |row: &&&Requirement| {
            let noted = [Verdict::Note, Verdict::Unsteady];
            !self.has(row, Verdict::Fail) && noted.iter().any(|verdict| self.has(row, *verdict))
        };
        let notes: Vec<_> = self.rows.iter().filter(is_noted).copied().collect();
        let rest = self.rows.len() - fails.len() - notes.len();
        let _ = writeln!(
            out,
            "\nOf {} requirements {rest} are kept by all who were judged by them, {} are broken \
             by somebody, {} kept with a note.\n",
            self.rows.len(),
            fails.len(),
            notes.len()
        );
        self.write_table(&fails, out);
        if !notes.is_empty() {
            let _ = writeln!(out, "\nKept, but not as would be best:\n");
            self.write_table(&notes, out);
        }
        if !fails.is_empty() {
            let _ = writeln!(out, "\n#### What is broken by {}\n", title.to_lowercase());
            fails.iter().for_each(|row| self.write_fail(row, out));
        }
    }

    /// Tells whether any stack has this verdict in a row.
    fn has(&self, row: &Requirement, verdict: Verdict) -> bool {
        let mut judged = self.judged.iter().filter_map(|it| finding(it, row));
        judged.any(|finding| finding.verdict == verdict)
    }

    /// Writes who was judged, and what it came to.
    fn write_stacks(&self, out: &mut String) {
        let verdicts = Verdict::ALL
            .into_iter()
            .filter(|it| *it != Verdict::Crashed);
        let verdicts: Vec<_> = verdicts.collect();
        let words: Vec<_> = verdicts.iter().map(Verdict::to_string).collect();
        let _ = writeln!(
            out,
            "| stack | version | {} | what was run |",
            words.join(" | ")
        );
        let _ = writeln!(out, "|---|---|{}---|", "---|".repeat(verdicts.len()));
        for judged in &self.judged {
            let (name, program) = (judged.stack.name, judged.stack.program);
            let version = judged.version.as_deref().unwrap_or("");
            let counts = verdicts.iter().map(|verdict| {
                let same = |row: &&&Requirement| {
                    finding(judged, row).is_some_and(|it| it.verdict == *verdict)
                };
                self.rows.iter().filter(same).count().to_string()
            });
            let cells: Vec<String> = match &judged.trial {
                Ok(_) => counts.collect(),
                Err(_) => vec!["–".to_owned(); verdicts.len()],
            };
            let reason = match &judged.trial {
                Ok(_) => program.to_owned(),
                Err(reason) => format!("not judged: {}", first_line(reason)),
            };
            let cells = cells.join(" | ");
            let _ = writeln!(out, "| {name} | {version} | {cells} | {reason} |");
        }
    }

    /// Writes rows against stacks.
    fn write_table(&self, rows: &[&Requirement], out: &mut String) {
        if rows.is_empty() {
            return;
        }
        let judged = self.judged.iter().filter(|judged| judged.trial.is_ok());
        let judged: Vec<_> = judged.collect();
        let names: Vec<_> = judged.iter().map(|judged| judged.stack.name).collect();
        let _ = writeln!(out, "| | RFC | | {} |", names.join(" | "));
        let _ = writeln!(out, "|---|---|---|{}", "---|".repeat(names.len()));
        for row in rows {
            let cells = judged.iter().map(|judged| cell(finding(judged, row)));
            let cells: Vec<_> = cells.collect();
            let (id, section, link) = (row.id, row.section, row.section.link());
            let (stimulus, cells) = (row.stimulus, cells.join(" | "));
            let _ = writeln!(out, "| {id} | [{section}]({link}) | {stimulus} | {cells} |");
        }
    }

    /// Writes what those need who want to mend it.
    fn write_fail(&self, row: &Requirement, out: &mut String) {
        let Requirement {
            id,
            section,
            text,
            stimulus,
            expected,
            ..
        } = row;
        let level = row.level.as_str();
        let _ = writeln!(
            out,
            "**{id}**, RFC {section}, {level}: {text} Sent: {stimulus}. Expected: {expected}.\n"
        );
        for judged in &self.judged {
            let Some(finding) = finding(judged, row).filter(|it| it.verdict == Verdict::Fail)
            else {
                continue;
            };
            let version = judged.version.as_deref().unwrap_or("");
            let text = readings::of(&judged.stack.full_name(), id);
            let text = text.unwrap_or("Nobody has read this against the RFC yet.");
            let (name, seen) = (judged.stack.name, &finding.seen);
            let _ = writeln!(out, "- {name} {version}: {seen}. {text}");
        }
        let _ = writeln!(out);
    }
}

/// Returns what was found of a row.
fn finding<'a>(judged: &'a Judged, row: &Requirement) -> Option<&'a Finding> {
    let mut findings = judged.trial()?.findings.iter();
    findings.find(|finding| finding.id == row.id)
}

fn cell(finding: Option<&Finding>) -> &'static str {
    match finding.map(|finding| finding.verdict) {
        Some(Verdict::Pass) => "pass",
        Some(Verdict::Note) => "note",
        Some(Verdict::Fail) => "**fail**",
        Some(Verdict::Unsteady) => "unsteady",
        Some(Verdict::NotApplicable) => "–",
        Some(Verdict::NotReached | Verdict::Crashed) | None => "?",
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::STACKS;
    use crate::trial::Trial;

    fn judged(verdicts: &[(&str, Verdict)]) -> Judged {
        let findings = verdicts.iter().map(|(id, verdict)| Finding {
            id: (*id).to_owned(),
            verdict: *verdict,
            seen: "what was seen".to_owned(),
        });
        let trial = Trial {
            findings: findings.collect(),
            suite: SUITE.into(),
            day: "2026-01-02".to_owned(),
        };
        Judged {
            stack: &STACKS[0],
            version: Ok("1.2.3".to_owned()),
            trial: Ok(trial),
        }
    }

    #[test]
    fn what_all_pass_is_counted_and_what_somebody_breaks_is_shown() {
        let good = judged(&[("F01", Verdict::Pass), ("F02", Verdict::Pass)]);
        let bad = judged(&[("F01", Verdict::Pass), ("F02", Verdict::Fail)]);
        let section = section(&[good, bad]);
        assert!(
            section.contains("Of 2 requirements 1 are kept"),
            "{section}"
        );
        assert!(section.contains("| pass | **fail** |"), "{section}");
        assert!(!section.contains("| F01 |"), "{section}");
        assert!(section.contains("- qecho 1.2.3: what was seen."));
    }

    #[test]
    fn what_crashes_somebody_is_not_told() {
        let section = section(&[judged(&[("F01", Verdict::Crashed), ("F02", Verdict::Note)])]);
        assert!(section.contains("Of 1 requirements"), "{section}");
        assert!(!section.contains("F01"), "{section}");
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        let expected = format!("before\n{BEGIN}\nnew\n\n{END}after\n");
        assert_eq!(replaced(&page, "new\n"), Some(expected));
        assert_eq!(replaced("no marks", "new"), None);
    }
}
