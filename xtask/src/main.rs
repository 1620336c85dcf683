//! `cargo xtask`: everything that is done to this workspace rather than by it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "xtask is a program whose reader sits at a terminal or reads a CI log"
)]

mod ci;
mod clock;
mod deny;
mod format;
mod instructions;
mod interop;
mod peers;
mod process;
mod setup;
mod tidy;
mod totals;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
Automation of the qecho workspace

Usage: cargo xtask <command>

  ci [--require-all]       every check in order, then a table; --require-all: a check that this
                           platform lacks a program for fails instead of being left out
  setup                    what the checks need: system programs, target/python, target/tools
  fmt                      formats every file
  tidy                     the rules of the house that no compiler knows
  interop [--require-all] [--binary FILE] [--list] [WORD]
                           other people's QUIC stacks against the built program;
                           WORD: only the cases whose name contains it
  instructions [--require-all] [--update] [WORD]
                           instructions of the server's shard per echoed message, against the
                           committed figures: more than 5 % above them fail; --update: makes the
                           figures anew; WORD: only the workloads whose name contains it
  peers [--peers NAME,…] [--workloads NAME,…] [--rounds N] [--seconds S] [--output FILE] [--list]
                           our echo server and other people's, built and measured in one
                           interleaved run: tables on stdout as Markdown, FILE for JSON;
                           --list: what NAME can be (Linux, two cores; 5 rounds of 2 s)
  deny                     licences, bans and sources of the dependencies
  advisories               known vulnerabilities in the dependencies (needs the network)

Exit status: 0 all well, 1 a check failed, 2 could not run.
";

/// What a command came to, as an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Good,
    Bad,
    CouldNotRun,
}

fn main() -> ExitCode {
    let outcome = process::kill_everything_on_signals()
        .and_then(|()| run(std::env::args().skip(1).collect()))
        .unwrap_or_else(|error| {
            eprintln!("xtask: {error:#}");
            Outcome::CouldNotRun
        });
    ExitCode::from(match outcome {
        Outcome::Good => 0,
        Outcome::Bad => 1,
        Outcome::CouldNotRun => 2,
    })
}

fn run(arguments: Vec<String>) -> Result<Outcome> {
    let Some((command, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(Outcome::CouldNotRun);
    };
    match command.as_str() {
        "ci" => ci::run(&ci::Options {
            require_all: only_require_all(rest)?,
        }),
        "setup" => no_more(rest).and_then(|()| setup::run()),
        "fmt" => no_more(rest).and_then(|()| format::apply()),
        "tidy" => no_more(rest).and_then(|()| tidy::run()),
        "interop" => interop::run(&interop::Options::parse(rest)?),
        "instructions" => instructions::run(&instructions::Options::parse(rest)?),
        "peers" => peers::run(&peers::Options::parse(rest)?),
        "deny" => no_more(rest).and_then(|()| deny::gate()),
        "advisories" => no_more(rest).and_then(|()| deny::advisories()),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(Outcome::Good)
        }
        unknown => bail!("there is no command {unknown:?}; `cargo xtask help` lists them"),
    }
}

fn no_more(rest: &[String]) -> Result<()> {
    match rest.first() {
        None => Ok(()),
        Some(unknown) => bail!("unexpected argument {unknown:?}"),
    }
}

fn only_require_all(rest: &[String]) -> Result<bool> {
    match rest {
        [] => Ok(false),
        [flag] if flag == "--require-all" => Ok(true),
        _ => bail!("`ci` takes --require-all and nothing else"),
    }
}
