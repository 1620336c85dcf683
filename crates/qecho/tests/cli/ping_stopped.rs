//! Pings and other commands that are stopped for a while, and continued.

use std::{thread, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    cmd::Process,
    env::{self, TestEnv},
};

/// Time for which they are stopped: it is what these tests are about.
const STOP: Duration = Duration::from_secs(3);

/// Stops processes for [`STOP`], all at once.
fn stop(processes: &[&Process]) {
    processes.iter().for_each(|process| process.halt());
    thread::sleep(STOP);
    for process in processes {
        process.signal(Signal::CONT);
    }
}

#[test]
fn a_ping_that_was_stopped_takes_nothing_of_it_for_the_path() {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    let ways = ["stream", "datagram", "frame", "handshake", "vn"];
    let pings = ways.map(|way| {
        let options = "-n 60 -i 100ms --timeout 2s --format json";
        let ping = env.qecho(format!("ping {place} --over {way} {options}"));
        ping.start()
    });
    for ping in &pings {
        ping.stdout.says("\"seq\":3,");
    }
    stop(&pings.each_ref());
    for (way, ping) in ways.into_iter().zip(pings) {
        let done = ping.done();
        let events = done.exits(0).events();
        let is_paused = |event: &&Value| event["event"] == "paused";
        let pauses = events.iter().filter(is_paused);
        let pauses = pauses.filter_map(|event| event["pause_us"].as_f64());
        let longest = pauses.fold(0.0, f64::max) / 1e6;
        // An answer that the system receives meanwhile, with its time, may cut the pause in two.
        let half = STOP.as_secs_f64() / 2.0;
        assert!(longest >= half, "{way}: {events:#?}");
        let summary = done.last_event();
        let count = |name: &str| summary[name].as_u64().expect("a number");
        assert_eq!(count("sent"), 60, "{way}: {summary:#}");
        assert_eq!(
            count("received") + count("left_out"),
            60,
            "{way}: {summary:#}"
        );
        let longest = summary["max_us"].as_f64().expect("there were answers");
        assert!(longest < 2e6, "{way}: {summary:#}");
    }
}

#[test]
fn a_ping_without_interval_that_was_stopped_says_so_in_one_line() {
    let (env, server) = TestEnv::with_server("");
    // The answer is on its way while the ping is stopped.
    let relay = env.relay(&server.place(), "--delay 200ms");
    let place = relay.place();
    let ping = env.qecho(format!("ping {place} -n 5 -i 0")).start();
    ping.stdout.says("seq=2 ");
    stop(&[&ping]);
    let done = ping.done();
    let lines = done.exits(0).stdout.lines();
    let said = lines.filter(|line| line.contains("qecho itself stood still for "));
    let said: Vec<_> = said.collect();
    assert_eq!(said.len(), 1, "{done:#?}");
    assert!(said[0].ends_with("; 1 ping under way left out"), "{said:?}");
    done.prints("5 sent, 4 received, 0 lost (0%), 1 left out\n");
}

#[test]
fn a_client_that_was_stopped_does_not_take_it_for_silence_of_the_server() {
    let (env, server) = TestEnv::with_server("");
    let relay = env.relay(&server.place(), "--delay 500ms");
    let options = "-m hello --timeout 2s";
    let [dialing, waiting, piping] = [options, options, "--timeout 2s"].map(|options| {
        env.qecho(format!("client {} {options}", relay.place()))
            .start()
    });
    let mut piping = piping;
    dialing.stderr.says("Connecting");
    dialing.halt();
    waiting.stderr.says("connected");
    waiting.halt();
    piping.types(b"bytes");
    piping.stderr.says("connected");
    stop(&[&dialing, &waiting, &piping]);
    for client in [dialing, waiting] {
        let done = client.done();
        done.exits(0).prints("hello");
    }
    piping.done().exits(0).prints("bytes");
}

#[test]
fn a_load_that_was_stopped_fails_at_nothing_and_says_that_it_stood_still() {
    let (env, server) = TestEnv::with_server("--messages always");
    let file = env.path("report.json");
    let options = format!("-d 5s --warmup 0s --timeout 2s --output {}", file.display());
    let relay = env.relay(&server.place(), "--delay 20ms");
    let load = env.qecho(format!("bench {} {options}", relay.place()));
    let load = load.start();
    server.event("stream_opened");
    stop(&[&load]);
    let done = load.done();
    done.exits(0)
        .prints("the generator itself stood still for ");
    let report = env::read_json(&file);
    let paused = report["generator"]["paused_s"].as_f64();
    assert!(paused.is_some_and(|paused| paused > 2.0), "{report:#}");
    assert_eq!(report["errors"], Value::Array(Vec::new()), "{report:#}");
}

#[test]
fn a_server_that_is_stopped_while_it_shuts_down_ends_well_all_the_same() {
    let (env, server) = TestEnv::with_server("--drain 2s");
    let mut client = env.client(&server, "").start();
    client.echoes("hello\n");
    server.process.terminate();
    server.process.stderr.says("shutting down");
    server.process.halt();
    // Longer than a server may take that was asked to end.
    thread::sleep(Duration::from_secs(16));
    server.process.signal(Signal::CONT);
    let done = server.process.done();
    done.exits(0);
    assert_eq!(done.last_event()["event"], "stopped", "{done:#?}");
}
