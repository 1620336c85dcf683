//! `cargo xtask`: everything that is done to this workspace rather than by it.
#![expect(
    clippy::print_stdout,
    reason = "xtask is a program whose reader sits at a terminal or reads a CI log"
)]

mod checks;
mod fuzz;
mod instructions;
mod interop;
mod tidy;

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use xtask::{Outcome, clock, process, setup, workspace};

const HELP: &str = "\
Automation of the qecho workspace

Usage: cargo xtask <command>

  ci [--require-all]       every check in order, then a table; --require-all: a check that this
                           platform lacks a program for fails instead of being left out
  setup                    what the checks need: system programs, target/python, target/tools
  fmt                      formats every file
  tidy                     the rules of the house that no other tool knows
  interop [--require-all] [--binary FILE] [--list] [WORD]
                           other people's QUIC stacks against the built program;
                           WORD: only the cases whose name contains it
  instructions [--require-all] [--update] [WORD]
                           instructions of the server's shard per echoed message, against the
                           committed figures: more than 5 % above them fail; --update: makes the
                           figures anew; WORD: only the workloads whose name contains it
  fuzz TARGET [--seconds N]
                           libFuzzer on one of the targets in fuzz/src/lib.rs (Linux; 600 s):
                           inputs that fail are kept in target/fuzz/found
  peers [--peers NAME,…] [--workloads NAME,…] [--rounds N] [--seconds S] [--output FILE] [--list]
                           our echo server and other people's, built and measured in one
                           interleaved run: tables on stdout as Markdown, FILE for JSON;
                           --list: what NAME can be (Linux, two cores; 5 rounds of 2 s)
  conformance [--stacks NAME,…] [--steady N] [--at-once N] [--binary FILE] [--list]
                           `qecho conform` against other people's servers and clients and ours:
                           writes the scoreboard of docs/conformance.md, or prints that of a few;
                           --steady: N runs each, direct, through a bad path and beside busy
                           neighbours, in which no verdict may change (Linux; installs from apt)
  dist [--alone] [--list] [PART…]
                           all that is published, built and tried; PART: only these and what they
                           stand on, or --alone on what lies there; --list: what PART can be
                           (Linux, root, apt; needs the network)
  deny                     licences and sources of the dependencies, and who may use them
  advisories               known vulnerabilities in the dependencies (needs the network)

Exit status: 0 all well, 1 a check failed, 2 could not run.
";

fn main() -> ExitCode {
    xtask::main(run)
}

fn run(arguments: &[String]) -> Result<Outcome> {
    let Some((command, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(Outcome::CouldNotRun);
    };
    let report = match (command.as_str(), rest) {
        ("ci", []) => return checks::run(false),
        ("ci", [flag]) if flag == "--require-all" => return checks::run(true),
        ("ci", _) => bail!("`ci` takes --require-all and nothing else"),
        ("fuzz", _) => return fuzz::command(rest),
        ("dist", _) => return give_way("package-builder", rest),
        ("peers", _) => return give_way("bench-harness", rest),
        ("conformance", _) => return give_way("scoreboard", rest),
        ("interop", _) => return interop::command(rest),
        ("instructions", _) => return instructions::command(rest),
        ("help" | "--help" | "-h", _) => {
            print!("{HELP}");
            return Ok(Outcome::Good);
        }
        ("setup", []) => return setup::run().map(|()| Outcome::Good),
        ("fmt", []) => checks::format(&[]),
        ("tidy", []) => tidy::run(),
        ("deny", []) => checks::deny(),
        ("advisories", []) => checks::advisories(),
        ("setup" | "fmt" | "tidy" | "deny" | "advisories", [unknown, ..]) => {
            bail!("unexpected argument {unknown:?}")
        }
        (unknown, _) => bail!("there is no command {unknown:?}; `cargo xtask help` lists them"),
    };
    Ok(report?.outcome(false))
}

/// Gives way to a program that nothing else builds.
fn give_way(package: &str, arguments: &[String]) -> Result<Outcome> {
    let mut command = workspace::cargo(&["run", "--quiet", "--locked"]);
    command.args(["--package", package, "--"]);
    let error = command.args(arguments).exec();
    Err(error).context("cannot start cargo")
}
