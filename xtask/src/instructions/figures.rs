//! The committed figures, and what is counted beside them.

use std::fmt;

use anyhow::{Context, Result};

/// Where the figures stand, from the root.
pub(super) const FILE: &str = "crates/qecho-echo/benches/turn/instructions.txt";

/// What a figure may grow by, in percent.
const GROWTH_MAX: f64 = 5.0;

/// What one workload may cost more than another, whatever the compiler.
struct Scaling {
    more: &'static str,
    less: &'static str,
    percent_max: f64,
}

const SCALING: &[Scaling] = &[
    // What a turn did for each open connection would grow tenfold from 1,000 to 10,000
    // of them: 2 % here are 20 % there.
    Scaling {
        more: "64-of-1000-connections",
        less: "64-connections",
        percent_max: 2.0,
    },
    Scaling {
        more: "1000-streams",
        less: "stream",
        percent_max: 20.0,
    },
];

/// Instructions per message, by workload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figures {
    /// What they were counted with.
    pub(super) compiler: String,
    pub(super) per_message: Vec<(String, u64)>,
}

impl Figures {
    /// Reads what [`Display`](fmt::Display) has written.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let (compiler, rows) = lines.split_first().context("it is empty")?;
        let row = |line: &&str| {
            let (name, figure) = line.split_once(' ')?;
            Some((name.to_owned(), figure.trim().parse().ok()?))
        };
        let rows: Option<Vec<_>> = rows.iter().map(row).collect();
        Ok(Self {
            compiler: (*compiler).to_owned(),
            per_message: rows.context("a row is no name and number")?,
        })
    }

    fn of(&self, name: &str) -> Option<u64> {
        let mut rows = self.per_message.iter();
        rows.find(|(row, _)| row == name).map(|(_, figure)| *figure)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Instructions of the echo server's shard per message, without encryption."
        )?;
        writeln!(
            f,
            "# Made by `cargo xtask instructions --update`, which compares with them, too."
        )?;
        writeln!(f, "{}", self.compiler)?;
        for (name, figure) in &self.per_message {
            writeln!(f, "{name} {figure}")?;
        }
        Ok(())
    }
}

/// What was counted, beside what was committed.
pub(super) struct Comparison<'a> {
    rows: Vec<Row<'a>>,
    /// Scaling that does not hold, in words.
    unscaled: Vec<String>,
    /// Why the two cannot be compared.
    pub(super) not_here: Option<String>,
}

struct Row<'a> {
    name: &'a str,
    counted: u64,
    committed: Option<u64>,
    verdict: &'static str,
}

const GREW: &str = "TOO MUCH";
const FELL: &str = "less: renew the figure";

impl<'a> Comparison<'a> {
    /// Compares `counted` with `committed`; what other compilers make of the same
    /// source is another figure, and says nothing about the source.
    pub(super) fn new(committed: &Figures, counted: &'a Figures) -> Self {
        let same = committed.compiler == counted.compiler;
        let row = |(name, figure): &'a (String, u64)| {
            let was = committed.of(name).filter(|_| same);
            Row {
                name,
                counted: *figure,
                committed: was,
                verdict: match was.map(|was| growth(was, *figure)) {
                    None if same => "no figure: make one",
                    None => "",
                    Some(percent) if percent > GROWTH_MAX => GREW,
                    Some(percent) if percent < -GROWTH_MAX => FELL,
                    Some(_) => "",
                },
            }
        };
        let unscaled = SCALING.iter().filter_map(|rule| rule.broken_by(counted));
        let other = format!(
            "the figures are of {}, this is {} (--update makes them anew)",
            committed.compiler, counted.compiler
        );
        Self {
            rows: counted.per_message.iter().map(row).collect(),
            unscaled: unscaled.collect(),
            not_here: (!same).then_some(other),
        }
    }

    /// Returns how many workloads cost too much, or more than another may.
    pub(super) fn costly(&self) -> usize {
        let missing = |row: &&Row<'_>| self.not_here.is_none() && row.committed.is_none();
        let bad = self
            .rows
            .iter()
            .filter(|row| row.verdict == GREW || missing(row));
        bad.count() + self.unscaled.len()
    }
}

