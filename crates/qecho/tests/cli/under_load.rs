//! Servers that reload and end while a hundred connections echo all the time.

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    cmd::Process,
    env::{Server, TestEnv},
    monitoring::metrics,
};

const CONNECTIONS: u64 = 100;

/// Makes a certificate for this host, and returns its pin.
fn make(env: &TestEnv) -> String {
    let new = "cert new localhost 127.0.0.1 --cert-file c.pem --key-file c-key.pem --format json";
    let made = env.qecho(new).ok().last_event();
    format!("sha256:{}", made["spki_sha256"].as_str().expect("a text"))
}

/// Starts a load that goes on until it is ended, and waits until every connection has its echo.
fn load(env: &TestEnv, server: &Server) -> Process {
    let place = server.place();
    let bench = format!("bench {place} --connections {CONNECTIONS} -d 1h --warmup 0s -s 1000");
    let bench = env.qecho(format!("{bench} --format json")).start();
    while echoed(server) < 2 * CONNECTIONS * 1_000 {
        assert!(!bench.has_ended(), "{bench:?}");
    }
    bench
}

/// Returns how many bytes a server has echoed so far.
fn echoed(server: &Server) -> u64 {
    metrics(server).sum("qecho_stream_echoed_bytes_total") as u64
}

fn number(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {value:#}"))
}

#[test]
fn certificates_that_change_under_load_cost_no_connection_and_no_byte() {
    let env = TestEnv::new();
    make(&env);
    let server = env.server("--metrics 0 --cert c.pem --key c-key.pem");
    let mut client = env.client(&server, "").start();
    client.echoes("before\n");
    let bench = load(&env, &server);
    let event = r#""event":"certificate_reloaded""#;
    let reloads = || server.process.stdout.text().matches(event).count();
    for round in 1..=3 {
        let pin = make(&env);
        let before = (echoed(&server), reloads());
        server.process.signal(Signal::HUP);
        server.process.stdout.says_times(event, before.1 + 1);
        env.client(&server, format!("-m new --pin {pin}")).ok();
        client.echoes(&format!("after {round}\n"));
        while echoed(&server) < before.0 + CONNECTIONS * 1_000 {
            assert!(!bench.has_ended(), "{bench:?}");
        }
        assert!(!bench.has_ended(), "{bench:?}");
    }
    bench.signal(Signal::INT);
    let report = bench.done().exits(130).last_event();
    assert_eq!(report["errors"], Value::Array(Vec::new()), "{report:#}");
    assert_eq!(number(&report, "lost"), 0);
    let (offered, messages) = (number(&report, "offered"), number(&report, "messages"));
    assert_eq!(offered, messages + number(&report, "unanswered"));
    assert!(offered - messages <= CONNECTIONS, "{report:#}");
    client.done().exits(0);
    let stopped = server.ends_well();
    assert_eq!(number(&stopped, "handshakes_failed"), 0);
    let loads = number(&report["totals"], "connections");
    assert_eq!(number(&stopped, "connections"), loads + 4);
}

#[test]
fn a_server_that_ends_under_load_tells_every_client_what_was_not_echoed() {
    let (env, server) = TestEnv::with_server("--metrics 0 --drain 2s");
    let mut leaving = env.client(&server, "").start();
    leaving.echoes("before\n");
    let bench = load(&env, &server);
    server.process.terminate();
    server.process.stderr.says("shutting down");
    // Who has an open stream can end in peace.
    leaving.echoes("still\n");
    leaving.done().exits(0);
    let stopped = server.process.done().exits(0).last_event();
    let done = bench.done();
    done.fails(1, "server shutting down", None);
    let report = done.last_event();
    let errors = report["errors"].as_array().expect("a list");
    let closed: u64 = errors.iter().map(|error| number(error, "count")).sum();
    assert_eq!(closed, CONNECTIONS, "{errors:#?}");
    for error in errors {
        let words = error["example"].as_str().expect("a text");
        assert!(words.contains("server shutting down"), "{errors:#?}");
    }
    let (offered, messages) = (number(&report, "offered"), number(&report, "messages"));
    assert_eq!(offered, messages + number(&report, "unanswered"));
    assert!(offered - messages <= CONNECTIONS, "{report:#}");
    // What it says to have echoed is what came back, and what was on its way.
    let told = number(&stopped, "bytes_echoed") - "before\nstill\n".len() as u64;
    assert!(
        (messages * 1_000..=offered * 1_000).contains(&told),
        "{stopped:#}"
    );
}
