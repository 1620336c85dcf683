//! Loads that fail by the figures that a user has set.

use rustix::process::Signal;

use super::bench;
use crate::env::TestEnv;

#[test]
fn a_bound_that_is_true_fails_the_run_and_is_named_with_the_figure() {
    let (env, server) = TestEnv::with_server("");
    let done = bench(&env, &server, "-n 20 --fail-if max>1ns --fail-if rate<0.1").run();
    done.fails(1, "failed by 'max>1ns'", None);
    done.prints("FAILED, max is ").prints("passed, rate is ");
    let both = "-n 20 --format json --fail-if p50>=1ns --fail-if goodput<1GB --fail-if lost>0";
    let done = bench(&env, &server, both).run();
    done.fails(1, "failed by 'p50>=1ns'; goodput is ", None);
    let report = done.last_event();
    let fails = |place: usize| &report["fail_if"][place]["fails"];
    assert_eq!([fails(0), fails(1), fails(2)], [true, true, false]);
    assert_eq!(report["fail_if"][2]["value"], 0.0);
    bench(&env, &server, "-n 20 --fail-if p99>1h --fail-if errors>0").ok();
}

#[test]
fn a_bound_that_is_true_of_a_partial_report_is_said_too() {
    let env = TestEnv::new();
    let load = |bound: &str| {
        let server = env.server("--messages always");
        let load = format!("-d 1h --warmup 0s --fail-if {bound}");
        let running = bench(&env, &server, &load).start();
        server.event("received");
        (server, running)
    };
    for bound in ["lost>=0", "lost>0"] {
        let (_server, running) = load(bound);
        running.signal(Signal::INT);
        let done = running.done();
        done.exits(130);
        assert_eq!(done.stderr.contains("failed by"), bound == "lost>=0");
    }
    let (server, running) = load("lost>=0");
    server.process.signal(Signal::KILL);
    let done = running.done();
    done.fails(1, "the run ended early: ", None)
        .complains("failed by 'lost>=0'");
}

#[test]
fn what_is_no_bound_is_refused_before_anything_is_sent() {
    let (env, server) = TestEnv::with_server("");
    for (bound, reason) in [
        ("p98>5ms", "there is no figure"),
        ("p99=5ms", "is no bound"),
    ] {
        let done = bench(&env, &server, &format!("-n 1 --fail-if {bound}")).run();
        done.exits(2).complains(reason);
    }
    assert_eq!(server.ends_well()["connections"], 0);
}
