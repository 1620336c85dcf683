//! What was typed at the prompt is there at the next one, and nowhere else.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    env::{self, TestEnv},
    prompt::asks,
    terminal::{CTRL_D, Terminal, UP},
};

/// Sends a message at a prompt of its own, and ends it.
#[track_caller]
fn sends(env: &TestEnv, client: &str, keys: &[&[u8]], echoed: &str) -> String {
    let terminal = Terminal::start(env.qecho(client));
    terminal.screen.says("Message: ");
    keys.iter().for_each(|key| terminal.types(key));
    terminal.screen.says(&format!("echo: \"{echoed}\""));
    asks(&terminal, 2);
    terminal.types(CTRL_D);
    terminal.exits(0)
}

#[test]
fn what_was_typed_is_there_at_the_next_prompt() {
    let (env, server) = TestEnv::with_server("");
    let client = format!("client {}", server.place());
    let shown = sends(&env, &client, &[b"kept\r"], "kept");
    assert_eq!(shown.matches("Ctrl-D ends").count(), 1, "{shown}");
    let file = env.home().join("qecho/history");
    assert_eq!(env::read(&file), "kept\n");
    let access = fs::metadata(&file).expect("it is there").permissions();
    assert_eq!(access.mode() & 0o777, 0o600);
    sends(&env, &client, &[UP, b" too\r"], "kept too");
    assert_eq!(env::read(&file), "kept\nkept too\n");
    let unheard = format!("{client} --no-history");
    sends(&env, &unheard, &[UP, b"secret\r"], "secret");
    assert_eq!(env::read(&file), "kept\nkept too\n");
}

#[test]
fn the_history_lies_with_the_state_of_programs_unless_qecho_has_a_home() {
    let (env, server) = TestEnv::with_server("");
    let client = format!("client {} --pin {}", server.place(), server.pin());
    for (variable, file) in [
        ("XDG_STATE_HOME", "state/qecho/history"),
        ("", ".local/state/qecho/history"),
    ] {
        let cmd = env
            .qecho(&client)
            .without("QECHO_HOME")
            .without("XDG_STATE_HOME");
        let cmd = match variable {
            "" => cmd,
            _ => cmd.env(variable, env.home().join("state")),
        };
        let terminal = Terminal::start(cmd);
        terminal.screen.says("Message: ");
        terminal.enters("hello");
        terminal.screen.says("echo: \"hello\"");
        asks(&terminal, 2);
        terminal.types(CTRL_D);
        terminal.exits(0);
        assert_eq!(env::read(env.home().join(file)), "hello\n");
    }
}

#[test]
fn a_history_that_cannot_be_kept_is_told_once_and_the_client_goes_on() {
    let (env, server) = TestEnv::with_server("");
    let client = format!("client {}", server.place());
    // A folder in its place is no file of ours, and nothing is said.
    let file = env.home().join("qecho/history");
    std::os::unix::fs::symlink("/dev/null", &file).expect("it can be linked");
    let shown = sends(&env, &client, &[b"a\r"], "a");
    assert!(!shown.contains("warning"), "{shown}");
    assert!(file.is_symlink());
    fs::remove_file(&file).expect("it is there");
    fs::write(&file, vec![b'x'; 5_000_000]).expect("it can be written");
    let terminal = Terminal::start(env.qecho(&client));
    terminal.screen.says("Message: ");
    terminal.enters("one");
    terminal.screen.says("echo: \"one\"");
    asks(&terminal, 2);
    terminal.enters("two");
    terminal.screen.says("echo: \"two\"");
    asks(&terminal, 3);
    terminal.types(CTRL_D);
    let shown = terminal.exits(0);
    let warning = "warning: what is typed is not kept in ";
    assert_eq!(shown.matches(warning).count(), 1, "{shown}");
    assert!(shown.contains("too large to be a history"), "{shown}");
    assert_eq!(fs::metadata(&file).expect("it is there").len(), 5_000_000);
}

#[test]
fn messages_that_nobody_types_leave_no_history() {
    let (env, server) = TestEnv::with_server("");
    env.client(&server, "-m hello").ok();
    env.client(&server, "").run_with(b"hello\n").exits(0);
    assert!(!env.home().join("qecho/history").exists());
}
