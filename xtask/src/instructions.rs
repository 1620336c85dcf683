//! `cargo xtask instructions`: what an echoed message costs, in instructions, and how
//! well datagrams are joined into sends.
//!
//! Time needs a quiet machine; instructions of a turn in memory, without encryption,
//! are the same on a busy one. valgrind counts them, of the benchmark `turn`, inside
//! the server's turns alone. What the kernel costs, which is more, goes by the sends.

mod figures;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;
use std::{fs, iter, thread};

use anyhow::{Context, Result, bail, ensure};
use xtask::report::Report;

use self::figures::{Comparison, Figures};
use crate::workspace::BUILD_LIMIT;
use crate::{Outcome, process, setup, workspace};

const COUNT_LIMIT: Duration = Duration::from_secs(300);
const QUESTION_LIMIT: Duration = Duration::from_secs(30);
/// Counts at a time.
const WORKERS: usize = 2;

/// Function of the benchmark inside which is counted.
const COUNTED: &str = "*counted_turn*";

/// Workloads, those that take longest first.
const WORKLOADS: &[&str] = &[
    "64-of-1000-connections",
    "64-connections",
    "64-kib",
    "1000-streams",
    "stream-per-message",
    "stream",
    "datagram",
];

/// Workloads of which several datagrams leave in one send (GSO).
const JOINED: &[&str] = &["64-connections", "64-kib"];

/// Options of the command.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Fails when figures cannot be compared on this machine.
    require_all: bool,
    /// Writes what was counted in place of the committed figures.
    update: bool,
    /// Word in the names of the workloads.
    word: String,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--require-all" => options.require_all = true,
                "--update" => options.update = true,
                flag if flag.starts_with('-') => bail!("`instructions` knows no {flag}"),
                word => word.clone_into(&mut options.word),
            }
        }
        if options.update && !options.word.is_empty() {
            bail!("--update makes all figures anew: give it no word");
        }
        Ok(options)
    }
}

/// Runs the command on what was typed.
pub(crate) fn command(arguments: &[String]) -> Result<Outcome> {
    let options = Options::parse(arguments)?;
    Ok(run(&options)?.outcome(options.require_all))
}

/// Counts, and compares with the committed figures.
pub(crate) fn run(options: &Options) -> Result<Report> {
    if !setup::VALGRIND.is_here() {
        ensure!(!options.update, "--update needs valgrind");
        return Ok(Report::not_here("valgrind is missing"));
    }
    let counted = Figures {
        compiler: compiler()?,
        rows: count_all(&options.word)?,
    };
    let text = fs::read_to_string(file()).with_context(|| cannot("read"))?;
    let committed = Figures::parse(&text).with_context(|| cannot("read"))?;
    let comparison = Comparison::new(&committed, &counted);
    print!("{}", comparison.text);
    if options.update {
        fs::write(file(), counted.to_string()).with_context(|| cannot("write"))?;
        println!("written; commit it, and say why what has grown is worth it");
        return Ok(Report::default());
    }
    Ok(Report {
        failure: (comparison.costly > 0).then(|| "see above".to_owned()),
        not_here: comparison.not_here,
        ..Report::default()
    })
}

/// Counts the workloads whose names have `word` in them.
fn count_all(word: &str) -> Result<Vec<(String, u64)>> {
    let chosen: Vec<_> = WORKLOADS.iter().filter(|one| one.contains(word)).collect();
    ensure!(!chosen.is_empty(), "no workload has {word:?} in its name");
    let program = build()?;
    let folder = workspace::target().join("instructions");
    fs::create_dir_all(&folder).context("cannot make target/instructions")?;
    let waiting = Mutex::new(chosen.iter());
    let worker = || -> Result<Vec<_>> {
        let next = || waiting.lock().expect("no worker panics").next();
        let counts = iter::from_fn(next).map(|name| count(&program, &folder, name));
        Ok(counts.collect::<Result<Vec<_>>>()?.concat())
    };
    let counted: Result<Vec<_>> = thread::scope(|scope| {
        let workers = [(); WORKERS].map(|()| scope.spawn(worker));
        let ends = workers.into_iter().map(|worker| worker.join());
        ends.map(|end| end.expect("no worker panics")).collect()
    });
    let mut counted = counted?.concat();
    counted.sort_unstable();
    Ok(counted)
}

/// Returns the figures of a workload.
fn count(program: &Path, folder: &Path, name: &str) -> Result<Vec<(String, u64)>> {
    let profile = folder.join(format!("{name}.callgrind"));
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args(["--count", name]);
    let output = process::answer(command, COUNT_LIMIT)?;
    let numbers = output
        .split_whitespace()
        .filter_map(|word| word.parse().ok());
    let numbers: Vec<u64> = numbers.collect();
    let [messages, _turns, datagrams, sends] = numbers[..] else {
        bail!("{name} says no four numbers but {output:?}");
    };
    let profile = fs::read_to_string(&profile).context("cannot read what valgrind has written")?;
    let total = total(&profile).with_context(|| format!("nothing was counted of {name}"))?;
    let mut figures = vec![(name.to_owned(), total / messages)];
    if JOINED.contains(&name) {
        figures.push((figures::sends(name), sends * 10_000 / datagrams));
    }
    Ok(figures)
}

/// Reads the sum out of a profile.
fn total(profile: &str) -> Option<u64> {
    let mut lines = profile.lines();
    let totals = lines.find_map(|line| line.strip_prefix("totals: "));
    totals?.parse().ok().filter(|total| *total > 0)
}

/// Builds the benchmark beside the program, of the same crates with the same features, which are
/// there as soon as the program is; returns its path.
fn build() -> Result<PathBuf> {
    let build = ["build", "--release", "--locked", "--quiet"];
    let mut command = workspace::cargo(&build);
    command.args(["--package", "qecho", "--package", "turn"]);
    process::succeed(command, BUILD_LIMIT)?;
    Ok(workspace::target().join("release/turn"))
}

/// Returns what the figures depend on: the compiler and the kind of machine.
fn compiler() -> Result<String> {
    let mut question = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    question.arg("--version").arg("--verbose");
    question.current_dir(workspace::root());
    let answer = process::answer(question, QUESTION_LIMIT)?;
    let value = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key));
    let both = value("release: ").zip(value("host: "));
    let (release, host) = both.context("rustc does not say its version")?;
    Ok(format!("rustc {release} {host}"))
}

fn file() -> PathBuf {
    workspace::root().join(figures::FILE)
}

fn cannot(verb: &str) -> String {
    format!("cannot {verb} {}", figures::FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_in_which_nothing_was_counted_is_no_figure() {
        assert_eq!(total("events: Ir\ntotals: 31910464\n"), Some(31_910_464));
        assert_eq!(total("events: Ir\ntotals: 0\n"), None);
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn figures_are_updated_all_or_none() {
        let parse = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|one| (*one).to_owned()).collect();
            Options::parse(&arguments)
        };
        assert!(parse(&["--update"]).is_ok_and(|options| options.update));
        assert!(parse(&["--update", "stream"]).is_err());
        assert!(parse(&["--updates"]).is_err());
    }
}
