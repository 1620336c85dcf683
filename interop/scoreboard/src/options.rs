//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::catalogue::{STACKS, Stack};

/// Runs at a time, since most of each is waiting.
const AT_ONCE: usize = 4;

/// Options of the command line.
#[derive(Debug)]
pub(crate) struct Options {
    /// Stacks that are judged.
    pub(crate) stacks: Vec<&'static Stack>,
    /// Whether these are all there are, so that the page can be written.
    pub(crate) is_whole: bool,
    /// Runs of each stack in each way, to see whether verdicts are the same each time.
    pub(crate) steady: Option<usize>,
    pub(crate) at_once: usize,
    /// Program in place of a fresh release build.
    pub(crate) binary: Option<PathBuf>,
    /// Names the stacks only.
    pub(crate) list: bool,
}

impl Options {
    /// Reads what was typed.
    ///
    /// # Errors
    /// It makes no sense.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            stacks: STACKS.iter().collect(),
            is_whole: true,
            steady: None,
            at_once: AT_ONCE,
            binary: None,
            list: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--list" {
                options.list = true;
                continue;
            }
            let value = words.next();
            let value = value.with_context(|| format!("{word} wants a value"))?;
            match word.as_str() {
                "--stacks" => {
                    options.stacks = named(value)?;
                    options.is_whole = false;
                }
                "--steady" => options.steady = Some(number(word, value)?),
                "--at-once" => options.at_once = number(word, value)?,
                "--binary" => options.binary = Some(std::path::absolute(value)?),
                _ => bail!("`conformance` knows no {word}"),
            }
        }
        if options.steady.is_some() && options.is_whole {
            options.stacks.retain(|stack| stack.is_for_steadiness);
        }
        Ok(options)
    }
}

fn number(word: &str, value: &str) -> Result<usize> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.with_context(|| format!("{word} wants a number above 0, not {value:?}"))
}

/// Finds the stacks of `quinn,aioquic client`: a name alone means both of its sides.
fn named(list: &str) -> Result<Vec<&'static Stack>> {
    let mut found: Vec<&Stack> = Vec::new();
    for name in list.split(',') {
        let before = found.len();
        let is_meant = |stack: &&Stack| stack.name == name || stack.full_name() == name;
        found.extend(STACKS.iter().filter(is_meant));
        ensure!(
            found.len() > before,
            "there is no stack {name:?}; --list shows them"
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Options::parse(&words)
    }

    #[test]
    fn a_name_means_both_sides_and_with_its_side_one() {
        let names = |list| {
            let options = parse(&["--stacks", list]).expect("these are there");
            assert!(!options.is_whole);
            let names = options.stacks.iter().map(|stack| stack.full_name());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names("quiche"), ["quiche server", "quiche client"]);
        assert_eq!(
            names("quiche client,caddy"),
            ["quiche client", "caddy server"]
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            &["--stacks", "nobody"][..],
            &["--steady", "0"],
            &["--steady"],
            &["--fast", "1"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
