//! Servers that are asked to end.

use std::{
    io::{Read, Write},
    process::ChildStdout,
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    cmd::{Process, timed},
    env::{Server, TestEnv},
    pipe::random,
    transcript::LIMIT,
};

const BIG: usize = 60_000_000;

/// A client in the middle of a big echo, of which nothing was read so far; its server must tell
/// messages.
struct BigEcho {
    client: Process,
    stdout: ChildStdout,
    writer: JoinHandle<()>,
}

impl BigEcho {
    fn begin(env: &TestEnv, server: &Server) -> Self {
        let (mut client, stdout) = env.client(server, "").start_unread();
        client.types(&random(100_000));
        let mut stdin = client.stdin.take().expect("it was piped");
        let writer = thread::spawn(move || {
            // A client that has ended takes no more.
            let _ = stdin.write_all(&random(BIG)[100_000..]);
        });
        server.event("received");
        Self {
            client,
            stdout,
            writer,
        }
    }
}

#[test]
fn a_server_that_is_terminated_lets_a_big_echo_finish() {
    let (env, server) = TestEnv::with_server("--messages always --drain 2m");
    let mut echo = BigEcho::begin(&env, &server);
    let mut some = vec![0; 50_000];
    let begun = echo.stdout.read_exact(&mut some);
    begun.expect("the echo has begun");
    server.process.terminate();
    server.process.stderr.says("shutting down");
    let mut came = some;
    let rest = echo.stdout.read_to_end(&mut came);
    rest.expect("stdout can be read");
    let count = came.len();
    assert!(came == random(BIG), "{count} of {BIG} bytes came back");
    echo.client.done().exits(0);
    echo.writer.join().expect("writing does not panic");
    let last = server.process.done().exits(0).last_event();
    assert_eq!(last["event"], "stopped");
    assert_eq!(last["bytes_echoed"], BIG);
}

#[test]
fn a_stalled_peer_holds_a_server_no_longer_than_it_may_drain() {
    let (env, server) = TestEnv::with_server("--messages always --drain 1s");
    let BigEcho {
        client,
        mut stdout,
        writer,
    } = BigEcho::begin(&env, &server);
    server.process.terminate();
    let (done, took) = timed(|| server.process.done());
    done.exits(0);
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    // The client says why, as soon as it can write again.
    let reader = thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    let done = client.done();
    done.exits(1).complains("server shutting down");
    let copied = reader.join().expect("reading does not panic");
    copied.expect("stdout can be read");
    writer.join().expect("writing does not panic");
}

#[test]
fn a_client_is_told_that_the_server_shuts_down_although_nobody_reads_its_output() {
    let (env, server) = TestEnv::with_server("--messages always --drain 100ms");
    let BigEcho {
        client,
        stdout,
        writer,
    } = BigEcho::begin(&env, &server);
    server.ends_well();
    let done = client.done_within(Duration::from_secs(5));
    done.exits(1)
        .complains(" bytes that came back could not be written: stdout took nothing")
        .complains("server shutting down");
    drop(stdout);
    writer.join().expect("writing does not panic");
}

#[test]
fn a_server_that_nobody_uses_says_that_it_shuts_down_before_it_has() {
    let env = TestEnv::new();
    for _ in 0..10 {
        let server = env.server("");
        server.process.signal(Signal::TERM);
        let done = server.process.done();
        done.exits(0)
            .complains("shutting down: open streams have 10s to finish");
    }
}

#[test]
fn two_signals_at_once_are_one_request() {
    let (env, server) = TestEnv::with_server("--messages always --drain 2m");
    let mut client = env.client(&server, "").start();
    client.echoes("here");
    // As GNU timeout does, but of two kinds, which the system cannot make one of.
    server.process.signal(Signal::TERM);
    server.process.signal(Signal::INT);
    server.process.stderr.says("shutting down");
    client.types(b", still");
    client.stdout.says("here, still");
    client.done().exits(0);
    let last = server.process.done().exits(0).last_event();
    assert_eq!(last["event"], "stopped");
}

/// Time after which a signal is another request than the one before it.
const ANOTHER_REQUEST: Duration = Duration::from_millis(200);

#[test]
fn a_second_signal_ends_a_server_at_once() {
    let env = TestEnv::new();
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let server = env.server("--messages always --drain 1m");
        let echo = BigEcho::begin(&env, &server);
        server.process.signal(signal);
        server.process.stderr.says("shutting down");
        thread::sleep(ANOTHER_REQUEST);
        assert!(!server.process.has_ended(), "a stream is open");
        server.process.signal(signal);
        let done = server.process.done_within(Duration::from_secs(3));
        done.exits(code);
        drop(echo.client);
        echo.writer.join().expect("writing does not panic");
    }
}

#[test]
fn a_server_without_streams_ends_at_once_and_tells_its_idle_clients() {
    let env = TestEnv::new();
    for signal in [Signal::TERM, Signal::INT] {
        let server = env.server("--messages always --drain 1m");
        // Nothing was sent, so no stream is open.
        let mut client = env.client(&server, "--over datagram").start();
        client.echoes("here\n");
        let stdin = client.stdin.take();
        server.process.signal(signal);
        let done = server.process.done_within(Duration::from_secs(5));
        done.exits(0);
        let done = client.done_within(Duration::from_secs(5));
        done.fails(1, "server shutting down", None);
        drop(stdin);
    }
}

#[test]
fn nobody_is_let_in_while_the_server_drains() {
    let (env, server) = TestEnv::with_server("--messages always --drain 25s");
    let mut first = env.client(&server, "").start();
    first.echoes("here");
    server.process.terminate();
    server.process.stderr.says("shutting down");
    let late = env.client(&server, "-m a --timeout 2s").run();
    late.exits(1).complains("CONNECTION_REFUSED");
    first.types(b", still");
    first.stdout.says("here, still");
    first.done().exits(0);
    server.process.done_within(LIMIT).exits(0);
}
