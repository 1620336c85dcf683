//! Times of answers, through good and bad networks.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use qecho_netsim::{
    link::Conditions,
    relay::{Config, Relay},
};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    cmd::{Cmd, Output},
    env::{self, Server, TestEnv},
};

const WAYS: [&str; 5] = ["stream", "datagram", "frame", "handshake", "vn"];

#[test]
fn every_way_gets_its_answers_and_says_what_they_come_to() {
    let (env, server) = TestEnv::with_server("");
    for (way, first, time) in [
        ("stream", "64 bytes from", "echo time "),
        ("datagram", "64 bytes from", "echo time "),
        ("frame", "acknowledgement from", "less ack delay "),
        ("handshake", "handshake from", "confirmed "),
        ("vn", "answer from", "answer "),
    ] {
        let done = ping(&env, &server, &format!("--over {way} -n 3 -i 0.01"));
        done.exits(0).prints(&format!("PING {} ", server.place()));
        for sequence in 1..=3 {
            let place = server.place();
            done.prints(&format!("{first} {place}: seq={sequence} time="));
        }
        done.prints(&format!("\n--- {} over {way} ---\n", server.place()))
            .prints("3 sent, 3 received, 0 lost (0%)")
            .prints(time);
        let has_path = done.stdout.contains("transport      smoothed RTT ");
        assert_eq!(has_path, !["handshake", "vn"].contains(&way), "{done:#?}");
        assert_eq!(done.stderr, "");
    }
    server.ends_well();
}

#[test]
fn quiet_leaves_out_all_but_the_beginning_and_the_end() {
    let (env, server) = TestEnv::with_server("");
    let done = ping(&env, &server, "-q -n 100 -i 0");
    done.exits(0).prints("100 sent, 100 received, 0 lost (0%)");
    assert!(!done.stdout.contains("seq="), "{done:#?}");
}

#[test]
fn json_has_a_row_for_each_answer_and_a_summary() {
    let (env, server) = TestEnv::with_server("");
    for (way, time) in [
        ("stream", "echo_time_us"),
        ("datagram", "echo_time_us"),
        ("frame", "round_trip_us"),
        ("handshake", "handshake_us"),
        ("vn", "negotiation_us"),
    ] {
        let options = format!("--over {way} -n 4 -i 0 --format json");
        let done = ping(&env, &server, &options);
        let rows = done.exits(0).events();
        let replies: Vec<_> = rows.iter().filter(|row| row["event"] == "reply").collect();
        assert_eq!(replies.len(), 4, "{done:#?}");
        for (reply, sequence) in replies.iter().zip(1..) {
            assert_eq!(reply["host"], server.place());
            assert_eq!(reply["seq"], sequence);
            assert!(reply[time].as_f64() > Some(0.0), "{reply}");
        }
        if time == "echo_time_us" {
            assert_eq!(replies[0]["bytes"], 64);
        }
        if way == "vn" {
            let versions = replies[0]["versions"].as_array().expect("a list");
            assert!(versions.contains(&"1".into()), "{versions:?}");
        }
        check_summary(&done.last_event(), way, 4);
    }
}

/// Checks that a summary has what was promised, in order.
#[track_caller]
fn check_summary(summary: &Value, way: &str, received: u64) {
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["schema"], 1);
    assert_eq!(summary["over"], way);
    assert_eq!(summary["received"], received);
    assert_eq!(summary["lost"], 0);
    let times = ["min_us", "p50_us", "max_us"];
    let times = times.map(|name| microseconds(summary, name));
    assert!(times.is_sorted(), "{summary}");
    let mean = microseconds(summary, "mean_us");
    assert!(times[0] <= mean && mean <= times[2], "{summary}");
    assert!(
        summary["p90_us"].is_null() && summary["p99_us"].is_null(),
        "{summary}"
    );
    assert!(microseconds(summary, "jitter_us") >= 0.0, "{summary}");
    let has_path = summary["smoothed_rtt_us"].as_f64() > Some(0.0);
    assert_eq!(has_path, !["handshake", "vn"].contains(&way), "{summary}");
}

