//! Servers that are not there, do not answer, or are full.

use std::time::Duration;

use crate::{
    cmd::{Cmd, quickly, timed},
    env::{self, TestEnv, VacantPort},
};

#[test]
fn no_server_is_noticed_at_once_and_the_address_named() {
    let env = TestEnv::new();
    let vacant = VacantPort::keep();
    let port = vacant.number();
    for host in ["127.0.0.1", "localhost"] {
        let command = format!("client {host}:{port} -m a");
        let reason =
            format!("cannot connect to {host}:{port}: nobody listens there (127.0.0.1:{port})");
        let hint = format!("is a server running there, on UDP port {port}?");
        quickly(Duration::from_secs(2), || {
            let done = env.qecho(&command).run();
            done.fails(1, &reason, Some(&hint));
        });
    }
}

#[test]
fn a_pipe_to_nobody_does_not_hang_on_its_input() {
    let env = TestEnv::new();
    let vacant = VacantPort::keep();
    for way in ["stream", "uni", "datagram", "stream-per-message"] {
        let command = format!("client 127.0.0.1:{} --over {way}", vacant.number());
        let mut client = env.qecho(&command).start();
        let open = client.stdin.take();
        let done = client.done_within(Duration::from_secs(10));
        done.fails(1, "nobody listens there", Some("server"));
        drop(open);
    }
}

#[test]
fn a_host_that_never_answers_is_given_up_after_the_timeout() {
    let env = TestEnv::new();
    let silent = env::socket();
    let address = env::address(&silent);
    let command = format!("client {address} -m a --timeout 700ms");
    let (done, took) = timed(|| env.qecho(&command).run());
    let hint = Some("is a server running there");
    done.fails(1, "no answer within 700 ms", hint);
    assert!(took >= Duration::from_millis(700), "it took {took:?}");
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    let json = env.qecho(format!("{command} --format json")).run();
    assert_eq!(json.exits(1).last_event()["kind"], "not_connected");
}

#[test]
fn of_several_addresses_each_kind_of_failure_is_told() {
    let env = TestEnv::new();
    let silent = env::socket();
    let port = env::address(&silent).port();
    let command = format!("client localhost:{port} -m a --timeout 1s");
    let reason =
        format!("cannot connect to localhost:{port}: no answer within 1 s (127.0.0.1:{port}); ");
    let done = env.qecho(&command).run();
    done.fails(1, &reason, Some("is a server running there"));
    assert!(
        done.stderr.contains(&format!("([::1]:{port})")),
        "{done:#?}"
    );
}

#[test]
fn a_client_that_waits_for_an_answer_can_be_interrupted() {
    let env = TestEnv::new();
    let silent = env::socket();
    let address = env::address(&silent);
    let client = env.qecho(format!("client {address} -m a --timeout 1m"));
    let client = client.start();
    client.stderr.says("Connecting to");
    let first = silent.recv(&mut [0; 2_000]);
    first.expect("the first packet comes");
    client.signal(rustix::process::Signal::INT);
    client.done_within(Duration::from_secs(5)).exits(130);
}

#[test]
fn a_name_without_address_could_not_run() {
    let env = TestEnv::new();
    let client = env.qecho("client no-such-host.invalid -m a");
    let reason = "cannot find the address of no-such-host.invalid";
    client.run().fails(2, reason, Some("check the spelling"));
}

#[test]
fn a_name_that_would_command_the_terminal_is_shown_escaped() {
    let env = TestEnv::new();
    let mut client = env.command(env!("CARGO_BIN_EXE_qecho"));
    client.args(["client", "\u{1b}]0;x\u{7}.invalid", "-m", "a"]);
    let done = Cmd::new(client).run();
    done.exits(2);
    done.complains("\\u{1b}]0;x\\u{7}.invalid");
    assert!(
        !done.stderr.contains(['\u{1b}', '\u{7}']),
        "{:?}",
        done.stderr
    );
}

#[test]
fn one_connection_too_many_is_refused_at_once() {
    let (env, server) = TestEnv::with_server("--max-connections 1");
    let mut first = env.client(&server, "").start();
    first.echoes("here");
    quickly(Duration::from_secs(1), || {
        let done = env.client(&server, "-m a").run();
        done.fails(1, "CONNECTION_REFUSED", Some("full or shutting down"));
    });
    first.done().exits(0);
}

#[test]
fn a_silent_connection_is_given_up_after_the_idle_timeout() {
    let (env, server) = TestEnv::with_server("--messages always --idle-timeout 2s");
    let mut client = env.client(&server, "").start();
    client.echoes("here");
    server.process.halt();
    let stdin = client.stdin.take();
    let done = client.done();
    let reason = "connection lost: the peer fell silent (idle timeout)";
    done.fails(1, reason, None);
    drop(stdin);
}

#[test]
fn a_place_is_free_as_soon_as_its_client_has_gone() {
    let (env, server) = TestEnv::with_server("--max-connections 1");
    for _ in 0..10 {
        env.client(&server, "-m a").ok();
    }
}
