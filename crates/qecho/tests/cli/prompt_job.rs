//! The prompt as a job of a shell: stopped, continued and ended.

use rustix::process::Signal;

use crate::{
    env::TestEnv,
    prompt::{QUESTION_BEGINS, QUESTION_ENDS, asks},
    terminal::{CTRL_D, CTRL_Z, JOB, Terminal},
};

#[test]
fn a_prompt_that_is_stopped_gives_the_terminal_back_and_asks_again_in_the_foreground() {
    let (env, server) = TestEnv::with_server("");
    let command = format!("client {}", server.place());
    for by_key in [true, false] {
        let terminal = Terminal::start_script(&env, JOB, &command);
        asks(&terminal, 1);
        terminal.types(b"half a li");
        terminal.screen.says("half a li");
        match by_key {
            true => terminal.types(CTRL_Z),
            false => terminal.signals_job(Signal::TSTP),
        }
        // 128 and the number of SIGTSTP.
        terminal
            .screen
            .says_after("status 148", "terminal as before");
        terminal.enters("");
        terminal.screen.says_after("status 148", QUESTION_BEGINS);
        terminal
            .screen
            .says_after("status 148", "Message: half a li");
        terminal.enters("ne");
        terminal.screen.says("echo: \"half a line\"");
        terminal.screen.says_times(QUESTION_BEGINS, 3);
        terminal.types(CTRL_D);
        let shown = terminal.exits(0);
        assert!(shown.contains("status 0"), "{shown:?}");
        let (before, _) = shown.split_once("status 148").expect("it was stopped");
        assert!(before.contains(QUESTION_ENDS), "{shown:?}");
    }
}

#[test]
fn a_prompt_gives_the_terminal_back_before_a_signal_ends_it() {
    let (env, server) = TestEnv::with_server("");
    let command = format!("client {}", server.place());
    // The last is a real-time one.
    for signal in [Signal::QUIT.as_raw(), Signal::ABORT.as_raw(), 40] {
        let terminal = Terminal::start_script(&env, JOB, &command);
        asks(&terminal, 1);
        terminal.signals_job_by(signal);
        let status = format!("status {}", 128 + signal);
        terminal.screen.says_after(&status, "terminal as before");
        terminal.enters("");
        // There is no job any more that could be continued.
        let shown = terminal.exits(2);
        let (before, _) = shown.split_once(&status).expect("it was ended");
        assert!(before.contains(QUESTION_ENDS), "{shown:?}");
    }
}

#[test]
fn a_prompt_asks_again_when_a_shell_brings_it_to_the_foreground_without_a_word() {
    let (env, server) = TestEnv::with_server("");
    let command = format!("client {}", server.place());
    // What runs already, bash does not continue; a key would stop it in the background.
    let script = "qecho; echo status $?; bg; sleep 1; fg; echo status $?";
    let bash = ("/bin/bash", 200);
    let terminal = Terminal::start_script_in(&env, bash, script, &command);
    asks(&terminal, 1);
    terminal.types(CTRL_Z);
    terminal.screen.says_after("status 148", QUESTION_BEGINS);
    terminal.screen.says_after("status 148", "Message: ");
    terminal.enters("hello");
    terminal.screen.says("echo: \"hello\"");
    terminal.screen.says_times(QUESTION_BEGINS, 3);
    terminal.types(CTRL_D);
    assert!(terminal.exits(0).contains("status 0"));
}

#[test]
fn a_long_line_that_is_shown_again_erases_nothing_of_the_shell() {
    let (env, server) = TestEnv::with_server("");
    let command = format!("client {}", server.place());
    let terminal = Terminal::start_script_in(&env, ("/bin/sh", 40), JOB, &command);
    asks(&terminal, 1);
    let line = "0123456789".repeat(30);
    terminal.types(line.as_bytes());
    terminal.screen.says_times("9", 30);
    terminal.types(CTRL_Z);
    terminal
        .screen
        .says_after("status 148", "terminal as before");
    terminal.enters("");
    terminal
        .screen
        .says_after("terminal as before", "Message: 0123456789");
    terminal.enters("!");
    terminal.screen.says("301");
    terminal.screen.says_times(QUESTION_BEGINS, 3);
    terminal.types(CTRL_D);
    let shown = terminal.exits(0);
    let (_, after) = shown
        .split_once("terminal as before")
        .expect("it was stopped");
    let (before, _) = after.split_once("Message: ").expect("it asks again");
    // The row of the cursor, below that in which the shell has said so.
    let mut row = 0_i64;
    let mut rest = before;
    while let Some(position) = rest.find(['\n', '\x1b']) {
        rest = &rest[position..];
        row += match rest.starts_with('\n') {
            true => 1,
            false if rest.starts_with("\x1b[A") => -1,
            false => 0,
        };
        assert!(row > 0, "a row of the shell is erased: {before:?}");
        rest = &rest[1..];
    }
}

#[test]
fn a_signal_ends_a_prompt_although_the_terminal_takes_nothing() {
    let (env, server) = TestEnv::with_server("");
    let command = format!("client {}", server.place());
    let terminal = Terminal::start_script(&env, JOB, &command);
    asks(&terminal, 1);
    terminal.takes_output(false);
    terminal.signals_job(Signal::QUIT);
    terminal.until_job_ends();
    terminal.takes_output(true);
    terminal
        .screen
        .says_after("status 131", "terminal as before");
    terminal.enters("");
    terminal.exits(2);
}

#[test]
fn a_prompt_whose_server_has_ended_while_it_was_stopped_leaves_the_terminal_as_it_was() {
    for _ in 0..5 {
        let (env, server) = TestEnv::with_server("--drain 100ms");
        let command = format!("client {}", server.place());
        let terminal = Terminal::start_script(&env, JOB, &command);
        asks(&terminal, 1);
        terminal.types(CTRL_Z);
        terminal
            .screen
            .says_after("status 148", "terminal as before");
        server.ends();
        // It goes on, and finds its end at the same time.
        terminal.enters("");
        terminal
            .screen
            .says_after("terminal as before", "server shutting down");
        // `exits` looks at the settings.
        terminal.exits(1);
    }
}
