//! Verdicts that are expected of a peer, as a file that is kept beside its sources.
//!
//! A line a requirement: its identifier and its verdict; `#` begins a remark, which stays when the
//! file is brought up to date.
//!
//! ```text
//! # qecho conform: expected verdicts
//! F11 pass
//! F12 fail  # known; mended in the next release
//! ```

use std::{collections::HashMap, fmt};

use super::{Outcome, Report, Row, Verdict, requirements};

const TITLE: &str = "# qecho conform: expected verdicts";

/// Verdicts that are expected of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectations {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    expected: Option<(&'static str, Verdict)>,
    /// What else is in the line, beginning with the space before it.
    remark: String,
}

/// Why a file has no expectations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ExpectationError {
    /// Counted from one.
    pub line: usize,
    problem: String,
}

/// A report beside what was expected.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// Rows that are worse than was expected, and what was.
    pub worse: Vec<(&'a Row, Verdict)>,
    /// Rows that are better than was expected, and what was.
    pub better: Vec<(&'a Row, Verdict)>,
    /// Rows of which nothing was expected.
    pub new: Vec<&'a Row>,
    outcome: Outcome,
}

impl Expectations {
    /// Reads a file.
    ///
    /// # Errors
    /// If a line has anything but a requirement and a verdict, a remark or nothing, or if a
    /// requirement is there twice.
    pub fn parse(text: &str) -> Result<Self, ExpectationError> {
        let mut seen = HashMap::new();
        let lines = (1..).zip(text.lines()).map(|(number, line)| {
            let failed = |problem| ExpectationError {
                line: number,
                problem,
            };
            let line = Line::parse(line).map_err(failed)?;
            let first = line.expected.and_then(|(id, _)| seen.insert(id, number));
            match (line.expected, first) {
                (Some((id, _)), Some(first)) => {
                    Err(failed(format!("{id} stands in line {first} already")))
                }
                _ => Ok(line),
            }
        });
        let lines = lines.collect::<Result<_, _>>()?;
        Ok(Self { lines })
    }

    /// Makes expectations of a report.
    pub fn of(report: &Report) -> Self {
        let title = Line {
            expected: None,
            remark: TITLE.into(),
        };
        Self { lines: vec![title] }.updated(report)
    }

    /// Brings what is expected up to date. Remarks stay, and so does what the report has not, has
    /// not reached, or found unsteady.
    pub fn updated(mut self, report: &Report) -> Self {
        let is_known =
            |row: &&Row| !matches!(row.verdict(), Verdict::NotReached | Verdict::Unsteady);
        for row in report.rows.iter().filter(is_known) {
            let expected = (row.requirement.id, row.verdict());
            let mut lines = self.lines.iter_mut();
            match lines.find(|line| line.id() == Some(row.requirement.id)) {
                Some(line) => line.expected = Some(expected),
                None => self.lines.push(Line {
                    expected: Some(expected),
                    remark: String::new(),
                }),
            }
        }
        self
    }

    /// Lays a report beside what is expected.
    pub fn compare<'a>(&self, report: &'a Report) -> Comparison<'a> {
        let expected: HashMap<_, _> = self.lines.iter().filter_map(|line| line.expected).collect();
        let mut comparison = Comparison {
            worse: Vec::new(),
            better: Vec::new(),
            new: Vec::new(),
            outcome: Outcome::Kept,
        };
        for row in &report.rows {
            match expected.get(row.requirement.id).copied() {
                None => comparison.new.push(row),
                Some(then) if row.verdict().is_worse_than(then) => {
                    comparison.worse.push((row, then));
                }
                Some(then) if then.is_worse_than(row.verdict()) && row.verdict().is_decided() => {
                    comparison.better.push((row, then));
                }
                Some(_) => {}
            }
        }
        comparison.outcome = match report.outcome() {
            Outcome::NothingReached => Outcome::NothingReached,
            _ if comparison.worse.is_empty() => Outcome::Kept,
            _ => Outcome::Broken,
        };
        comparison
    }
}

