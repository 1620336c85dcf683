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

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{Outcome, Report, Row, Verdict, requirements};

const TITLE: &str = "# qecho conform: expected verdicts";

/// Most bytes of a file: a line of any length for each requirement there can be.
const FILE_MAX: u64 = 1 << 20;

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

/// A verdict beside the one that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// None was expected.
    New,
    /// It is the one that was expected.
    AsExpected,
    /// It is worse.
    Worse,
    /// It is better.
    Better,
    /// It is another one that is neither: it tells nothing, or the other one did.
    Neither,
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
    /// Opens and reads a file that ends; a device may not.
    ///
    /// # Errors
    /// The system's, and [`io::ErrorKind::InvalidData`] with an [`ExpectationError`].
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(FILE_MAX + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_MAX {
            return Err(io::Error::other("it has more than a megabyte of verdicts"));
        }
        Self::parse(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// If it is no UTF-8, if a line has anything but a requirement and a verdict, a remark or
    /// nothing, or if a requirement is there twice.
    pub fn parse(file: impl AsRef<[u8]>) -> Result<Self, ExpectationError> {
        let text = text_of(file.as_ref())?;
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

    /// Returns the verdict that is expected in a row, if one is.
    pub fn expected(&self, row: &Row) -> Option<Verdict> {
        let mut expected = self.lines.iter().filter_map(|line| line.expected);
        let expected = expected.find(|(id, _)| *id == row.requirement.id);
        expected.map(|(_, verdict)| verdict)
    }

    /// Lays a verdict beside the one that is expected.
    pub fn change(&self, row: &Row) -> Change {
        let now = row.verdict();
        let is_of_times = now == Verdict::Note && row.requirement.may_note_a_busy_host();
        match self.expected(row) {
            None => Change::New,
            Some(then) if then == now => Change::AsExpected,
            Some(then) if now.is_worse_than(then) && !is_of_times => Change::Worse,
            Some(then) if then.is_worse_than(now) && now.is_decided() => Change::Better,
            Some(_) => Change::Neither,
        }
    }

    /// Lays a report beside what is expected.
    pub fn compare<'a>(&self, report: &'a Report) -> Comparison<'a> {
        let mut comparison = Comparison {
            worse: Vec::new(),
            better: Vec::new(),
            new: Vec::new(),
            outcome: Outcome::Kept,
        };
        for row in &report.rows {
            match (self.change(row), self.expected(row)) {
                (Change::Worse, Some(then)) => comparison.worse.push((row, then)),
                (Change::Better, Some(then)) => comparison.better.push((row, then)),
                (Change::New, _) => comparison.new.push(row),
                _ => {}
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

impl Change {
    /// Every change.
    pub const ALL: [Self; 5] = [
        Self::New,
        Self::AsExpected,
        Self::Worse,
        Self::Better,
        Self::Neither,
    ];

    /// Returns the word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::AsExpected => "as_expected",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Neither => "neither",
        }
    }
}

/// Returns the text of a file. What Windows writes before UTF-8 is no part of it.
fn text_of(file: &[u8]) -> Result<&str, ExpectationError> {
    let is_utf_16 = file.starts_with(&[0xff, 0xfe]) || file.starts_with(&[0xfe, 0xff]);
    let text = str::from_utf8(file).map_err(|error| {
        let before = &file[..error.valid_up_to()];
        let problem = match is_utf_16 {
            true => "it is UTF-16, as PowerShell's `>` writes it: save it as UTF-8",
            false => "it is not UTF-8",
        };
        ExpectationError {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            problem: problem.to_owned(),
        }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
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
        let Some(row) = all.find(|row| row.id.eq_ignore_ascii_case(id)) else {
            return Err(format!("there is no requirement `{id}`"));
        };
        let Some(verdict) = Verdict::from_word(verdict.unwrap_or_default()) else {
            let known = Verdict::ALL.map(Verdict::as_str).join(", ");
            let verdict = verdict.unwrap_or("nothing");
            return Err(format!(
                "`{verdict}` is no verdict on {}: write one of {known}",
                row.id
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
        assert_eq!(Expectations::parse(made.to_string()).unwrap(), made);
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
            ("f12 pass\nF12 pass", "line 2: F12 stands in line 1 already"),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected);
        }
        let passed = format!("line 1: `passed` is no verdict on F12: write one of {known}");
        assert_eq!(error("F12 passed"), passed);
        assert!(error("F12").starts_with("line 1: `nothing` is no verdict on F12"));
    }

    #[test]
    fn a_file_is_read_as_windows_and_people_write_it() {
        let plain = Expectations::parse(FILE).unwrap();
        let windows = format!("\u{feff}{}", FILE.replace('\n', "\r\n"));
        assert_eq!(Expectations::parse(windows).unwrap(), plain);
        let small = FILE.replace("F1", "f1").replace("F4", "f4");
        assert_eq!(Expectations::parse(small).unwrap(), plain);
        let error = |file: Vec<u8>| Expectations::parse(file).unwrap_err().to_string();
        for (mark, bytes) in [
            ([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]),
            ([0xfe, 0xff], u16::to_be_bytes),
        ] {
            let rest = FILE.encode_utf16().flat_map(bytes);
            let file = mark.into_iter().chain(rest).collect();
            let expected = "line 1: it is UTF-16, as PowerShell's `>` writes it: save it as UTF-8";
            assert_eq!(error(file), expected);
        }
        let latin = b"F11 pass\nF12 fail # bekannt f\xfcr immer\n".to_vec();
        assert_eq!(error(latin), "line 2: it is not UTF-8");
    }

    #[test]
    fn each_verdict_has_changed_in_one_way() {
        let file = Expectations::parse("F11 pass\nF12 fail\nF14 not_reached\n").unwrap();
        let change = |id, verdict| file.change(&report(&[(id, verdict)]).rows[0]);
        for (id, verdict, expected) in [
            ("F11", Verdict::Pass, Change::AsExpected),
            ("F11", Verdict::Note, Change::Worse),
            ("F11", Verdict::Unsteady, Change::Neither),
            ("F12", Verdict::Note, Change::Better),
            ("F12", Verdict::NotReached, Change::Neither),
            ("F14", Verdict::NotReached, Change::AsExpected),
            ("F14", Verdict::Pass, Change::Neither),
            ("F14", Verdict::Fail, Change::Worse),
            ("F13", Verdict::Fail, Change::New),
        ] {
            assert_eq!(change(id, verdict), expected, "{id} {verdict}");
        }
    }

    #[test]
    fn a_note_that_a_busy_host_may_be_the_reason_of_is_not_worse_than_a_pass() {
        for id in ["K11", "C84", "K12", "K20"] {
            let file = Expectations::parse(format!("{id} pass\n")).unwrap();
            let change = |verdict| file.change(&report(&[(id, verdict)]).rows[0]);
            assert_eq!(change(Verdict::Note), Change::Neither, "{id}");
            assert_eq!(change(Verdict::Fail), Change::Worse, "{id}");
        }
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
