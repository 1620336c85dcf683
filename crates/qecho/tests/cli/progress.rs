//! A pipe at a terminal: how far it has come, on lines of its own.

use crate::{
    cmd::Cmd,
    env::{self, TestEnv},
    terminal::{CTRL_C, Terminal},
};

/// Runs a shell at a terminal; `qecho` in its script is the program.
pub(crate) fn shell(env: &TestEnv, script: &str) -> Terminal {
    let script = script.replace("qecho", env!("CARGO_BIN_EXE_qecho"));
    let shell = Cmd::new(env.command("/bin/sh"));
    Terminal::start(shell.arg("-c").arg(script))
}

#[test]
fn a_pipe_tells_on_a_terminal_how_far_it_has_come() {
    let (env, server) = TestEnv::with_server("");
    let input = env.file("input", &"x".repeat(100_000));
    for (options, sink) in [("", "> /dev/null"), ("--verify", "")] {
        let client = format!("qecho client {} {options}", server.place());
        let script = format!("{client} < {} {sink}", input.display());
        let shown = shell(&env, &script).exits(0);
        assert!(shown.contains(" echoed, "), "{shown:?}");
        assert!(shown.contains("(0 B on the way)"), "{shown:?}");
        let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
        assert!(lines[0].starts_with("Connecting to 127.0.0.1:") && lines[0].contains("connected"));
        assert!(lines.contains(&"done"), "on a line of its own: {shown:?}");
    }
}

#[test]
fn no_bar_is_drawn_over_the_bytes_themselves() {
    let (env, server) = TestEnv::with_server("");
    let script = format!("printf 'a\\nb\\n' | qecho client {}", server.place());
    let shown = shell(&env, &script).exits(0);
    assert!(shown.ends_with("\r\na\r\nb\r\ndone\r\n"), "{shown:?}");
    assert!(!shown.contains("on the way"), "{shown:?}");
}

#[test]
fn nothing_is_drawn_on_a_terminal_that_takes_no_sequences() {
    let (env, server) = TestEnv::with_server("");
    let (input, place) = (env.file("input", &"x".repeat(100_000)), server.place());
    for command in [
        format!("qecho client {place} < {} > /dev/null", input.display()),
        format!("qecho bench {place} -n 10"),
        format!("qecho conform {place} --only F01"),
        "qecho demo --trace".into(),
        "qecho --help".into(),
    ] {
        for term in ["TERM=dumb", "TERM=", "unset TERM;"] {
            let script = format!("unset NO_COLOR; {term} {command}");
            let shown = shell(&env, &script).exits(0);
            assert!(!shown.contains('\x1b'), "{script}: {shown:?}");
        }
    }
}

#[test]
fn nothing_is_drawn_before_there_is_a_connection() {
    let env = TestEnv::new();
    let silent = env::socket();
    let address = env::address(&silent);
    let client = format!("qecho client {address} --timeout 400ms");
    let shown = shell(&env, &format!("echo a | {client} > /dev/null")).exits(1);
    assert!(!shown.contains("echoed"), "{shown:?}");
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[0], format!("Connecting to {address} …"));
    let is_told = lines[1].starts_with("qecho: cannot connect to ");
    assert!(is_told, "{shown:?}");
}

#[test]
fn ctrl_c_ends_a_pipe_at_a_terminal() {
    let (env, server) = TestEnv::with_server("");
    let client = format!("qecho client {}", server.place());
    let terminal = shell(&env, &format!("exec {client} < /dev/zero > /dev/null"));
    terminal.screen.says("echoed");
    terminal.types(CTRL_C);
    let shown = terminal.exits(130);
    assert!(!shown.contains("panicked"), "{shown:?}");
}
