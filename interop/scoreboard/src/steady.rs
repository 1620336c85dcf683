//! Whether verdicts are the same each time: directly, through a bad path, beside busy neighbours.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use qecho_probe::conform::Verdict;
use xtask::Outcome;

use crate::catalogue::Stack;
use crate::ground::Ground;
use crate::options::Options;
use crate::trial::{self, Course, Finding};

/// The way of a run, and what runs beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Direct,
    Lossy,
    Busy,
}

const WAYS: [Way; 3] = [Way::Direct, Way::Lossy, Way::Busy];

/// Conditions of the bad path, in each direction.
const BAD_PATH: [&str; 4] = ["--loss", "2%", "--delay", "100ms"];
/// Loops that do nothing as fast as they can.
const BUSY_LOOPS: usize = 4;

/// Run that has ended.
#[derive(Debug)]
struct Ran {
    stack: &'static Stack,
    way: Way,
    name: String,
    findings: Vec<Finding>,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Lossy => "lossy",
            Self::Busy => "busy",
        }
    }
}

/// Runs everything so often in each way, and prints each verdict that was another one.
pub(crate) fn run(ground: &Ground, options: &Options, rounds: usize) -> Outcome {
    let mut all = Vec::new();
    let mut failed = 0;
    for way in WAYS {
        let _neighbours = (way == Way::Busy).then(Neighbours::start);
        let (ran, could_not) = runs(ground, options, way, rounds);
        all.extend(ran);
        failed += could_not;
    }
    let changed = tell_changes(ground, &all);
    let ran = all.len();
    println!("{ran} runs, {failed} that could not run, {changed} verdicts that changed");
    match (changed, failed) {
        (0, 0) => Outcome::Good,
        _ => Outcome::Bad,
    }
}

/// Runs all stacks one way, several at once. Returns also how many runs came to nothing.
fn runs(ground: &Ground, options: &Options, way: Way, rounds: usize) -> (Vec<Ran>, usize) {
    let stacks = &options.stacks;
    let mut waiting: Vec<(usize, &'static Stack)> = (1..=rounds)
        .rev()
        .flat_map(|round| stacks.iter().rev().map(move |stack| (round, *stack)))
        .collect();
    let count = waiting.len();
    let waiting = Mutex::new(std::mem::take(&mut waiting));
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.at_once {
            scope.spawn(|| {
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
                while let Some((round, stack)) = next() {
                    if let Some(ran) = one(ground, stack, way, round) {
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.push(ran);
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let failed = count - done.len();
    (done, failed)
}

fn one(ground: &Ground, stack: &'static Stack, way: Way, round: usize) -> Option<Ran> {
    let name = format!("{}-{}-{}-{round}", stack.name, stack.side, way.word());
    let seed = round.to_string();
    let mut relay = Vec::new();
    if way == Way::Lossy {
        relay.extend(BAD_PATH);
        relay.extend(["--seed", &seed]);
    }
    let course = Course {
        relay,
        name: name.clone(),
    };
    match trial::run(ground, stack, &course) {
        Ok(trial) => {
            let findings = trial.findings;
            let unreached = findings
                .iter()
                .filter(|it| it.verdict == Verdict::NotReached);
            let unreached = unreached.count();
            eprintln!(
                "{name}: {} verdicts, {unreached} not reached",
                findings.len()
            );
            Some(Ran {
                stack,
                way,
                name,
                findings,
            })
        }
        Err(error) => {
            eprintln!("{name}: {error:#}");
            None
        }
    }
}

/// Prints what is another verdict than most direct runs have come to, and keeps the packets of
/// these runs alone.
fn tell_changes(ground: &Ground, all: &[Ran]) -> usize {
    let direct = all.iter().filter(|ran| ran.way == Way::Direct);
    let usual = usual(direct.flat_map(|ran| {
        let key = |id: &String| (ran.stack.full_name(), id.clone());
        ran.findings.iter().map(move |it| (key(&it.id), it.verdict))
    }));
    let mut changed = 0;
    for ran in all {
        let before = changed;
        for Finding { id, verdict, seen } in &ran.findings {
            let key = (ran.stack.full_name(), id.clone());
            let usual = usual.get(&key).copied().unwrap_or(*verdict);
            if differs(usual, *verdict) {
                changed += 1;
                println!("{}: {id}: {verdict} in place of {usual}: {seen}", ran.name);
            }
        }
        if before == changed {
            // What is as it should be needs no evidence.
            let _ = fs::remove_file(trial::report(ground, &ran.name));
        }
    }
    changed
}

/// Tells whether a verdict is a fault of ours, where most runs came to the usual one: what is not
/// reached says nothing.
fn differs(usual: Verdict, verdict: Verdict) -> bool {
    usual != verdict && ![usual, verdict].contains(&Verdict::NotReached)
}

/// Returns the verdict that each key has most often.
fn usual<K: Ord>(verdicts: impl Iterator<Item = (K, Verdict)>) -> BTreeMap<K, Verdict> {
    let mut all: BTreeMap<K, Vec<Verdict>> = BTreeMap::new();
    for (key, verdict) in verdicts {
        all.entry(key).or_default().push(verdict);
    }
    let count = |all: &[Verdict], it: Verdict| all.iter().filter(|other| **other == it).count();
    let most = |all: Vec<Verdict>| Verdict::ALL.into_iter().max_by_key(|it| count(&all, *it));
    let most = all
        .into_iter()
        .filter_map(|(key, all)| Some((key, most(all)?)));
    most.collect()
}

/// Threads that keep the processors busy; dropping them ends them.
struct Neighbours(Arc<AtomicBool>);

impl Neighbours {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..BUSY_LOOPS {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(is_over)
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_reached_may_differ() {
        assert!(differs(Verdict::Pass, Verdict::Fail));
        assert!(differs(Verdict::Fail, Verdict::Unsteady));
        assert!(!differs(Verdict::Fail, Verdict::NotReached));
        assert!(!differs(Verdict::NotReached, Verdict::Pass));
        assert!(!differs(Verdict::Note, Verdict::Note));
    }

    #[test]
    fn the_usual_verdict_is_that_of_most_runs() {
        let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::Pass].map(|it| ("F12", it));
        let usual = usual(verdicts.into_iter());
        assert_eq!(usual["F12"], Verdict::Pass);
    }
}
