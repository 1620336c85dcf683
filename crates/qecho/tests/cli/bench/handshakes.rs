//! Loads of new connections, and what those know of others before.

use super::{bench, counted};
use crate::env::TestEnv;

#[test]
fn handshakes_that_may_go_on_with_a_session_do_and_are_counted() {
    let (report, _) = counted("-n 30 --over handshake --connections 2 --resume");
    let resumed = report["resumed"].as_u64().expect("a number");
    assert!((28..=30).contains(&resumed), "{report}");
    let (report, _) = counted("-n 5 --over handshake");
    assert_eq!(report.get("resumed"), None);
}

#[test]
fn messages_that_go_with_the_first_packets_are_counted_by_what_became_of_them() {
    const LOAD: &str = "-n 30 --over handshake --connections 2 --resume --early-data";
    for (option, accepted) in [("--early-data on", 28..=30), ("", 0..=0)] {
        let (env, server) = TestEnv::with_server(option);
        let done = bench(&env, &server, &format!("{LOAD} --format json")).ok();
        let (report, server) = (done.last_event(), server.ends_well());
        let count = |name: &str| report["early_data"][name].as_u64().expect("a number");
        assert_eq!(report["messages"], 30, "{report}");
        assert_eq!(server["bytes_echoed"], 30 * 64, "{report}");
        assert_eq!(count("rejected"), 0, "{report}");
        // The first of each place knows of none before, unless the search for the
        // server has brought a session.
        assert!(accepted.contains(&count("accepted")), "{report}");
    }
}

#[test]
fn handshakes_that_take_long_are_not_taken_for_a_generator_that_is_late() {
    let (env, server) = TestEnv::with_server("");
    let to = server.place();
    let relay = format!("relay --format json --listen localhost:0 --to {to} --delay 300ms");
    let relay = env.await_server(env.qecho(&relay));
    let load = "-n 100 --rate 20 --over handshake --connections 80 --format json";
    let done = bench(&env, &relay, load).ok();
    let schedule = &done.last_event()["schedule"];
    let late = schedule["late_p99_us"].as_f64().expect("a number");
    // A handshake takes 600 ms at least.
    assert!(late < 600_000.0, "{schedule}");
}
