//! The intervals of a report.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::bench;
use crate::env::{self, TestEnv};

/// Measures for half a second over a path on which an answer takes longer.
fn answered_after_the_end(env: &TestEnv, options: &str) -> Value {
    let server = env.server("");
    let to = server.place();
    let relay = format!("relay --format json --listen localhost:0 --to {to} --delay 400ms");
    let relay = env.await_server(env.qecho(&relay));
    let load = "--rate 100 -d 500ms --warmup 0s --format json";
    let done = bench(env, &relay, &format!("{load} {options}")).ok();
    done.last_event()
}

/// Counts the lines of all charts of a page; one with gaps is one.
pub(super) fn lines(page: &str) -> usize {
    let charts = page.split("<svg").skip(1);
    let of = |chart: &str| {
        let pieces = chart.split("class=\"line s").skip(1);
        let colours: BTreeSet<_> = pieces.filter_map(|piece| piece.chars().next()).collect();
        colours.len()
    };
    charts.map(of).sum()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn an_interval_without_an_answer_has_no_echo_time_and_late_answers_have_their_own_intervals() {
    let env = TestEnv::new();
    let page = env.path("page.html");
    let report = answered_after_the_end(&env, &format!("--output {}", page.display()));
    assert_eq!(number(&report["rate_per_s"]), 0.0, "{report:#}");
    let rows = report["intervals"].as_array().expect("a list");
    let (late, measured): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["after_end"] == true);
    assert_eq!(measured.len(), 5, "{report:#}");
    for row in &measured {
        assert_eq!(row["messages"], 0, "{report:#}");
        for time in ["p50_us", "p99_us", "max_us"] {
            assert_eq!(row[time], Value::Null, "{time}: {report:#}");
        }
    }
    let sum: f64 = late.iter().map(|row| number(&row["messages"])).sum();
    assert_eq!(sum, number(&report["messages"]), "{report:#}");
    assert!(number(&late[0]["at_s"]) >= 0.5, "{report:#}");
    for row in late.iter().filter(|row| row["messages"] != 0) {
        assert!(number(&row["at_s"]) >= 0.7, "answers take 800 ms: {row}");
        let rate = number(&row["messages"]) / number(&row["length_s"]);
        assert!((number(&row["rate_per_s"]) - rate).abs() < 1e-6, "{row}");
        assert!(number(&row["p50_us"]) > 800_000.0, "{row}");
    }
    let page = env::read(&page);
    assert!(page.contains("class=\"line s0 after\""), "{page}");
    for words in ["gap: no measured message", " of them after the end)"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains(">1 ns<"), "{page}");
}

#[test]
fn a_run_without_an_answer_has_no_echo_time_anywhere() {
    let (env, server) = TestEnv::with_server("");
    let to = server.place();
    // The handshakes pass, and nothing that is measured.
    let relay = format!("relay --format json --listen localhost:0 --to {to} --drop 30-1000000");
    let relay = env.await_server(env.qecho(&relay));
    let [page, json] = ["report.html", "report.json"].map(|name| env.path(name));
    let (html, file) = (page.display(), json.display());
    let load = "-n 2 --in-flight 2 --warmup 1s --over datagram --format csv";
    let bound = format!("--fail-if p99>1h --output {html} --output {file}");
    let done = bench(&env, &relay, &format!("{load} {bound}")).run();
    // Eight times are missing, and that is no time that keeps a bound.
    done.fails(1, "p99 is none, failed by 'p99>1h'", None)
        .prints(",0,0,0,,,,,,,,,2,");
    let read = |path| env::read(path);
    let report: Value = serde_json::from_str(&read(&json)).expect("it is JSON");
    assert_eq!(report["latency"]["p99_us"], Value::Null, "{report:#}");
    let page = read(&page);
    for words in ["<td>–</td>", "echo time    none"] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[test]
fn a_report_that_has_zeros_in_place_of_no_times_is_read_as_without_times() {
    let (env, server) = TestEnv::with_server("");
    let [file, page] = ["old.json", "page.html"].map(|name| env.path(name));
    let load = format!("-n 20 --output {}", file.display());
    bench(&env, &server, &load).ok();
    let mut report: Value = env::read_json(&file);
    let row = |at_s: f64, messages: u64, us: f64| {
        json!({"at_s": at_s, "length_s": 1.0, "messages": messages, "rate_per_s": messages,
            "p50_us": us, "p99_us": us, "max_us": us})
    };
    report["intervals"] = json!([row(0.0, 9, 50.0), row(1.0, 0, 0.0), row(2.0, 9, 50.0)]);
    std::fs::write(&file, report.to_string()).expect("there is room");
    let launch = env.qecho("report").arg(&file);
    launch.arg("--output").arg(&page).ok();
    let page = env::read(&page);
    assert!(page.contains("gap: no measured message"), "{page}");
    // One line of the rate; two pieces of each echo time.
    let over_time: Vec<_> = page.split("<svg").skip(1).take(3).collect();
    let pieces = over_time
        .iter()
        .map(|chart| chart.matches("class=\"line ").count());
    assert_eq!(pieces.collect::<Vec<_>>(), [1, 2, 2], "{page}");
}
