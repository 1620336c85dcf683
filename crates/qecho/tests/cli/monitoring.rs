//! Metrics and health of a server over HTTP, as Prometheus and a load balancer meet them.

mod asking;
mod health;
mod http;
mod text;

use std::collections::BTreeSet;

use rustix::process::Signal;

use self::{
    asking::{Answer, get, monitored},
    text::Metrics,
};
use crate::env::{Server, TestEnv};

/// Page that lists the metrics.
const PAGE: &str = include_str!("../../../../docs/operation.md");

/// Datagrams between a server and a relay when the figures of both are compared.
const ON_THE_WAY_MAX: f64 = 4.0;

const OPENMETRICS: &str = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";

/// Returns the metrics of a server, which must follow the rules of their format.
#[track_caller]
pub(crate) fn metrics(server: &Server) -> Metrics {
    let answer = get(server, "/metrics", OPENMETRICS);
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(media_type));
    Metrics::openmetrics(&answer.body).unwrap_or_else(|error| panic!("{error}:\n{}", answer.body))
}

#[test]
fn metrics_follow_the_rules_of_both_text_formats_and_say_the_same() {
    let (env, server) = monitored("--shards 2");
    env.client(&server, "-m hello").ok();
    let newer = metrics(&server);
    let answer: Answer = get(&server, "/metrics", "");
    let media_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(media_type));
    let older = Metrics::prometheus(&answer.body);
    let older = older.unwrap_or_else(|error| panic!("{error}:\n{}", answer.body));
    let series = |metrics: &Metrics| -> BTreeSet<String> { metrics.series().collect() };
    assert_eq!(series(&newer), series(&older));
    for shard in ["0", "1"] {
        assert_eq!(
            newer.value(&format!("qecho_shard_up{{shard=\"{shard}\"}}")),
            1.0
        );
    }
    let process = std::fs::read_dir(format!("/proc/{}/fd", server.process.id()));
    let files = process.expect("it lives").count() as f64;
    // The scrape has a connection of its own, which may have gone since.
    let told = newer.value("process_open_fds");
    assert!(
        (files - 2.0..files + 6.0).contains(&told),
        "{told}, {files}"
    );
    server.ends_well();
}

#[test]
fn every_metric_is_in_the_guide_and_the_other_way_round() {
    let (_env, server) = monitored("--memory-max 1GB");
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split(['`', '{']).next());
    let is_metric = |name: &&str| name.starts_with("qecho_") || name.starts_with("process_");
    let documented: BTreeSet<_> = names.filter(is_metric).map(str::to_owned).collect();
    let metrics = metrics(&server);
    let served: BTreeSet<_> = metrics
        .series()
        .map(|series| series.split('{').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(served, documented);
    for series in metrics.series() {
        let labels = series.split(['{', ',', '}']).skip(1);
        let values = labels.filter_map(|label| label.split_once("=\""));
        for (label, value) in values {
            let value = value.trim_end_matches('"');
            let is_listed = matches!(label, "outcome" | "cause" | "file");
            assert!(
                !is_listed || PAGE.contains(&format!("`{value}`")),
                "{series} is not explained"
            );
        }
    }
    server.ends_well();
}

