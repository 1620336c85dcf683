//! `cargo xtask fuzz`: libFuzzer on what reads strangers' bytes, for as long as one likes.
//!
//! The compiler's own coverage instrumentation is all that it takes, so it runs on the stable
//! toolchain. What is found once goes into `fuzz/corpus`, where every test run tries it.

use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use xtask::report::Report;

use crate::workspace::BUILD_LIMIT;
use crate::{Outcome, process, setup, workspace};

/// Seconds of a run, unless another number is given.
const SECONDS: u64 = 600;
/// Most seconds of a run: a week.
const SECONDS_MAX: u64 = 7 * 86_400;
/// Time for libFuzzer to begin and end.
const MARGIN: Duration = Duration::from_secs(120);
/// Time for an input, on a busy machine.
const INPUT_SECONDS_MAX: &str = "-timeout=20";
const MEMORY_MAX: &str = "-rss_limit_mb=2048";
const INPUT_BYTES_MAX: &str = "-max_len=65536";

/// Instrumentation by which libFuzzer sees what an input reaches.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Runs the command on what was typed: a target, and for how long.
pub(crate) fn command(arguments: &[String]) -> Result<Outcome> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (target, seconds) = match words[..] {
        [target] if !target.starts_with('-') => (target, SECONDS),
        [target, "--seconds", seconds] => {
            (target, seconds.parse().context("--seconds is a number")?)
        }
        _ => bail!("`fuzz` takes a target, and --seconds N; fuzz/src/lib.rs has the targets"),
    };
    ensure!(
        (1..=SECONDS_MAX).contains(&seconds),
        "--seconds is from 1 to {SECONDS_MAX}"
    );
    ensure!(setup::CXX.is_here(), "libFuzzer takes a C++ compiler");
    Ok(run(target, seconds)?.outcome(false))
}

fn run(target: &str, seconds: u64) -> Result<Report> {
    let folder = workspace::target().join("fuzz");
    let (corpus, found) = (folder.join("corpus").join(target), folder.join("found"));
    for made in [&corpus, &found] {
        fs::create_dir_all(made).with_context(|| format!("cannot make {}", made.display()))?;
    }
    let host = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let manifest = workspace::root().join("fuzz/coverage/Cargo.toml");
    // A target that is named keeps the flags from build scripts.
    let mut build = workspace::cargo(&["build", "--release", "--locked", "--target", &host]);
    build
        .arg("--manifest-path")
        .arg(manifest)
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTFLAGS", RUSTFLAGS);
    process::succeed(build, BUILD_LIMIT)?;
    let mut fuzzer = Command::new(folder.join(host).join("release/fuzz-coverage"));
    fuzzer
        .arg(&corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/{target}-", found.display()))
        .args([INPUT_SECONDS_MAX, MEMORY_MAX, INPUT_BYTES_MAX])
        .args(["-print_final_stats=1"])
        .env("QECHO_FUZZ_TARGET", target)
        .env("QECHO_FUZZ_CORPUS", &corpus);
    Ok(process::run(fuzzer, MARGIN + Duration::from_secs(seconds))?.into())
}
