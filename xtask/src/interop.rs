//! `cargo xtask interop`: other people's QUIC stacks against the built program.
//!
//! To add a case, add a few lines to `cases/our_server.rs` or `cases/our_client.rs`.

mod cases;
mod peer;
mod stage;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use self::cases::Case;
pub(crate) use self::stage::Stage;
use crate::totals::Totals;
use crate::{Outcome, clock, process, workspace};

const BUILD_LIMIT: Duration = Duration::from_secs(900);
/// Short cases at a time; the long ones, which mostly wait, run beside them.
const LANES: usize = 2;

/// What to run.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// A case whose program this platform lacks fails.
    require_all: bool,
    /// A program to test in place of a fresh release build.
    binary: Option<PathBuf>,
    /// Names the cases only.
    list: bool,
    /// A word in the names of the cases to run.
    word: String,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--require-all" => options.require_all = true,
                "--list" => options.list = true,
                "--binary" => match rest.next() {
                    Some(file) => options.binary = Some(std::path::absolute(file)?),
                    None => bail!("--binary wants a file"),
                },
                flag if flag.starts_with('-') => bail!("`interop` knows no {flag}"),
                word => word.clone_into(&mut options.word),
            }
        }
        Ok(options)
    }
}

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) totals: Totals,
    /// Programs that this platform lacks.
    pub(crate) not_here: Vec<String>,
}

/// How one case ended.
enum Ending {
    Passed,
    Failed { reason: String, transcript: String },
    NotHere(&'static str),
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> Result<Outcome> {
    if options.list {
        cases::all().for_each(|case| println!("{}", case.name));
        return Ok(Outcome::Good);
    }
    let report = run_cases(options)?;
    let bad = report.totals.failed > 0 || (options.require_all && !report.not_here.is_empty());
    Ok(if bad { Outcome::Bad } else { Outcome::Good })
}

/// Runs the cases, long and short ones side by side, and prints them as the test runners do.
pub(crate) fn run_cases(options: &Options) -> Result<Report> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => build()?,
    };
    let wanted = |case: &&Case| case.name.contains(&options.word);
    let (long, short): (Vec<&Case>, Vec<&Case>) = cases::all()
        .filter(wanted)
        .partition(|case| case.limit > cases::SHORT);
    ensure!(
        long.len() + short.len() > 0,
        "no case has {:?} in its name",
        options.word
    );
    println!("running {} tests", long.len() + short.len());

    let mut report = Report::default();
    let queue = Mutex::new(short.into_iter());
    thread::scope(|scope| {
        let (sender, endings) = mpsc::channel();
        for case in long {
            let (sender, binary) = (sender.clone(), &binary);
            scope.spawn(move || play(case, binary, &sender));
        }
        for _ in 0..LANES {
            let (sender, binary, queue) = (sender.clone(), &binary, &queue);
            let next = || queue.lock().expect("taking a case does not panic").next();
            scope.spawn(move || {
                while let Some(case) = next() {
                    play(case, binary, &sender);
                }
            });
        }
        drop(sender);
        endings
            .iter()
            .for_each(|(case, ending, time)| report.add(case, ending, time));
    });
    let Totals { passed, failed } = report.totals;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let ignored = report.not_here.len();
    println!("\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored\n");
    Ok(report)
}

impl Report {
    fn add(&mut self, case: &Case, ending: Ending, time: Duration) {
        let name = case.name;
        let seconds = time.as_secs_f64();
        match ending {
            Ending::Passed => {
                self.totals.passed += 1;
                println!("test {name} ... ok ({seconds:.1} s)");
            }
            Ending::Failed { reason, transcript } => {
                self.totals.failed += 1;
                println!("test {name} ... FAILED ({seconds:.1} s)");
                println!("---- {reason}\n{transcript}----");
            }
            Ending::NotHere(program) => {
                self.not_here.push(program.to_owned());
                println!("test {name} ... ignored, {program} is not on this platform");
            }
        }
    }
}

fn play<'a>(case: &'a Case, binary: &Path, endings: &Sender<(&'a Case, Ending, Duration)>) {
    let start = clock::now();
    let ending = match case.needs {
        Some(program) if !program.is_here() => Ending::NotHere(program.name()),
        _ => Stage::set(case.name, binary, case.limit).map_or_else(
            |error| Ending::Failed {
                reason: format!("{error:#}"),
                transcript: String::new(),
            },
            |stage| match (case.play)(&stage) {
                Ok(()) => Ending::Passed,
                Err(error) => Ending::Failed {
                    reason: format!("{error:#}"),
                    transcript: stage.transcript(),
                },
            },
        ),
    };
    // The other end lives until every sender is gone.
    drop(endings.send((case, ending, start.elapsed())));
}

fn build() -> Result<PathBuf> {
    let build = workspace::cargo(&["build", "--release", "--locked", "--quiet"]);
    let ended = process::run(build, BUILD_LIMIT)?;
    ensure!(ended.is_success(), "cannot build the program: {ended}");
    Ok(workspace::release_binary())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let parse = |line: &str| {
            Options::parse(
                &line
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>(),
            )
        };
        let options = parse("--require-all --binary /x/qecho uni").expect("all are known");
        assert!(options.require_all && !options.list);
        assert_eq!(options.binary, Some(PathBuf::from("/x/qecho")));
        assert_eq!(options.word, "uni");
        assert!(parse("--binary").is_err());
        assert!(parse("--what").is_err());
    }

    #[test]
    fn a_case_that_fails_is_counted_and_shows_why() {
        let case = Case {
            name: "xtask's own failing sample",
            limit: cases::SHORT,
            needs: None,
            play: |stage| {
                stage
                    .run("sh", &["-c", "echo seen; exit 3"])?
                    .exits(0)
                    .map(drop)
            },
        };
        let (sender, endings) = mpsc::channel();
        play(&case, Path::new("/nonexistent"), &sender);
        let (_, ending, _) = endings.recv().expect("the case has ended");
        let Ending::Failed { reason, transcript } = ending else {
            panic!("it must fail")
        };
        assert!(reason.contains("exit status: 3"), "{reason}");
        assert!(transcript.contains("seen"), "{transcript}");
    }

    #[test]
    fn a_case_that_hangs_fails_at_its_limit() {
        let case = Case {
            name: "xtask's own hanging sample",
            limit: Duration::from_millis(300),
            needs: None,
            play: |stage| {
                stage
                    .run("sh", &["-c", "sleep 600 & sleep 600"])?
                    .exits(0)
                    .map(drop)
            },
        };
        let (sender, endings) = mpsc::channel();
        play(&case, Path::new("/nonexistent"), &sender);
        let (_, ending, time) = endings.recv().expect("the case has ended");
        assert!(matches!(ending, Ending::Failed { .. }));
        assert!(time < Duration::from_secs(60));
    }
}
