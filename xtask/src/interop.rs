//! `cargo xtask interop`: other people's QUIC stacks against the built program.
//!
//! To add a case, add a few lines to `cases/our_server.rs` or `cases/our_client.rs`.

mod cases;
mod child;
mod env;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use xtask::report::Report;

use self::cases::Case;
use self::env::TestEnv;
use crate::workspace::Profile;
use crate::{Outcome, clock};

/// Short cases at a time; the long ones, which mostly wait, run beside them.
const WORKERS: usize = 2;

/// Options of the command.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Fails when this platform lacks a program for a case.
    require_all: bool,
    /// Program to test in place of a fresh release build.
    binary: Option<PathBuf>,
    /// Names the cases only.
    list: bool,
    /// Word in the names of the cases to run.
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

/// End of a case.
enum Ending {
    Passed,
    /// Reason, and behind it what was said.
    Failed(String),
    NotHere(&'static str),
}

/// Runs the command on what was typed.
pub(crate) fn command(arguments: &[String]) -> Result<Outcome> {
    let options = Options::parse(arguments)?;
    if options.list {
        let cases = cases::all();
        cases.iter().for_each(|case| println!("{}", case.name));
        return Ok(Outcome::Good);
    }
    Ok(run(&options)?.outcome(options.require_all))
}

/// Runs the cases, long and short ones side by side, and prints them as the test runners do.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => Profile::Release
            .build()
            .map(|()| Profile::Release.binary())?,
    };
    let mut cases = cases::all();
    cases.retain(|case| case.name.contains(&options.word));
    let word = &options.word;
    ensure!(!cases.is_empty(), "no case has {word:?} in its name");
    println!("running {} tests", cases.len());

    let (long, short): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.limit > cases::SHORT);
    let mut report = Report::default();
    let mut not_here = Vec::new();
    let queue = Mutex::new(short.into_iter());
    thread::scope(|scope| {
        let (sender, endings) = mpsc::channel();
        for case in long {
            let (sender, binary) = (sender.clone(), &binary);
            scope.spawn(move || run_one(case, binary, &sender));
        }
        for _ in 0..WORKERS {
            let (sender, binary, queue) = (sender.clone(), &binary, &queue);
            let next = || queue.lock().expect("taking a case does not panic").next();
            scope.spawn(move || {
                while let Some(case) = next() {
                    run_one(case, binary, &sender);
                }
            });
        }
        drop(sender);
        for (case, ending, time) in endings {
            let (name, seconds) = (&case.name, time.as_secs_f64());
            match ending {
                Ending::Passed => {
                    report.passed += 1;
                    println!("test {name} ... ok ({seconds:.1} s)");
                }
                Ending::Failed(story) => {
                    report.failed += 1;
                    println!("test {name} ... FAILED ({seconds:.1} s)");
                    println!("---- {story}----");
                }
                Ending::NotHere(program) => {
                    not_here.push(program);
                    println!("test {name} ... ignored, {program} is not on this platform");
                }
            }
        }
    });
    let Report { passed, failed, .. } = report;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let ignored = not_here.len();
    println!("\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored\n");
    report.not_here = (ignored > 0).then(|| not_here.join(", "));
    Ok(report)
}

fn run_one<'a>(case: &'a Case, binary: &Path, endings: &Sender<(&'a Case, Ending, Duration)>) {
    let start = clock::now();
    let failed = |error: anyhow::Error, said: &str| Ending::Failed(format!("{error:#}\n{said}"));
    let ending = match case.needs {
        Some(program) if !program.is_here() => Ending::NotHere(program.name()),
        _ => match TestEnv::new(&case.name, binary, case.limit) {
            Err(error) => failed(error, ""),
            Ok(env) => match (case.run)(&env) {
                Ok(()) => Ending::Passed,
                Err(error) => failed(error, &env.transcript.tail()),
            },
        },
    };
    // The other end lives until every sender is gone.
    drop(endings.send((case, ending, start.elapsed())));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell script as a case, which must fail; returns why, with what was said, and when.
    fn failure(name: &str, limit: Duration, script: &'static str) -> (String, Duration) {
        let mut case = Case::new(name, move |env: &TestEnv| {
            let shell = env.begin_with("sh", &["-c", script])?;
            shell.finish()?.exits(0).map(drop)
        });
        case.limit = limit;
        let (sender, endings) = mpsc::channel();
        run_one(&case, Path::new("/nonexistent"), &sender);
        let (_, ending, time) = endings.recv().expect("the case has ended");
        match ending {
            Ending::Failed(story) => (story, time),
            _ => panic!("it must fail"),
        }
    }

    #[test]
    fn options_are_read() {
        let parse = |line: &str| {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            Options::parse(&words)
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
        let script = "echo seen; exit 3";
        let (story, _) = failure("xtask's own failing sample", cases::SHORT, script);
        let (reason, transcript) = story.split_once('\n').expect("a reason and what was said");
        assert!(reason.contains("exit status: 3"), "{reason}");
        assert!(transcript.contains("seen"), "{transcript}");
    }

    #[test]
    fn a_case_that_hangs_fails_at_its_limit() {
        let script = "sleep 600 & sleep 600";
        let limit = Duration::from_millis(300);
        let (_, time) = failure("xtask's own hanging sample", limit, script);
        assert!(time < Duration::from_secs(60));
    }
}