#[test]
fn a_summary_has_the_percentiles_that_its_answers_carry_and_no_more() {
    let (env, server) = TestEnv::with_server("");
    for (count, known) in [(1, 0), (9, 0), (10, 1), (99, 1), (100, 2)] {
        for way in ["stream", "frame", "handshake", "vn"] {
            let load = format!("--over {way} -n {count} -i 0 -q");
            let done = ping(&env, &server, &load);
            // Not every acknowledgement tells its delay.
            let is_of_all = |line: &&str| line.contains(" p50 ") && !line.starts_with("less ");
            let lines = done.exits(0).stdout.lines().filter(is_of_all);
            for line in lines {
                let found = ["p90 ", "p99 "].map(|name| line.contains(name));
                assert_eq!(found, [known >= 1, known >= 2], "{line}");
            }
            let done = ping(&env, &server, &format!("{load} --format json"));
            let summary = done.exits(0).last_event();
            let sets = ["first_reply", "confirmed"];
            let sets = sets.map(|name| &summary[name]).into_iter();
            for times in sets.filter(|times| times.is_object()).chain([&summary]) {
                let found = ["p90_us", "p99_us"].map(|name| times[name].is_number());
                assert_eq!(found, [known >= 1, known >= 2], "{summary}");
            }
        }
    }
}

#[test]
fn answers_that_one_turn_handles_have_each_their_own_time() {
    let (env, one) = TestEnv::with_server("");
    let other = env.server("");
    let hosts = format!("{} {} --insecure", one.place(), other.place());
    for (way, time) in [
        ("stream", "echo_time_us"),
        ("handshake", "handshake_us"),
        ("vn", "negotiation_us"),
    ] {
        let load = format!("ping {hosts} --over {way} -n 200 -i 3ms --format json");
        let rows = env.qecho(load).run().exits(0).events();
        let mut pairs = BTreeMap::<u64, Vec<f64>>::new();
        for row in rows.iter().filter(|row| row["seq"].is_number()) {
            let sequence = row["seq"].as_u64().expect("a number");
            pairs
                .entry(sequence)
                .or_default()
                .extend(row[time].as_f64());
        }
        let pairs: Vec<_> = pairs.values().filter(|pair| pair.len() == 2).collect();
        let equal = pairs.iter().filter(|pair| pair[0] == pair[1]).count();
        assert!(pairs.len() > 100, "{way}: {pairs:?}");
        // By chance, to the nanosecond.
        assert!(equal <= 2, "{way}: {equal} of {} equal", pairs.len());
    }
}

#[test]
fn a_server_that_ends_each_stream_after_a_message_answers_every_ping() {
    let (env, server) = TestEnv::with_server("--end after-message");
    for options in ["-n 40 -i 0", "-n 40 -i 1ms"] {
        let done = ping(&env, &server, &format!("{options} --format json"));
        let summary = done.exits(0).last_event();
        let counts = ["sent", "received", "lost"].map(|name| summary[name].as_u64());
        assert_eq!(counts, [40, 40, 0].map(Some), "{options}: {summary}");
    }
    let streams = server.ends_well()["streams"].as_u64();
    assert!(streams >= Some(41), "{streams:?}");
}

#[test]
fn the_phases_of_a_handshake_follow_one_another_in_every_row() {
    let (env, server) = TestEnv::with_server("--early-data on");
    let load = "--over handshake -n 150 -i 2ms --resume --early-data --format json";
    let rows = ping(&env, &server, load).exits(0).events();
    let mut confirmed = 0;
    for row in rows
        .iter()
        .filter(|row| row["handshake_us"].is_number() && row["seq"].is_number())
    {
        let phases = ["first_reply_us", "handshake_us", "confirmed_us"];
        let phases: Vec<_> = phases
            .iter()
            .filter_map(|name| row[name].as_f64())
            .collect();
        assert!(phases.is_sorted(), "{row}");
        confirmed += usize::from(phases.len() == 3);
    }
    assert!(confirmed >= 100, "{confirmed} of {rows:#?}");
}

#[track_caller]
fn microseconds(row: &Value, name: &str) -> f64 {
    row[name].as_f64().expect("it was measured")
}

#[test]
fn comma_separated_values_have_the_columns_of_their_header() {
    let (env, server) = TestEnv::with_server("");
    for way in WAYS {
        let options = format!("--over {way} -n 2 -i 0 --format csv");
        let done = ping(&env, &server, &options);
        done.exits(0);
        let mut lines = done.stdout.lines().map(|line| line.split(',').collect());
        let header: Vec<_> = lines.next().expect("a header");
        let rows: Vec<Vec<_>> = lines.filter(|row: &Vec<_>| row[0] != "connected").collect();
        let kinds: Vec<_> = rows.iter().map(|row| row[0]).collect();
        assert_eq!(kinds, ["reply", "reply", "summary"]);
        let is_whole = |row: &Vec<_>| row.len() == header.len();
        assert!(rows.iter().all(is_whole), "{done:#?}");
        let column = |name| header.iter().position(|column| *column == name);
        let received = column("received").expect("it is counted");
        assert_eq!(rows[2][received], "2");
    }
}

