//! Cost of a turn of the echo server's shard, without sockets.
//!
//! `cargo run --release -p turn` prints the time per message. With `--count NAME` one
//! workload runs once, without encryption, for a program that counts instructions
//! inside [`counted_turn`]; `cargo xtask instructions` does that.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark is read at a terminal or by xtask"
)]

mod callers;
mod wire;
mod workload;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use qecho_engine::Datagram;
use qecho_testkit::null_cipher;

use self::{
    wire::{Meter, Wire, segments},
    workload::{WORKLOADS, Workload},
};

/// Measurements of each workload; the table has the median and the extremes.
const SAMPLES: usize = 9;

const USAGE: &str = "usage: cargo run --release -p turn [-- WORD | --count NAME]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => time(""),
        ["--count", name] => return count(name),
        [word] if !word.starts_with('-') => time(word),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Prints what a message costs in each workload whose name has `word` in it.
fn time(word: &str) {
    println!(
        "{:28}{:>12}{:>24}",
        "nanoseconds per message", "median", "least to most"
    );
    let chosen = WORKLOADS.iter().filter(|one| one.name.contains(word));
    for workload in chosen {
        let mut wire = Wire::new(workload, None);
        let mut samples: Vec<u128> = (0..SAMPLES)
            .map(|_| {
                let mut stopwatch = Stopwatch::default();
                run(&mut wire, workload, &mut stopwatch);
                stopwatch.0.as_nanos() / workload.messages() as u128
            })
            .collect();
        samples.sort_unstable();
        let spread = format!("{} to {}", samples[0], samples[SAMPLES - 1]);
        println!(
            "{:28}{:>12}{spread:>24}",
            workload.name,
            samples[SAMPLES / 2]
        );
    }
}

/// Runs a workload once and prints how many messages that were, and how the datagrams left.
fn count(name: &str) -> ExitCode {
    let Some(workload) = WORKLOADS.iter().find(|one| one.name == name) else {
        eprintln!("there is no workload {name:?}");
        return ExitCode::from(2);
    };
    let mut wire = Wire::new(workload, Some(null_cipher::provider()));
    let mut counter = Counter::default();
    run(&mut wire, workload, &mut counter);
    println!(
        "{} messages in {} turns, {} datagrams in {} sends",
        workload.messages(),
        counter.turns,
        counter.datagrams,
        counter.sends
    );
    ExitCode::SUCCESS
}

fn run(wire: &mut Wire, workload: &Workload, meter: &mut impl Meter) {
    for _ in 0..workload.rounds {
        wire.round(meter);
    }
}

/// Adds up the time of turns.
#[derive(Default)]
struct Stopwatch(Duration);

impl Meter for Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a benchmark takes real time")]
    fn measure(&mut self, turn: impl FnOnce()) {
        let begin = Instant::now();
        turn();
        self.0 += begin.elapsed();
    }
}

/// Lets an onlooker know turns by the function that they happen in, and counts what they send.
#[derive(Default)]
struct Counter {
    turns: usize,
    datagrams: usize,
    sends: usize,
}

impl Meter for Counter {
    fn measure(&mut self, turn: impl FnOnce()) {
        self.turns += 1;
        counted_turn(turn);
    }

    fn note_sends(&mut self, sends: &[Datagram]) {
        self.sends += sends.len();
        self.datagrams += sends.iter().map(|send| segments(send).len()).sum::<usize>();
    }
}

/// Runs a turn. Instructions are counted inside of it: its name and that it is a
/// function matter.
#[inline(never)]
fn counted_turn(turn: impl FnOnce()) {
    turn();
    std::hint::black_box(());
}
