//! Any words at all on the command line: they are understood, or refused in words.

use clap::{CommandFactory, Parser};
use qecho_testkit::seed::ShowsSeed;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::Arguments;

const LINES: u64 = 500;

/// Values as people write them, and as they do not.
const VALUES: &[&str] = &[
    "",
    "-",
    "--",
    "0",
    "1",
    "-1",
    "1e9",
    "nan",
    "inf",
    "18446744073709551616",
    "0.0000001",
    "5s",
    "5",
    "99999999999h",
    "1ms/0",
    "5s/2s",
    "every 5s",
    "2%",
    "100.1%",
    "1e1%",
    "10mbit",
    "9gbit",
    "1..0",
    "64..1k",
    "1k",
    "9EiB",
    "2-7",
    "7-2",
    "none",
    "loss=25%",
    "burst=9",
    "localhost",
    "localhost:0",
    "localhost:65536",
    "[::1]:4433",
    "[fe80::1%eth0]:1",
    "::1",
    "*:4433",
    ":",
    "[",
    "p99<5ms",
    "p99>5ms",
    "limit<",
    "sha256:",
    "sha256:zz",
    "é",
    "\u{202e}x",
    "\0",
    "2026-13-41",
    "25:61:00",
    "stream",
    "datagram",
    "text",
    "json",
    "a=b=c",
    "%",
    "@",
    "/dev/null",
];

/// Returns a value, or two that run into one another.
fn value(random: &mut StdRng) -> String {
    let mut pick = || VALUES[random.random_range(0..VALUES.len())].to_owned();
    let (one, other) = (pick(), pick());
    match random.random_range(0..4) {
        0 => one + &other,
        1 => {
            let end = random.random_range(0..=one.chars().count());
            one.chars().take(end).collect()
        }
        _ => one,
    }
}

/// Returns a command and words after it, most of them options that it has.
fn line(random: &mut StdRng) -> Vec<String> {
    let all = Arguments::command();
    let commands: Vec<_> = all.get_subcommands().collect();
    let command = commands[random.random_range(0..commands.len())];
    let options: Vec<_> = command.get_arguments().collect();
    let mut words = vec!["qecho".to_owned(), command.get_name().to_owned()];
    for _ in 0..random.random_range(0..6) {
        let option = match options.is_empty() {
            true => None,
            false => options[random.random_range(0..options.len())].get_long(),
        };
        let joined = random.random_range(0..3);
        match (option, joined) {
            (Some(name), 0) => words.push(format!("--{name}={}", value(random))),
            (Some(name), 1) => words.extend([format!("--{name}"), value(random)]),
            _ => words.push(value(random)),
        }
    }
    words
}

#[test]
fn any_words_are_understood_or_refused_in_words() {
    let first: u64 = rand::random();
    let mut refused = 0;
    for seed in (0..LINES).map(|number| first.wrapping_add(number)) {
        let _shows_seed = ShowsSeed(seed);
        let words = line(&mut StdRng::seed_from_u64(seed));
        if let Err(error) = Arguments::try_parse_from(&words) {
            refused += 1;
            assert!(!error.to_string().trim().is_empty(), "{words:?}");
        }
    }
    assert!((1..LINES).contains(&refused), "{refused} of {LINES}");
}