#[test]
fn a_delay_each_way_shows_in_every_way() {
    let (env, server) = TestEnv::with_server("");
    let relay = relay(&server);
    let slow = Conditions {
        delay: Duration::from_millis(20),
        ..Conditions::default()
    };
    relay.set_conditions(slow.clone(), slow);
    for way in WAYS {
        let place = format!("localhost:{}", relay.addresses()[0].port());
        let options = format!("-4 --over {way} -n 5 -i 0 --format json");
        let summary = launch(&env, &place, &options).ok().last_event();
        check_summary(&summary, way, 5);
        assert!(microseconds(&summary, "min_us") >= 40_000.0, "{summary}");
        if way == "frame" {
            let less = &summary["less_ack_delay"];
            assert!(microseconds(less, "min_us") >= 40_000.0, "{summary}");
        }
        if summary["min_rtt_us"].is_number() {
            let shortest = microseconds(&summary, "min_rtt_us");
            assert!(shortest >= 40_000.0, "{summary}");
        }
    }
    relay.stop().expect("it waits well");
}

#[test]
fn as_many_datagrams_are_lost_as_the_relay_has_dropped() {
    let (env, server) = TestEnv::with_server("");
    let relay = relay(&server);
    let place = format!("localhost:{}", relay.addresses()[0].port());
    // Two messages do not fit into one packet.
    let options = "-4 --over datagram -s 800 -n 400 -i 10ms --timeout 1s --format json";
    let running = launch(&env, &place, options).start();
    // By then both ends have found out what the path takes.
    running.stdout.says("\"seq\":30,");
    // Acknowledgements and probes pass: they are short.
    let narrow = Conditions {
        mtu: 600,
        ..Conditions::default()
    };
    relay.set_conditions(Conditions::default(), narrow);
    running.stdout.says("\"event\":\"lost\"");
    relay.set_conditions(Conditions::default(), Conditions::default());
    let done = running.done();
    done.exits(0);
    let summary = done.last_event();
    let report = relay.stop().expect("it waits well");
    let dropped = report.down.counts.too_long;
    assert!(dropped > 0, "{report:?}");
    // What the ends held back for want of acknowledgements came after all.
    let count = |name: &str| summary[name].as_u64().expect("it is counted");
    assert_eq!(count("lost") - count("late"), dropped, "{summary}");
    let rows = done.events();
    let rows = |kind: &str| rows.iter().filter(|row| row["event"] == kind).count() as u64;
    assert_eq!((rows("lost"), rows("late")), (count("lost"), count("late")));
    assert_eq!(rows("reply"), 400 - count("lost"));
}

#[test]
fn a_resumed_handshake_is_called_so() {
    let (env, server) = TestEnv::with_server("");
    let done = ping(&env, &server, "--over handshake -n 3 -i 0 --resume");
    let place = server.place();
    done.exits(0)
        .prints(&format!("\nhandshake from {place}: seq=1 "))
        .prints(&format!("\nresumed handshake from {place}: seq=2 "))
        .prints(&format!("\nresumed handshake from {place}: seq=3 "));
    let done = ping(&env, &server, "-n 1 --resume");
    done.fails(2, "--resume is for --over handshake", None);
}

#[test]
fn what_is_sent_with_the_first_packets_is_told_of_each_handshake() {
    let env = TestEnv::new();
    let handshakes = "--over handshake -n 3 -i 0 --resume --early-data";
    for (options, again, word) in [
        ("--early-data on", "0-RTT accepted", "accepted"),
        ("", "no 0-RTT", "not_sent"),
    ] {
        let server = env.server(options);
        let done = ping(&env, &server, handshakes);
        done.exits(0).prints("\nechoed         min ");
        let lines = || done.stdout.lines();
        let rows = |words: &str| lines().filter(|row| row.contains(words)).count();
        let first = usize::from(word == "not_sent");
        assert_eq!(rows(&format!(", {again}, echoed ")), 2 + first, "{done:#?}");
        let done = ping(&env, &server, &format!("{handshakes} --format json"));
        let rows = done.events();
        let replies: Vec<_> = rows.iter().filter(|row| row["event"] == "reply").collect();
        let early = replies.iter().map(|row| row["early_data"].clone());
        assert_eq!(early.collect::<Vec<_>>(), ["not_sent", word, word]);
        assert!(replies.iter().all(|row| row["echoed_us"].is_f64()));
        // Nothing was echoed twice.
        assert_eq!(server.ends_well()["streams"], 6);
    }
    let server = env.server("");
    let done = ping(&env, &server, "--over handshake -n 1 --early-data");
    done.exits(2).complains("--resume");
}

