//! Loads of several runs: steps, and the search for a limit.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{bench, over_time};
use crate::env::{self, TestEnv};

#[test]
fn steps_make_one_report_with_a_part_for_each_which_agree_with_the_server() {
    let (env, server) = TestEnv::with_server("");
    let load = "--step 200,400 -n 40 --connections 2 --format json";
    let done = bench(&env, &server, load).ok();
    let (report, server) = (done.last_event(), server.ends_well());
    let steps = report["steps"].as_array().expect("a list");
    let rates: Vec<_> = steps
        .iter()
        .map(|step| step["run"]["offered_rate_per_s"].as_f64())
        .collect();
    assert_eq!(rates, [Some(200.0), Some(400.0)]);
    assert!(steps.iter().all(|step| step["messages"] == 40), "{report}");
    assert_eq!(report["messages"], 80);
    assert_eq!(report["latency"]["count"], 80);
    assert_eq!(report["totals"]["bytes"], server["bytes_echoed"]);
    assert_eq!(report["totals"]["connections"], server["connections"]);
    assert!(report["steps"][0].get("histogram").is_none(), "{report}");
}

#[test]
fn the_page_of_steps_and_of_a_comparison_has_a_line_for_each() {
    let (env, server) = TestEnv::with_server("--also tls");
    // Steps: three times by rate, three charts over time, two of each step.
    for (load, charts, lines) in [
        ("--step 2k,4k -n 1000", 6, 3 + 3 + 2 * 2),
        // So many at once that an interval has enough of them for its p99, on a slow machine too.
        ("-n 4000 --in-flight 16 --baseline tls", 5, 5 * 2),
    ] {
        let page = env.path("page.html");
        let load = format!("{load} --output {}", page.display());
        bench(&env, &server, &load).ok();
        let text = env::read(&page);
        assert_eq!(text.matches("<svg").count(), charts, "{load}");
        assert_eq!(over_time::lines(&text), lines, "{load}");
        assert!(!text.contains("NaN"), "{load}");
    }
}

#[test]
fn a_step_that_fails_by_a_bound_is_named_by_its_rate() {
    let (env, server) = TestEnv::with_server("");
    // The second step lasts for a tenth of a second, and may last for 600 ms.
    let load = "--step 50,400 -n 40 --fail-if rate<60";
    let done = bench(&env, &server, load).run();
    done.fails(1, " a second at 50.0 a second, failed by 'rate<60'", None)
        .prints("offered /s");
    assert!(!done.stderr.contains("at 400"), "{done:#?}");
}

