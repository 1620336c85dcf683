//! The closing table: check, ran, seconds.

use std::io::{self, Write};

use crate::totals::Totals;

/// What a check came to.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    Failed(String),
    /// This platform lacks something that the check wants; the rest of it passed.
    NotHere(String),
    /// Another check, named here, failed before.
    NotRun(&'static str),
}

impl Verdict {
    /// Tells whether the whole run fails for it.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::NotRun(_))
    }
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) check: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) totals: Totals,
    pub(crate) seconds: f64,
}

impl Row {
    /// Returns the row of a check that had no ground to stand on.
    pub(crate) fn not_run(check: &'static str, ground: &'static str) -> Self {
        Self {
            check,
            verdict: Verdict::NotRun(ground),
            totals: Totals::default(),
            seconds: 0.0,
        }
    }

    fn ran(&self) -> String {
        let Totals { passed, failed } = self.totals;
        let counted = match passed + failed {
            0 => "ok".to_owned(),
            _ => format!("{passed} passed, {failed} failed"),
        };
        match &self.verdict {
            Verdict::Passed => counted,
            Verdict::Failed(_) if passed + failed > 0 => format!("FAILED: {counted}"),
            Verdict::Failed(reason) => {
                format!("FAILED: {}", reason.lines().next().unwrap_or_default())
            }
            Verdict::NotHere(what) => format!("{counted}; not on this platform: {what}"),
            Verdict::NotRun(ground) => format!("NOT RUN: {ground} failed"),
        }
    }
}

/// Writes the table.
pub(crate) fn write(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let cells: Vec<String> = rows.iter().map(Row::ran).collect();
    let first = width(rows.iter().map(|row| row.check).chain(["check"]));
    let second = width(cells.iter().map(String::as_str).chain(["ran"]));
    writeln!(out, "\n{:first$}  {:second$}  seconds", "check", "ran")?;
    for (row, ran) in rows.iter().zip(&cells) {
        writeln!(
            out,
            "{:first$}  {ran:second$}  {:7.1}",
            row.check, row.seconds
        )?;
    }
    writeln!(out)
}

fn width<'a>(cells: impl Iterator<Item = &'a str>) -> usize {
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_what_ran_what_failed_and_what_could_not() {
        let row = |check, verdict, passed, seconds| {
            let totals = Totals { passed, failed: 0 };
            Row {
                check,
                verdict,
                totals,
                seconds,
            }
        };
        let rows = [
            row("format", Verdict::Passed, 0, 0.52),
            row(
                "clippy",
                Verdict::Failed("exit status: 101\nmore".to_owned()),
                0,
                12.0,
            ),
            row(
                "interop",
                Verdict::NotHere("gtlsclient".to_owned()),
                14,
                51.0,
            ),
            Row::not_run("demo", "release build"),
        ];
        let mut out = Vec::new();
        write(&rows, &mut out).expect("a vector takes everything");
        let expected = "
check    ran                                                seconds
format   ok                                                     0.5
clippy   FAILED: exit status: 101                              12.0
interop  14 passed, 0 failed; not on this platform: gtlsclient     51.0
demo     NOT RUN: release build failed                          0.0

";
        let squeeze = |text: &str| {
            text.lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        let out = String::from_utf8(out).expect("names are UTF-8");
        assert_eq!(squeeze(&out), squeeze(expected));
    }
}
