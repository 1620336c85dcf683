//! Clients that are interrupted.

use std::time::Duration;

use rustix::process::Signal;

use crate::env::TestEnv;

#[test]
fn a_client_that_is_interrupted_or_terminated_says_so_by_its_exit_code() {
    let (env, server) = TestEnv::with_server("");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        for way in ["stream", "uni", "datagram", "stream-per-message"] {
            let mut client = env.client(&server, format!("--over {way}")).start();
            client.echoes("here\n");
            let stdin = client.stdin.take();
            client.signal(signal);
            let done = client.done_within(Duration::from_secs(5));
            done.exits(code);
            assert!(!done.stderr.contains("qecho:"), "{done:#?}");
            drop(stdin);
        }
    }
    assert_eq!(server.ends_well()["connections"], 8);
}

#[test]
fn a_client_is_interrupted_while_the_last_bytes_wait_for_their_reader() {
    let (env, server) = TestEnv::with_server("--messages always");
    let (mut client, stdout) = env.client(&server, "").start_unread();
    // More than the 64 KiB of a pipe, and no more than the client's queue takes
    // beside them, however small the pieces are that come back.
    client.types(&crate::pipe::random(80_000));
    drop(client.stdin.take());
    server.event("closed");
    client.signal(Signal::TERM);
    client.done_within(Duration::from_secs(5)).exits(143);
    drop(stdout);
}

#[test]
fn a_client_is_interrupted_although_nobody_reads_its_output() {
    let (env, server) = TestEnv::with_server("");
    let (mut client, stdout) = env.client(&server, "").start_unread();
    client.types(&crate::pipe::random(1_000_000));
    client.signal(Signal::TERM);
    client.done_within(Duration::from_secs(5)).exits(143);
    drop(stdout);
}