impl Comparison<'_> {
    /// Tells what it says: only what got worse than was expected breaks anything.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, String> {
        let (text, _) = line.split_once('#').unwrap_or((line, ""));
        let text = text.trim_end();
        let remark = line[text.len()..].trim_end().into();
        let mut words = text.split_whitespace();
        let (Some(id), verdict, None) = (words.next(), words.next(), words.next()) else {
            return match text.trim() {
                "" => Ok(Self {
                    expected: None,
                    remark,
                }),
                _ => Err(format!("`{text}` is more than a requirement and a verdict")),
            };
        };
        let mut all = requirements::all();
        let Some(row) = all.find(|row| row.id == id) else {
            return Err(format!("there is no requirement `{id}`"));
        };
        let Some(verdict) = Verdict::from_word(verdict.unwrap_or_default()) else {
            let known = Verdict::ALL.map(Verdict::as_str).join(", ");
            let verdict = verdict.unwrap_or("nothing");
            return Err(format!(
                "`{verdict}` is no verdict on {id}: write one of {known}"
            ));
        };
        Ok(Self {
            expected: Some((row.id, verdict)),
            remark,
        })
    }

    fn id(&self) -> Option<&'static str> {
        self.expected.map(|(id, _)| id)
    }
}

/// As a file, a line a requirement.
impl fmt::Display for Expectations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            if let Some((id, verdict)) = line.expected {
                write!(f, "{id} {}", verdict.as_str())?;
            }
            writeln!(f, "{}", line.remark)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conform::testing::report;

    const FILE: &str = "# ours\nF11 pass\n\nF12 fail  # known\nF48 not_applicable\n";

    fn ids(rows: &[(&Row, Verdict)]) -> Vec<&'static str> {
        rows.iter().map(|(row, _)| row.requirement.id).collect()
    }

    #[test]
    fn a_file_reads_back_as_it_was_written() {
        let read = Expectations::parse(FILE).unwrap();
        assert_eq!(read.to_string(), FILE);
        let made = Expectations::of(&report(&[("F12", Verdict::Note)]));
        assert_eq!(made.to_string(), format!("{TITLE}\nF12 note\n"));
        assert_eq!(Expectations::parse(&made.to_string()).unwrap(), made);
    }

    #[test]
    fn a_line_that_says_something_else_is_refused_by_its_number() {
        let error = |text: &str| Expectations::parse(text).unwrap_err().to_string();
        let known = "pass, note, fail, crashed, not_applicable, not_reached, unsteady";
        let cases = [
            (
                "F12 pass\nF99 pass",
                "line 2: there is no requirement `F99`",
            ),
            (
                "F12 pass\n#\nF12 note",
                "line 3: F12 stands in line 1 already",
            ),
            (
                "F12 pass fail",
                "line 1: `F12 pass fail` is more than a requirement and a verdict",
            ),
            ("f12 pass", "line 1: there is no requirement `f12`"),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected);
        }
        let passed = format!("line 1: `passed` is no verdict on F12: write one of {known}");
        assert_eq!(error("F12 passed"), passed);
        assert!(error("F12").starts_with("line 1: `nothing` is no verdict on F12"));
    }

    #[test]
    fn only_what_got_worse_breaks() {
        let file = Expectations::parse(FILE).unwrap();
        let same = report(&[("F11", Verdict::Pass), ("F12", Verdict::Fail)]);
        assert_eq!(file.compare(&same).outcome(), Outcome::Kept);
        let worse = report(&[("F11", Verdict::Note), ("F12", Verdict::Crashed)]);
        let comparison = file.compare(&worse);
        assert_eq!(ids(&comparison.worse), ["F11", "F12"]);
        assert_eq!(comparison.outcome(), Outcome::Broken);
        let other = report(&[
            ("F11", Verdict::Unsteady),
            ("F12", Verdict::Pass),
            ("F13", Verdict::Fail),
            ("F48", Verdict::Fail),
        ]);
        let comparison = file.compare(&other);
        assert_eq!(ids(&comparison.worse), ["F48"]);
        assert_eq!(ids(&comparison.better), ["F12"]);
        assert_eq!(comparison.new.len(), 1);
    }

    #[test]
    fn a_row_newer_than_the_file_never_fails_but_a_silent_peer_does() {
        let file = Expectations::parse(FILE).unwrap();
        let new = report(&[("F13", Verdict::Crashed)]);
        assert_eq!(file.compare(&new).outcome(), Outcome::Kept);
        let silent = report(&[("F11", Verdict::NotReached)]);
        assert_eq!(file.compare(&silent).outcome(), Outcome::NothingReached);
    }

    #[test]
    fn an_update_keeps_remarks_and_what_it_knows_nothing_of() {
        let file = Expectations::parse(FILE).unwrap();
        let report = report(&[
            ("F11", Verdict::NotReached),
            ("F12", Verdict::Pass),
            ("F13", Verdict::Note),
        ]);
        let expected = "# ours\nF11 pass\n\nF12 pass  # known\nF48 not_applicable\nF13 note\n";
        assert_eq!(file.updated(&report).to_string(), expected);
    }
}