#[test]
fn steps_that_are_interrupted_report_those_that_were_made() {
    let (env, server) = TestEnv::with_server("--messages always");
    let load = "--step 100,200 -d 1h --warmup 0s --format json";
    let running = bench(&env, &server, load).start();
    server.event("received");
    running.signal(Signal::INT);
    let done = running.done();
    let report = done.exits(130).last_event();
    assert_eq!(report["partial"], "interrupted");
    assert_eq!(report["steps"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_bound_that_no_rate_keeps_fails_the_run() {
    let (env, server) = TestEnv::with_server("");
    // Nobody echoes in a nanosecond.
    let never = "--find-limit p50<1ns --rate 4 -d 100ms --warmup 0s";
    let done = bench(&env, &server, never).run();
    done.fails(1, "no rate keeps p50<1ns", None)
        .prints("none found: 1.00 a second do not keep p50<1ns");
}

#[test]
fn the_limit_that_is_found_is_that_of_the_line() {
    let (env, server) = TestEnv::with_server("");
    // 500 kbit a second are some 600 messages with their headers.
    let relay = env.relay(&server.place(), "--rate 500kbit --queue 1000");
    let kept = env.path("limit.json");
    let load = "--find-limit p50<200ms --rate 100 -d 400ms --warmup 0s --format csv";
    let options = format!("--fail-if limit<50 --output {}", kept.display());
    let done = bench(&env, &relay, &format!("{load} {options}")).ok();
    let report: Value = env::read_json(&kept);
    let number = |name: &str| report["limit"][name].as_f64().expect("a number");
    let (kept, broken) = (number("rate_per_s"), number("broken_at_per_s"));
    assert!((100.0..2_000.0).contains(&kept), "{report}");
    assert!(kept < broken && broken <= kept * 1.06, "{report}");
    let steps = report["steps"].as_array().expect("a list");
    let rows = done.stdout.lines().skip(1);
    assert_eq!(rows.clone().count(), steps.len(), "{done:#?}");
    let limit: Vec<_> = rows.filter(|row| row.ends_with(",true")).collect();
    assert_eq!(limit.len(), 1, "{done:#?}");
    assert!(limit[0].contains(&format!(",{kept},")), "{done:#?}");
    let bytes = |step: &Value| step["totals"]["bytes"].as_f64();
    let bytes: f64 = steps.iter().filter_map(bytes).sum();
    drop(relay);
    assert_eq!(server.ends_well()["bytes_echoed"].as_f64(), Some(bytes));
}

#[test]
fn a_rate_that_the_line_cannot_carry_is_offered_but_not_achieved() {
    let (env, server) = TestEnv::with_server("");
    let relay = env.relay(&server.place(), "--rate 500kbit --queue 10000");
    let load = "--rate 2k -d 500ms --warmup 0s --timeout 20s --format json";
    let done = bench(&env, &relay, load).run();
    let report = done.last_event();
    // All of them come back, but most when the measuring is over.
    assert_eq!(report["messages"], report["offered"], "{report}");
    let rate = report["rate_per_s"].as_f64().expect("a number");
    assert!((1.0..1_400.0).contains(&rate), "{report}");
}

#[test]
fn steps_of_several_generators_are_merged_step_by_step() {
    let (env, server) = TestEnv::with_server("");
    let paths = [1, 2].map(|number| env.path(&format!("{number}.json")));
    for path in &paths {
        let load = format!("--step 200,400 -n 20 --output {}", path.display());
        bench(&env, &server, &load).ok();
    }
    let merged = env.path("merged.json");
    let launch = env.qecho("report --merge --output").arg(&merged);
    launch.arg(&paths[0]).arg(&paths[1]).ok();
    let merged: Value = env::read_json(&merged);
    for (place, rate) in [(0, 400.0), (1, 800.0)] {
        let step = &merged["steps"][place];
        assert_eq!(step["run"]["offered_rate_per_s"], rate, "{step}");
        assert_eq!(step["latency"]["count"], 40, "{step}");
    }
    assert_eq!(merged["latency"]["count"], 80);
}

#[test]
fn the_page_has_every_step_in_its_table_and_the_limit_that_was_found_in_its_charts() {
    let (env, server) = TestEnv::with_server("");
    let [file, page] = ["steps.json", "page.html"].map(|name| env.path(name));
    let load = format!("--step 200,400 -n 20 --output {}", file.display());
    bench(&env, &server, &load).ok();
    let mut report: Value = env::read_json(&file);
    let step = report["steps"][0].clone();
    // As a search makes them: up, and one rate twice.
    let rates: Vec<f64> = (1..=20).map(f64::from).chain([20.0]).collect();
    let steps = rates.iter().map(|rate| {
        let mut step = step.clone();
        step["run"]["offered_rate_per_s"] = (*rate).into();
        step
    });
    report["steps"] = steps.collect();
    for kept in 1..=20 {
        let limit = json!({"bound": "p99<5ms", "rate_per_s": f64::from(kept),
            "broken_at_per_s": 21.0, "is_generators": false});
        report["limit"] = limit;
        std::fs::write(&file, report.to_string()).expect("there is room");
        let launch = env.qecho("report").arg(&file);
        launch.arg("--output").arg(&page).ok();
        let page = env::read(&page);
        let results = page
            .split("<h2>Results</h2>")
            .nth(1)
            .expect("they are there");
        let (table, charts) = results.split_once("</table>").expect("it is a table");
        let rows = table.matches("<tr><th>").count();
        assert_eq!(rows, 1 + rates.len(), "{table}");
        assert_eq!(table.matches("/s (limit)</th>").count(), 1, "{kept}");
        assert_eq!(charts.matches("/s (limit)</title>").count(), 2, "{kept}");
        assert!(charts.contains("15 more are in the table alone"), "{kept}");
    }
}
