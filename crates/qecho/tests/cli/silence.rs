//! Servers that fall silent after the handshake.

use rustix::process::Signal;

use crate::{
    cmd::Output,
    env::{Server, TestEnv},
};

/// Starts a client whose first line comes back, and whose second finds the server stopped.
fn interrupted_exchange(env: &TestEnv, server: &Server, arguments: &str) -> Output {
    let mut client = env.client(server, arguments).start();
    client.echoes("first\n");
    server.process.halt();
    client.types(b"second\n");
    let done = client.done();
    server.process.signal(Signal::CONT);
    done
}

#[test]
fn a_datagram_that_is_lost_is_told_and_counted() {
    let (env, server) = TestEnv::with_server("");
    let done = interrupted_exchange(&env, &server, "--over datagram --timeout 1s");
    done.fails(1, "1 of 2 datagrams did not come back", None)
        .prints("lost: datagram 2 did not come back");
    let command = "--over datagram --timeout 1s --format json";
    let json = interrupted_exchange(&env, &server, command);
    json.exits(1);
    let all = json.events();
    let lost = all.iter().find(|event| event["event"] == "lost");
    assert_eq!(lost.expect("it is told")["number"], 2);
    assert_eq!(json.last_event()["kind"], "lost");
}

#[test]
fn an_echo_that_does_not_come_in_time_is_a_failure() {
    let (env, server) = TestEnv::with_server("");
    let over = "--over stream-per-message --timeout 1s";
    let done = interrupted_exchange(&env, &server, over);
    let reason = "no echo within 1 s; 6 of 6 bytes did not come back";
    done.fails(1, reason, None);
    let json = interrupted_exchange(&env, &server, &format!("{over} --format json"));
    assert_eq!(json.exits(1).last_event()["kind"], "timeout");
}

#[test]
fn a_prompt_waits_for_a_silent_server_as_long_as_the_person_does() {
    let (env, server) = TestEnv::with_server("");
    let terminal = crate::terminal::Terminal::start(env.client(&server, "--timeout 1s"));
    terminal.screen.says("Message: ");
    server.process.halt();
    terminal.enters("hello");
    let waits = std::time::Duration::from_secs(2);
    assert!(!terminal.ends_within(waits), "{:?}", terminal.screen);
    server.process.signal(Signal::CONT);
    terminal.screen.says("echo: \"hello\"");
    terminal.signal(Signal::TERM);
    terminal.exits(143);
}

#[test]
fn a_pipe_in_which_nothing_moves_ends_when_patience_does() {
    let (env, server) = TestEnv::with_server("");
    let done = interrupted_exchange(&env, &server, "--timeout 2s");
    let reason = "nothing came back for 2 s; 7 of 13 bytes are missing";
    done.fails(1, reason, None);
}

#[test]
fn a_server_that_was_killed_is_missed_within_seconds() {
    let (env, server) = TestEnv::with_server("");
    let mut client = env.client(&server, "").start();
    client.echoes("first\n");
    server.process.signal(Signal::KILL);
    server.process.done();
    client.types(b"second\n");
    let reason = "connection lost: nobody listens there any more";
    client.done().fails(1, reason, None);
}
