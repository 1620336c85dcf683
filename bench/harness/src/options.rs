//! The command line of `cargo xtask peers`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::catalogue::{PEERS, Peer};
use crate::workload::{WORKLOADS, Workload};

/// Most rounds of one run.
const ROUNDS_MAX: usize = 100;
/// Most seconds of each measurement.
const SECONDS_MAX: f64 = 60.0;

/// Options of the command.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) peers: Vec<&'static Peer>,
    pub(crate) workloads: Vec<&'static Workload>,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) output: Option<PathBuf>,
    pub(crate) list: bool,
}

impl Options {
    /// Reads what was typed after `peers`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            peers: PEERS.iter().collect(),
            workloads: WORKLOADS.iter().collect(),
            // Enough for a median and its quartiles.
            rounds: 5,
            seconds: 2.0,
            output: None,
            list: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--list" {
                options.list = true;
                continue;
            }
            let value = words.next();
            let value = value.with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--peers" => options.peers = select(value?, PEERS, |peer| peer.name)?,
                "--workloads" => options.workloads = select(value?, WORKLOADS, |it| it.name)?,
                "--rounds" => options.rounds = value?.parse().context("--rounds is a number")?,
                "--seconds" => options.seconds = value?.parse().context("--seconds is a number")?,
                "--output" => options.output = Some(value?.into()),
                _ => bail!("unexpected argument {word:?}; `cargo xtask help` shows them all"),
            }
        }
        ensure!(
            (1..=ROUNDS_MAX).contains(&options.rounds),
            "--rounds is from 1 to {ROUNDS_MAX}"
        );
        ensure!(
            (0.1..=SECONDS_MAX).contains(&options.seconds),
            "--seconds is from 0.1 to {SECONDS_MAX}"
        );
        Ok(options)
    }
}

/// Returns those of `all` whose names a comma-separated list has, in the order of `all`.
fn select<T>(list: &str, all: &'static [T], name: fn(&T) -> &str) -> Result<Vec<&'static T>> {
    let wanted: Vec<&str> = list.split(',').collect();
    let names: Vec<&str> = all.iter().map(name).collect();
    if let Some(word) = wanted.iter().find(|word| !names.contains(word)) {
        bail!("there is no {word:?}, only {}", names.join(", "));
    }
    let is_wanted = |item: &&T| wanted.contains(&name(item));
    Ok(all.iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Result<Options> {
        let words: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn everything_is_measured_unless_less_is_asked_for() {
        let options = parse("").expect("nothing is needed");
        assert_eq!(options.peers.len(), PEERS.len());
        assert_eq!(options.workloads.len(), WORKLOADS.len());
        let less = parse("--peers qecho --workloads b1,a --rounds 1").expect("they exist");
        assert_eq!(less.peers.len(), 1);
        let names: Vec<_> = less.workloads.iter().map(|it| it.name).collect();
        assert_eq!(names, ["a", "b1"]);
    }

    #[test]
    fn what_does_not_exist_is_refused_with_what_does() {
        for (typed, reason) in [
            ("--peers nobody", "only qecho"),
            ("--workloads z", "only a, "),
            ("--rounds 0", "from 1"),
            ("--seconds 1e9", "from 0.1"),
            ("--rounds", "needs a value"),
            ("quickly", "unexpected argument"),
        ] {
            let error = parse(typed).expect_err(typed).to_string();
            assert!(error.contains(reason), "{typed}: {error}");
        }
    }
}