#[test]
fn the_figures_are_what_clients_did_and_what_a_relay_has_seen() {
    let (env, server) = monitored("--shards 2 --messages always --retry always");
    let relay = env.relay(&server.place(), "");
    let client =
        |arguments: &str| env.client(&relay, format!("--pin {} {arguments}", server.pin()));
    client("-m hello").ok();
    client("-m again! --over uni").ok();
    client("-m datagram --over datagram").ok();
    client("-m a --alpn other").run().exits(1);
    server.process.stdout.says_times(r#""event":"closed""#, 3);
    server.event("handshake_failed");
    let metrics = metrics(&server);
    let seen = relay.ends_well();
    for (name, expected) in [
        ("qecho_handshakes_total{outcome=\"complete\"}", 3),
        (
            "qecho_handshakes_total{outcome=\"no_application_protocol\"}",
            1,
        ),
        ("qecho_handshakes_total", 4),
        ("qecho_connections_ended_total{cause=\"closed_by_peer\"}", 3),
        ("qecho_connections_ended_total", 3),
        ("qecho_connections_open", 0),
        ("qecho_handshakes_under_way", 0),
        ("qecho_retries_sent_total", 4),
        ("qecho_streams_opened_total", 2),
        (
            "qecho_stream_echoed_bytes_total",
            "helloagain!".len() as u64,
        ),
        ("qecho_datagram_frames_total{outcome=\"echoed\"}", 1),
        ("qecho_datagram_frames_total", 1),
        ("qecho_udp_send_failures_total", 0),
    ] {
        assert_eq!(metrics.sum(name), expected as f64, "{name}");
    }
    let count = |end: &str, name: &str| seen[end][name].as_u64().expect("a number") as f64;
    for (way, relayed) in [
        (
            "received",
            ["delivered", "bytes_delivered"].map(|name| count("up", name)),
        ),
        (
            "sent",
            ["received", "bytes_received"].map(|name| count("down", name)),
        ),
    ] {
        let sum = |unit| metrics.sum(&format!("qecho_udp_{way}_{unit}_total"));
        let datagrams = sum("datagrams");
        // What is on its way is counted at one end.
        assert!((datagrams - relayed[0]).abs() <= ON_THE_WAY_MAX, "{way}");
        if datagrams == relayed[0] {
            assert_eq!(sum("bytes"), relayed[1], "{way}");
        }
    }
    let stopped = server.ends_well();
    assert_eq!(stopped["connections"], 3);
    assert_eq!(stopped["handshakes_failed"], 1);
}

#[test]
fn a_client_that_is_refused_is_counted_by_the_limit_that_refused_it() {
    let (env, server) = monitored("--messages always --max-connections 1 --drain 25s");
    let mut first = env.client(&server, "").start();
    first.echoes("here\n");
    env.client(&server, "-m a --timeout 3s").run().exits(1);
    assert_eq!(server.event("refused")["reason"], "too many connections");
    let full = metrics(&server);
    assert_eq!(full.sum("qecho_connections_open"), 1.0);
    assert_eq!(full.value("qecho_connections_max"), 1.0);
    assert_eq!(
        full.sum("qecho_handshakes_total{outcome=\"refused_connections\"}"),
        1.0
    );
    server.process.terminate();
    server.process.stderr.says("shutting down");
    env.client(&server, "-m a --timeout 3s").run().exits(1);
    server.process.stdout.says_times(r#""event":"refused""#, 2);
    let draining = metrics(&server);
    assert_eq!(draining.value("qecho_ready"), 0.0);
    assert_eq!(
        draining.sum("qecho_handshakes_total{outcome=\"refused_shutting_down\"}"),
        1.0
    );
    first.done().exits(0);
    let stopped = server.process.done().exits(0).last_event();
    assert_eq!(stopped["refused"], 2);
}

#[test]
fn what_is_no_quic_is_counted_as_of_no_use() {
    let (_env, server) = monitored("--shards 1");
    let socket = crate::env::socket();
    for size in [20, 30, 40] {
        let sent = socket.send_to(&vec![0; size], server.place());
        sent.expect("loopback takes it");
    }
    // A long header of a version that nobody knows is answered: then all have come.
    let mut unknown = vec![0xc0, 0x0a, 0x0a, 0x0a, 0x0a, 8];
    unknown.extend([1; 8]);
    unknown.resize(1_200, 0);
    socket
        .send_to(&unknown, server.place())
        .expect("loopback takes it");
    let answered = socket.recv(&mut [0; 1_500]);
    answered.expect("a Version Negotiation packet comes");
    let metrics = metrics(&server);
    let unclaimed = "qecho_udp_dropped_datagrams_total{cause=\"unclaimed\"}";
    assert_eq!(metrics.sum(unclaimed), 4.0);
    assert_eq!(metrics.sum("qecho_udp_received_bytes_total"), 1_290.0);
    server.ends_well();
}

#[test]
fn reloads_are_counted_and_the_certificate_in_use_is_told() {
    let env = TestEnv::new();
    let files = "--cert-file c.pem --key-file c-key.pem";
    let make = |more: &str| {
        env.qecho(format!("cert new localhost 127.0.0.1 {more} {files}"))
            .ok()
    };
    make("--short-lived");
    let server = env.server("--metrics 0 --cert c.pem --key c-key.pem");
    let expires =
        |metrics: &Metrics| metrics.value("qecho_certificate_not_after_timestamp_seconds") as i64;
    let before = expires(&metrics(&server));
    assert_eq!(server.listening["expires_unix"], before);
    make("");
    let told = server.event("certificate_reloaded")["expires_unix"].clone();
    server.process.signal(Signal::HUP);
    let event = r#""event":"certificate_reloaded""#;
    server.process.stdout.says_times(event, 2);
    std::fs::write(env.home().join("c.pem"), "garbage").expect("it is ours");
    server.event("certificate_kept");
    let after = metrics(&server);
    assert_eq!(told, expires(&after));
    assert_ne!(before, expires(&after));
    let reloads = |outcome| {
        let labels = format!("file=\"certificate\",outcome=\"{outcome}\"");
        after.value(&format!("qecho_reloads_total{{{labels}}}"))
    };
    assert_eq!((reloads("success"), reloads("failure")), (2.0, 1.0));
    server.ends_well();
}