impl Scaling {
    fn broken_by(&self, counted: &Figures) -> Option<String> {
        let percent = growth(counted.of(self.less)?, counted.of(self.more)?);
        (percent > self.percent_max).then(|| {
            format!(
                "{} costs {percent:.1} % more than {}; {} % are allowed",
                self.more, self.less, self.percent_max
            )
        })
    }
}

/// Returns by how many percent a figure has grown.
fn growth(was: u64, is: u64) -> f64 {
    (is as f64 / was as f64 - 1.0) * 100.0
}

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:26}{:>10}{:>10}",
            "instructions per message", "now", "figure"
        )?;
        for row in &self.rows {
            write!(f, "{:26}{:>10}", row.name, row.counted)?;
            if let Some(was) = row.committed {
                write!(f, "{was:>10}{:>+8.1} %", growth(was, row.counted))?;
            }
            match row.verdict {
                "" => writeln!(f)?,
                verdict => writeln!(f, "  {verdict}")?,
            }
        }
        for broken in &self.unscaled {
            writeln!(f, "{broken}")?;
        }
        if self.costly() > 0 {
            writeln!(
                f,
                "where it comes from: callgrind_annotate target/instructions/NAME.callgrind; if it \
                 is worth it: cargo xtask instructions --update"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(compiler: &str, rows: &[(&str, u64)]) -> Figures {
        Figures {
            compiler: compiler.to_owned(),
            per_message: rows
                .iter()
                .map(|(name, figure)| ((*name).to_owned(), *figure))
                .collect(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let figures = figures(
            "rustc 1.95.0 x",
            &[("datagram", 12_964), ("stream", 15_955)],
        );
        assert_eq!(
            Figures::parse(&figures.to_string()).expect("just written"),
            figures
        );
        assert!(Figures::parse("rustc\nstream many").is_err());
        assert!(Figures::parse("# nothing").is_err());
    }

    #[test]
    fn six_percent_more_are_too_much_and_four_are_not() {
        let committed = figures("rustc", &[("stream", 10_000)]);
        let costly =
            |now| Comparison::new(&committed, &figures("rustc", &[("stream", now)])).costly();
        assert_eq!((costly(10_600), costly(10_400), costly(5_000)), (1, 0, 0));
    }

    #[test]
    fn a_workload_without_a_figure_fails() {
        let committed = figures("rustc", &[]);
        let counted = figures("rustc", &[("stream", 1)]);
        assert_eq!(Comparison::new(&committed, &counted).costly(), 1);
    }

    #[test]
    fn the_figures_of_another_compiler_are_not_compared() {
        let committed = figures("rustc 1.95.0 x", &[("stream", 10_000)]);
        let counted = figures("rustc 1.96.0 x", &[("stream", 20_000)]);
        let comparison = Comparison::new(&committed, &counted);
        assert_eq!(comparison.costly(), 0);
        assert_eq!(
            comparison.not_here.as_deref(),
            Some(
                "the figures are of rustc 1.95.0 x, this is rustc 1.96.0 x \
                 (--update makes them anew)"
            )
        );
    }

    #[test]
    fn open_connections_and_streams_may_cost_little_whatever_the_compiler() {
        let broken = |rows: &[_]| {
            let counted = figures("other", rows);
            Comparison::new(&figures("rustc", &[]), &counted).costly()
        };
        let connections = |more| [("64-connections", 1_000), ("64-of-1000-connections", more)];
        assert_eq!(broken(&connections(1_010)), 0);
        assert_eq!(broken(&connections(1_030)), 1);
        let streams = |more| [("stream", 1_000), ("1000-streams", more)];
        assert_eq!(broken(&streams(1_190)), 0);
        assert_eq!(broken(&streams(1_210)), 1);
    }
}