#[test]
fn a_lossy_network_loses_datagrams_but_nothing_of_a_stream() {
    let (env, server) = TestEnv::with_server("");
    let relay = relay(&server);
    let lossy = Conditions {
        loss: 0.1,
        ..Conditions::default()
    };
    let place = format!("localhost:{}", relay.addresses()[0].port());
    for way in ["datagram", "stream"] {
        // A handshake that loses several packets in a row takes longer than a ping waits.
        relay.set_conditions(Conditions::default(), Conditions::default());
        let options = format!("-4 --over {way} -s 800 -n 200 -i 5ms --format json");
        let running = launch(&env, &place, &options).start();
        running.stdout.says("\"seq\":1,");
        relay.set_conditions(lossy.clone(), lossy.clone());
        let summary = running.done().exits(0).last_event();
        let lost = summary["lost"].as_u64().expect("it is counted");
        assert_eq!(lost > 0, way == "datagram", "{summary}");
    }
    let report = relay.stop().expect("it waits well");
    assert!(report.up.counts.lost > 0 && report.down.counts.lost > 0);
}

#[test]
fn a_ping_that_is_interrupted_sums_up() {
    let (env, server) = TestEnv::with_server("");
    for (signal, code) in [(Signal::INT, 0), (Signal::TERM, 143)] {
        for way in WAYS {
            let arguments = format!("--over {way} -i 10ms");
            let running = launch(&env, &server.place(), &arguments).start();
            running.stdout.says("seq=2 ");
            running.signal(signal);
            let done = running.done();
            done.exits(code).prints(" sent, ").prints(" 0 lost (0%)");
            assert_eq!(done.stderr, "");
        }
    }
}

#[test]
fn a_ping_that_is_interrupted_without_any_answer_was_in_vain() {
    let env = TestEnv::new();
    let silent = env::socket();
    let address = env::address(&silent);
    for way in ["vn", "handshake"] {
        let command = format!("ping {address} --over {way} -i 10ms --timeout 50ms");
        let running = env.qecho(&command).start();
        running.stdout.says("seq=2 lost: no answer within 50 ms");
        running.signal(Signal::INT);
        running.done().exits(1).prints(" 0 received, ");
    }
}

#[test]
fn a_ping_that_is_interrupted_before_it_has_connected_says_so() {
    let env = TestEnv::new();
    for way in ["stream", "datagram", "frame"] {
        let silent = env::socket();
        let address = env::address(&silent);
        let running = env.qecho(format!("ping {address} --over {way}")).start();
        // Its first packet shows that it listens to signals.
        silent.recv(&mut [0; 2_000]).expect("it sends something");
        running.signal(Signal::INT);
        let done = running.done();
        done.exits(1)
            .complains(&format!("qecho: stopped before {address} answered"));
    }
}

#[test]
fn packets_and_secrets_are_shown_as_by_a_client() {
    let (env, server) = TestEnv::with_server("");
    for way in ["stream", "datagram", "frame", "handshake"] {
        let (capture, keys) = (env.path("ping.pcapng"), env.path("keys"));
        let options = format!(
            "--over {way} -n 2 -i 0 --trace --pcap {} --keylog {}",
            capture.display(),
            keys.display()
        );
        let done = ping(&env, &server, &options);
        done.exits(0).complains("HANDSHAKE_DONE");
        assert!(std::fs::read(&keys).is_ok_and(|keys| !keys.is_empty()));
        let shown = env.qecho(format!("trace {}", capture.display())).run();
        shown.exits(0).prints("HANDSHAKE_DONE");
    }
}

fn ping(env: &TestEnv, server: &Server, options: &str) -> Output {
    launch(env, &server.place(), options).run()
}

fn launch(env: &TestEnv, place: &str, options: &str) -> Cmd {
    env.qecho(format!("ping {place} {options}"))
}

/// Starts a relay to a server in this process.
fn relay(server: &Server) -> Relay {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
    Relay::start(&Config::new(to, 1)).expect("loopback has ports")
}
