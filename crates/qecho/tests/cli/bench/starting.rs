//! Loads that begin at a time, and reports as comma-separated values.

use std::time::{Duration, SystemTime};

use super::bench;
use crate::env::TestEnv;

fn unix_time() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("it is after 1970")
}

#[test]
fn a_load_begins_when_it_is_told_to_and_says_how_late() {
    let (env, server) = TestEnv::with_server("");
    let at = unix_time() + Duration::from_millis(1_500);
    let load = format!("-n 5 --format json --start-at {}", at.as_secs_f64());
    let done = bench(&env, &server, &load).ok();
    assert!(unix_time() >= at);
    let report = done.last_event();
    let late = report["start"]["late_s"].as_f64();
    let is_soon = late.is_some_and(|late| (0.0..1.0).contains(&late));
    assert!(is_soon, "{report}");
}

#[test]
fn a_load_that_begins_too_late_says_so() {
    let (env, server) = TestEnv::with_server("");
    let done = bench(&env, &server, "-n 5 --start-at 2026-01-01T00:00:00Z").run();
    done.exits(0)
        .prints("start        at 2026-01-01T00:00:00Z, ")
        .prints("warning: the run began ");
    let done = bench(&env, &server, "-n 5 --start-at tomorrow").run();
    done.exits(2).complains("RFC 3339");
}

#[test]
fn a_load_that_waits_for_its_time_can_be_interrupted() {
    let (env, server) = TestEnv::with_server("");
    let at = unix_time() + Duration::from_secs(3_600);
    let load = format!("-n 5 --start-at {}", at.as_secs());
    let running = bench(&env, &server, &load).start();
    running.stderr.line_with("waiting until ");
    running.terminate();
    running.done().exits(143);
    assert_eq!(server.ends_well()["connections"], 0);
}

#[test]
fn comma_separated_values_have_a_row_for_each_step_and_as_many_fields_as_names() {
    let (env, server) = TestEnv::with_server("--also tls");
    for (load, rows) in [
        ("-n 20", 1),
        ("--step 200,400 -n 20 -s 5..9", 2),
        ("-n 20 --baseline tls", 2),
    ] {
        let done = bench(&env, &server, &format!("{load} --format csv")).ok();
        let lines = done.stdout.lines();
        let lines: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
        assert_eq!(lines.len(), 1 + rows, "{done:#?}");
        let names = &lines[0];
        let is_whole = |line: &Vec<_>| line.len() == names.len();
        assert!(lines.iter().all(is_whole), "{done:#?}");
        let messages = names.iter().position(|name| *name == "messages");
        let messages = messages.expect("it is a column");
        assert!(lines[1..].iter().all(|line| line[messages] == "20"));
    }
}
