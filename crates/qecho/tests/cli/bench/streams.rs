//! Loads of many streams on a connection.

use rustix::process::Signal;

use super::bench;
use crate::env::TestEnv;

#[test]
fn a_server_that_may_allow_a_thousand_streams_echoes_on_all_of_them() {
    let (env, server) = TestEnv::with_server("--max-streams 1000");
    let load = "-n 3000 --streams 1000 --timeout 30s --format json";
    let done = bench(&env, &server, load).ok();
    assert_eq!(done.last_event()["messages"], 3_000);
    assert_eq!(server.ends_well()["streams"], 1_000);
}

#[test]
fn a_load_of_more_streams_than_the_server_allows_says_so() {
    let (env, server) = TestEnv::with_server("");
    let load = "-d 1h --streams 101 --timeout 2s";
    let done = bench(&env, &server, load).run();
    let reason = "the server allows 100 streams at once, and the load has 101";
    done.fails(1, reason, None);
}

#[test]
fn a_server_that_falls_silent_is_not_said_to_allow_too_few_streams() {
    let (env, server) = TestEnv::with_server("--messages always");
    let load = "-d 1h --warmup 0s --rate 20 --streams 100 --timeout 2s";
    let running = bench(&env, &server, load).start();
    server.event("received");
    server.process.halt();
    running.done().fails(1, "no echo within 2 s", None);
    server.process.signal(Signal::CONT);
}
