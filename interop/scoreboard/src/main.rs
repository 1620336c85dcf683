//! `cargo xtask conformance`: `qecho conform` against other people's stacks, and against ours.
//!
//! The table goes into docs/conformance.md. What it says against anybody has been read against the
//! RFC by a person: `readings.rs` says with which result, and a fail without one is told.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its reader sits at a terminal"
)]

mod catalogue;
mod ground;
mod options;
mod page;
mod readings;
mod steady;
mod trial;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use qecho_probe::conform::Verdict;
use xtask::Outcome;

use self::catalogue::{STACKS, Stack};
use self::ground::Ground;
use self::options::Options;
use self::trial::{Course, Trial};

/// Stack with what came of it, or why nothing did.
#[derive(Debug)]
struct Judged {
    stack: &'static Stack,
    version: Result<String, String>,
    trial: Result<Trial, String>,
}

fn main() -> ExitCode {
    xtask::main(run)
}

/// Judges the stacks that the options select.
fn run(arguments: &[String]) -> Result<Outcome> {
    let options = &Options::parse(arguments)?;
    if options.list {
        let names = STACKS.iter().map(Stack::full_name);
        names.for_each(|name| println!("{name}"));
        return Ok(Outcome::Good);
    }
    // Both may be at work at once.
    let name = match options.steady {
        Some(_) => "steadiness",
        None => "conformance",
    };
    let ground = &Ground::prepare(name, options.binary.as_deref())?;
    // One after the other: each build takes all cores anyway.
    let versions = options.stacks.iter().map(|stack| stack.obtain());
    let versions: Vec<Result<String>> = versions.collect();
    if let Some(rounds) = options.steady {
        versions.into_iter().collect::<Result<Vec<_>>>()?;
        return Ok(steady::run(ground, options, rounds));
    }
    let judged = judge_all(ground, options, versions);
    let text = page::section(&judged);
    match options.is_whole {
        true => page::keep(&text)?,
        false => print!("{text}"),
    }
    Ok(outcome(&judged))
}

/// Judges all stacks, several at once, and returns them in their order.
fn judge_all(ground: &Ground, options: &Options, versions: Vec<Result<String>>) -> Vec<Judged> {
    let stacks = options.stacks.iter().copied();
    let waiting: VecDeque<_> = stacks.zip(versions).enumerate().collect();
    let waiting = Mutex::new(waiting);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.at_once {
            scope.spawn(|| {
                let next = || {
                    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    waiting.pop_front()
                };
                while let Some((place, (stack, version))) = next() {
                    let judged = judge(ground, stack, version);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((place, judged));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, judged)| judged).collect()
}

/// Judges one stack, and says in a line what came of it.
fn judge(ground: &Ground, stack: &'static Stack, version: Result<String>) -> Judged {
    let version = version.map_err(|error| format!("{error:#}"));
    let course = Course {
        relay: Vec::new(),
        name: format!("{}-{}", stack.name, stack.side),
    };
    let trial = match &version {
        Ok(_) => trial::run(ground, stack, &course).map_err(|error| format!("{error:#}")),
        Err(reason) => Err(reason.clone()),
    };
    let name = stack.full_name();
    match &trial {
        Err(reason) => eprintln!("{name}: not judged: {reason}"),
        Ok(trial) => {
            let count = |verdict: Verdict| {
                let same = trial.findings.iter().filter(|it| it.verdict == verdict);
                (same.count(), verdict)
            };
            let counts = Verdict::ALL.map(count).into_iter();
            let counts = counts.filter(|(count, _)| *count > 0);
            let counts: Vec<_> = counts
                .map(|(count, word)| format!("{count} {word}"))
                .collect();
            eprintln!("{name}: {}", counts.join(", "));
        }
    }
    Judged {
        stack,
        version,
        trial,
    }
}

/// Tells what is to be done before the page may be published.
fn outcome(judged: &[Judged]) -> Outcome {
    let mut outcome = Outcome::Good;
    for (judged, trial) in tried(judged) {
        let name = judged.stack.full_name();
        for finding in &trial.findings {
            let id = &finding.id;
            match finding.verdict {
                Verdict::Fail if readings::of(&name, id).is_none() => {
                    eprintln!("{name}: {id} fails, and nobody has read it against the RFC yet");
                }
                Verdict::Crashed => {
                    eprintln!("{name}: {id} crashes it: tell its maintainers; the page does not");
                }
                _ => continue,
            }
            outcome = Outcome::Bad;
        }
    }
    for reading in readings::all() {
        let of_it = |(judged, _): &(&Judged, &Trial)| judged.stack.full_name() == reading.stack;
        let Some((_, trial)) = tried(judged).find(of_it) else {
            continue;
        };
        let mut findings = trial.findings.iter();
        if !findings.any(|it| it.id == reading.id && it.verdict == Verdict::Fail) {
            let readings::Reading { stack, id, .. } = reading;
            eprintln!("{stack}: {id} fails no more: what was read of it can go");
            outcome = Outcome::Bad;
        }
    }
    outcome
}

fn tried(judged: &[Judged]) -> impl Iterator<Item = (&Judged, &Trial)> {
    let tried = |judged| Some((judged, Judged::trial(judged)?));
    judged.iter().filter_map(tried)
}

impl Judged {
    fn trial(&self) -> Option<&Trial> {
        self.trial.as_ref().ok()
    }
}
