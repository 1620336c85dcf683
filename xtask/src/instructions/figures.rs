//! The committed figures, and what is counted beside them.

use std::fmt;

use anyhow::{Context, Result};

/// File of the figures, from the root.
pub(super) const FILE: &str = "bench/turn/instructions.txt";

/// First lines of the file.
const HEADING: &str = "\
# Instructions of the echo server's shard per message, without encryption, and the sends
# that 10,000 of its datagrams leave in.
# Made by `cargo xtask instructions --update`, which compares with them, too.
";

/// Growth of a figure that is allowed, in percent.
const GROWTH_MAX: f64 = 5.0;

/// Percent by which one workload may cost more than another, whatever the compiler.
const SCALING: [(&str, &str, f64); 2] = [
    // What a turn did for each open connection would grow tenfold from 1,000 to 10,000
    // of them: 2 % here are 20 % there.
    ("64-of-1000-connections", "64-connections", 2.0),
    ("1000-streams", "stream", 20.0),
];

/// Instructions per message, by workload, and sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figures {
    /// Version of rustc that they were counted with, and its host.
    pub(super) compiler: String,
    pub(super) rows: Vec<(String, u64)>,
}

/// Returns the name of the row that says how many sends 10,000 datagrams of a
/// workload leave in; one send for each datagram would be 10,000.
pub(super) fn sends(workload: &str) -> String {
    format!("{workload}: sends")
}

impl Figures {
    /// Reads what [`Display`](fmt::Display) has written.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let (compiler, rows) = lines.split_first().context("it is empty")?;
        let row = |line: &&str| {
            let (name, figure) = line.rsplit_once(' ')?;
            Some((name.to_owned(), figure.trim().parse().ok()?))
        };
        let rows: Option<Vec<_>> = rows.iter().map(row).collect();
        Ok(Self {
            compiler: (*compiler).to_owned(),
            rows: rows.context("a row is no name and number")?,
        })
    }

    fn of(&self, name: &str) -> Option<u64> {
        let mut rows = self.rows.iter();
        rows.find(|(row, _)| row == name).map(|(_, figure)| *figure)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADING)?;
        writeln!(f, "{}", self.compiler)?;
        for (name, figure) in &self.rows {
            writeln!(f, "{name} {figure}")?;
        }
        Ok(())
    }
}

/// Figures that were counted, beside those that were committed.
pub(super) struct Comparison {
    /// Table, for the reader.
    pub(super) text: String,
    /// Number of workloads that cost too much, or more than another may.
    pub(super) costly: usize,
    /// Reason why the two cannot be compared.
    pub(super) not_here: Option<String>,
}

impl Comparison {
    /// Compares `counted` with `committed`; what other compilers make of the same
    /// source is another figure, and says nothing about the source.
    pub(super) fn new(committed: &Figures, counted: &Figures) -> Self {
        let same = committed.compiler == counted.compiler;
        let heading = "instructions per message";
        let mut text = format!("{heading:26}{:>10}{:>10}\n", "now", "figure");
        let mut costly = 0;
        for (name, figure) in &counted.rows {
            text += &format!("{name:26}{figure:>10}");
            let was = committed.of(name).filter(|_| same);
            let percent = was.map(|was| growth(was, *figure));
            if let Some((was, percent)) = was.zip(percent) {
                text += &format!("{was:>10}{percent:>+8.1} %");
            }
            let (verdict, is_costly) = match percent {
                None if same => ("  no figure: make one", true),
                Some(percent) if percent > GROWTH_MAX => ("  TOO MUCH", true),
                Some(percent) if percent < -GROWTH_MAX => ("  less: renew the figure", false),
                _ => ("", false),
            };
            costly += usize::from(is_costly);
            text += &format!("{verdict}\n");
        }
        for (more, less, percent_max) in SCALING {
            let (Some(less_is), Some(more_is)) = (counted.of(less), counted.of(more)) else {
                continue;
            };
            let percent = growth(less_is, more_is);
            if percent > percent_max {
                costly += 1;
                text += &format!(
                    "{more} costs {percent:.1} % more than {less}; {percent_max} % are allowed\n"
                );
            }
        }
        if costly > 0 {
            text += "where it comes from: callgrind_annotate target/instructions/NAME.callgrind; \
                     if it is worth it: cargo xtask instructions --update\n";
        }
        let other = format!(
            "the figures are of {}, this is {} (--update makes them anew)",
            committed.compiler, counted.compiler
        );
        Self {
            text,
            costly,
            not_here: (!same).then_some(other),
        }
    }
}

/// Returns by how many percent a figure has grown.
fn growth(was: u64, is: u64) -> f64 {
    (is as f64 / was as f64 - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(compiler: &str, rows: &[(&str, u64)]) -> Figures {
        Figures {
            compiler: compiler.to_owned(),
            rows: rows.iter().map(|(row, n)| (row.to_string(), *n)).collect(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let rows = [("datagram", 12_964), ("stream: sends", 157)];
        let figures = figures("rustc 1.95.0 x", &rows);
        let read = Figures::parse(&figures.to_string()).expect("just written");
        assert_eq!(read, figures);
        assert!(Figures::parse("rustc\nstream many").is_err());
        assert!(Figures::parse("# nothing").is_err());
    }

    #[test]
    fn six_percent_more_are_too_much_and_four_are_not() {
        let committed = figures("rustc", &[("stream", 10_000)]);
        let counted = |now| figures("rustc", &[("stream", now)]);
        let costly = |now| Comparison::new(&committed, &counted(now)).costly;
        assert_eq!([10_600, 10_400, 5_000].map(costly), [1, 0, 0]);
    }

    #[test]
    fn a_workload_without_a_figure_fails() {
        let counted = figures("rustc", &[("stream", 1)]);
        assert_eq!(Comparison::new(&figures("rustc", &[]), &counted).costly, 1);
    }

    #[test]
    fn the_figures_of_another_compiler_are_not_compared() {
        let committed = figures("rustc 1.95.0 x", &[("stream", 10_000)]);
        let counted = figures("rustc 1.96.0 x", &[("stream", 20_000)]);
        let comparison = Comparison::new(&committed, &counted);
        assert_eq!(comparison.costly, 0);
        let reason = "the figures are of rustc 1.95.0 x, this is rustc 1.96.0 x \
                      (--update makes them anew)";
        assert_eq!(comparison.not_here.as_deref(), Some(reason));
    }

    #[test]
    fn open_connections_and_streams_may_cost_little_whatever_the_compiler() {
        let broken = |rows: &[_]| {
            let counted = figures("other", rows);
            Comparison::new(&figures("rustc", &[]), &counted).costly
        };
        let connections = |more| [("64-connections", 1_000), ("64-of-1000-connections", more)];
        assert_eq!(broken(&connections(1_010)), 0);
        assert_eq!(broken(&connections(1_030)), 1);
        let streams = |more| [("stream", 1_000), ("1000-streams", more)];
        assert_eq!(broken(&streams(1_190)), 0);
        assert_eq!(broken(&streams(1_210)), 1);
    }
}
