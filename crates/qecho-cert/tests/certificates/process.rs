//! Other processes (this very program again, or a tool) and threads that start at once.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;

/// Prepares a process that runs the test `name`, usually the caller itself, which
/// knows from a variable the caller sets that it plays the other part there.
pub(crate) fn running(name: &str) -> Command {
    let program = env::current_exe().expect("a program knows itself");
    let mut command = Command::new(program);
    command
        .args(["--exact", name, "--quiet"])
        .stdout(Stdio::null());
    command
}

/// Lets such a process run, and returns whether its test was there and passed.
pub(crate) fn passes(command: &mut Command) -> bool {
    let output = command
        .stdout(Stdio::piped())
        .output()
        .expect("this program runs again");
    let said = String::from_utf8_lossy(&output.stdout);
    output.status.success() && said.contains("1 passed")
}

/// Runs a tool that tests are held against, and returns whether it was content and
/// all it said.
pub(crate) fn tool(command: &mut Command) -> (bool, String) {
    let program = command.get_program().to_owned();
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "cannot run {}: {error}; run `cargo xtask setup`",
            program.display()
        )
    });
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Runs OpenSSL with arguments and with options that name files.
#[track_caller]
pub(crate) fn openssl(arguments: &str, files: &[(&str, &Path)]) {
    let mut command = Command::new("openssl");
    command.args(arguments.split_whitespace());
    for (option, path) in files {
        command.arg(option).arg(path);
    }
    let (done, said) = tool(&mut command);
    assert!(done, "{said}");
}

/// Does something on many threads at once.
pub(crate) fn at_once<T: Send>(threads: usize, act: impl Fn() -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads);
    let wait_and_act = || {
        start.wait();
        act()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(wait_and_act)).collect();
        let outcomes = threads.into_iter().map(|thread| thread.join());
        outcomes.collect::<Result<_, _>>().expect("none panics")
    })
}
