//! The same load over something that is not QUIC, beside it.

use std::{io::Read, net::TcpStream, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use super::bench;
use crate::env::{self, Server, TestEnv};

fn compared(arguments: &str) -> Value {
    let (env, server) = TestEnv::with_server("--also tls,udp");
    let arguments = format!("--format json {arguments}");
    let done = bench(&env, &server, &arguments).ok();
    let report = done.last_event();
    let quic = &report["totals"]["bytes"];
    if report["run"]["over"] != "datagram" {
        assert_eq!(quic, &server.ends_well()["bytes_echoed"], "{report}");
    }
    report
}

#[test]
fn the_same_load_goes_over_tls_and_every_byte_is_compared() {
    for load in [
        "-n 50 --connections 3 --in-flight 2",
        "-n 50 -s 1..5k --shards 2 --connections 2",
        "-n 20 --over bulk",
        "-n 20 --over handshake --connections 2",
        "-n 50 --rate 2k --connections 2",
    ] {
        let report = compared(&format!("{load} --baseline tls"));
        let other = &report["comparison"]["report"];
        assert_eq!(other["run"]["transport"], "tls", "{report}");
        assert_eq!(other["messages"], report["messages"], "{load}: {report}");
        assert_eq!(other["unanswered"], 0, "{load}: {report}");
        assert_eq!(other["errors"].as_array().map(Vec::len), Some(0));
        assert_eq!(other["server"]["cipher_suite"], "TLS_AES_256_GCM_SHA384");
        if load.contains("handshake") {
            assert_eq!(other["totals"]["connections"], 20, "{report}");
        }
        let ratios = report["comparison"]["ratios"].as_array().expect("a list");
        for ratio in ratios {
            let number = |name: &str| ratio[name].as_f64().expect("a number");
            assert!(number("least") <= number("ratio"), "{ratio}");
            assert!(number("ratio") <= number("most"), "{ratio}");
        }
    }
}

#[test]
fn a_ratio_stands_out_only_if_its_interval_leaves_out_one() {
    let (env, server) = TestEnv::with_server("--also tls");
    let [html, json] = ["report.html", "report.json"].map(|name| env.path(name));
    let files = format!("--output {} --output {}", html.display(), json.display());
    let load = format!("-n 500 --warmup 0s --baseline tls --fail-if errors>0 {files}");
    let done = bench(&env, &server, &load).ok();
    let (page, report) = (env::read(&html), env::read_json(&json));
    let ratios = report["comparison"]["ratios"].as_array().expect("a list");
    let lines = || {
        done.stdout
            .lines()
            .skip_while(|line| !line.starts_with("beside "))
    };
    assert!(
        lines()
            .next()
            .is_some_and(|line| line.ends_with("95 % interval"))
    );
    let rows = page.split("<tr>").filter(|row| row.contains(" to "));
    for ((ratio, line), row) in ratios.iter().zip(lines().skip(1)).zip(rows) {
        let number = |name: &str| ratio[name].as_f64().expect("a number");
        let (low, high) = (number("low"), number("high"));
        assert!((low..=high).contains(&number("ratio")), "{ratio}");
        let covers_one = (low..=high).contains(&1.0);
        for shown in [line, row] {
            assert_eq!(shown.contains("no difference seen"), covers_one, "{shown}");
        }
        assert_eq!(row.contains("<b>"), !covers_one, "{row}");
    }
    // The five slices of each lie between those of the other.
    let beginnings = |report: &Value| -> Vec<(f64, bool)> {
        let rows = report["intervals"].as_array().expect("a list");
        let at = rows
            .iter()
            .map(|row| row["at_s"].as_f64().expect("a number"));
        at.map(|at| (at, report["run"]["transport"] == "quic"))
            .collect()
    };
    let mut turns = beginnings(&report);
    turns.extend(beginnings(&report["comparison"]["report"]));
    turns.sort_by(|one, other| one.0.total_cmp(&other.0));
    turns.dedup_by_key(|(_, is_quic)| *is_quic);
    let order: Vec<_> = turns.iter().map(|(_, is_quic)| *is_quic).collect();
    assert_eq!(order, [true, false].repeat(5), "{report:#}");
    let first = page.split("<svg").nth(1).expect("there are charts");
    assert_eq!(first.matches("class=\"line s0").count(), 5, "{first}");
    for words in [
        "echo time, logarithmic",
        "percentile, logarithmic",
        " processor",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let command = report["command_line"].as_str().expect("a text");
    assert!(command.starts_with("qecho bench 127.0.0.1:"), "{command}");
    assert!(command.contains(" --fail-if 'errors>0' "), "{command}");
    assert!(page.contains("<p><code>qecho bench 127.0.0.1:"), "{page}");
    let name = report["host"]["name"].as_str().expect("a text");
    assert!(page.contains(&format!(", on {name} (")), "{page}");
}

#[test]
fn a_load_that_ends_before_the_measuring_has_no_rates() {
    let env = TestEnv::new();
    for options in ["", "--baseline tls", "--over datagram", "--baseline udp"] {
        let server = env.server("--also tls,udp --messages always");
        let load = format!("-d 1h --warmup 1h {options} --format json");
        let running = bench(&env, &server, &load).start();
        server.event("received");
        running.signal(Signal::INT);
        let done = running.done();
        done.exits(130);
        for report in done.events() {
            for rate in ["rate_per_s", "goodput_bytes_per_s"] {
                assert!(report[rate].is_null(), "{options}: {report}");
            }
        }
    }
}

#[test]
fn the_same_load_goes_over_bare_udp_and_losses_are_counted() {
    for load in [
        "-n 50 --in-flight 2",
        "-n 50 --over datagram --connections 2 --shards 2",
        "-n 50 --over datagram -s 1..900 --rate 1k",
    ] {
        let report = compared(&format!("{load} --baseline udp"));
        let other = &report["comparison"]["report"];
        assert_eq!(other["run"]["transport"], "udp", "{report}");
        let number = |name: &str| other[name].as_u64().expect("a number");
        assert_eq!(number("messages") + number("lost"), 50, "{load}: {report}");
        assert_eq!(other["errors"].as_array().map(Vec::len), Some(0));
    }
}

#[test]
fn a_server_without_a_baseline_is_told_apart_from_one_that_is_slow() {
    let (env, server) = TestEnv::with_server("");
    for baseline in ["tls", "udp"] {
        let load = format!("-n 10 --timeout 2s --baseline {baseline}");
        let done = bench(&env, &server, &load).run();
        let words = format!("nothing comes back over {baseline}");
        done.fails(1, &words, Some("--also"));
    }
}

#[test]
fn a_server_that_dies_in_a_comparison_leaves_what_quic_has_brought() {
    let (env, server) = TestEnv::with_server("--also tls --messages always");
    let load = "-d 1h --warmup 0s --baseline tls --format json";
    let running = bench(&env, &server, load).start();
    server.event("received");
    server.process.signal(Signal::KILL);
    let done = running.done();
    done.fails(1, "the run ended early: ", None);
    let report = done.last_event();
    assert_eq!(report["partial"], "nobody listens there any more");
    assert_eq!(report.get("comparison"), None);
}

fn also(server: &Server, transport: &str) -> String {
    let also = server.listening["also"].as_array().expect("a list");
    let mut named = also.iter().filter(|pair| pair[0] == transport);
    let pair = named.next().expect("it is there");
    pair[1].as_str().expect("a text").into()
}

#[test]
fn a_server_takes_only_so_many_tcp_connections() {
    const MOST: usize = 1_024;
    let (_env, server) = TestEnv::with_server("--also tls");
    let address = also(&server, "tls");
    let connect = || TcpStream::connect(&address).expect("the kernel takes it");
    let held: Vec<_> = (0..MOST).map(|_| connect()).collect();
    let mut one_more = connect();
    // It is closed without a word; those before it are not.
    assert_eq!(one_more.read(&mut [0; 16]).ok(), Some(0));
    held[0].set_nonblocking(true).expect("it is a socket");
    assert!((&held[0]).read(&mut [0; 16]).is_err());
}

#[test]
fn bare_udp_is_echoed_once_and_to_this_host_alone() {
    let env = TestEnv::new();
    let server = env.await_server(env.qecho("server --format json --listen *:0 --also udp"));
    let address = also(&server, "udp");
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let socket = env::socket();
    let soon = Some(Duration::from_secs(10));
    socket.set_read_timeout(soon).expect("it is more than none");
    socket
        .send_to(b"once", &address)
        .expect("loopback takes it");
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).expect("it is echoed");
    assert_eq!(
        (&buffer[..length], from.to_string()),
        (&b"once"[..], address)
    );
    server.ends_well();
}
