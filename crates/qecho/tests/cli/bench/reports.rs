//! `qecho report`, which reads reports that were kept.

use serde_json::Value;

use super::bench;
use crate::env::{self, TestEnv};

#[test]
fn four_generators_merged_count_what_the_server_counts() {
    let (env, server) = TestEnv::with_server("");
    let paths = [1, 2, 3, 4].map(|number| env.path(&format!("{number}.json")));
    let running = paths.each_ref().map(|path| {
        let arguments = format!("-n 250 --connections 2 --output {}", path.display());
        bench(&env, &server, &arguments).start()
    });
    for generator in running {
        generator.done().exits(0);
    }
    let merged = env.path("merged.json");
    let mut launch = env.qecho("report --merge --output").arg(&merged);
    for path in &paths {
        launch = launch.arg(path);
    }
    let written = format!("{}, of 4 reports\n", merged.display());
    launch.run().exits(0).complains(&written);
    let read = |path: &std::path::Path| -> Value {
        let text = env::read(path);
        serde_json::from_str(&text).expect("it is JSON")
    };
    let (merged, server) = (read(&merged), server.ends_well());
    assert_eq!(merged["totals"]["bytes"], server["bytes_echoed"]);
    assert_eq!(merged["totals"]["connections"], server["connections"]);
    assert_eq!(merged["latency"]["count"], 1_000);
    assert_eq!(merged["connect"]["count"], 8);
    let longest = paths
        .iter()
        .map(|path| read(path)["latency"]["max_us"].as_f64());
    let longest = longest.max_by(|one, other| one.partial_cmp(other).expect("numbers"));
    assert_eq!(merged["latency"]["max_us"].as_f64(), longest.flatten());
}

#[test]
fn a_report_that_somebody_has_tampered_with_makes_a_harmless_page() {
    const HOSTILE: &str = "</title><script>alert(1)</script>\"'<img src=x>";
    let (env, server) = TestEnv::with_server("");
    let [honest, bad, page] = ["1.json", "bad.json", "page.html"].map(|name| env.path(name));
    let load = format!("-n 5 --output {}", honest.display());
    bench(&env, &server, &load).ok();
    let text = env::read(&honest);
    for (pointer, value) in [
        ("/elapsed_s", Value::from(-3)),
        ("/elapsed_s", 1e308.into()),
        ("/rate_per_s", 1e308.into()),
        ("/messages", u64::MAX.into()),
        ("/run/warmup_s", 1e300.into()),
        ("/latency/p50_us", (-1e300).into()),
        ("/latency/max_us", 1e300.into()),
        ("/histogram", "AAAA".into()),
        ("/server/name", HOSTILE.into()),
        ("/server/alpn", HOSTILE.into()),
        ("/server/cipher_suite", HOSTILE.into()),
        ("/run/over", HOSTILE.into()),
        ("/run/transport", HOSTILE.into()),
        ("/run/arrival", HOSTILE.into()),
        ("/partial", HOSTILE.into()),
        ("/version", HOSTILE.into()),
    ] {
        let mut report: Value = serde_json::from_str(&text).expect("it is JSON");
        *report.pointer_mut(pointer).expect(pointer) = value;
        std::fs::write(&bad, report.to_string()).expect("there is room");
        let launch = env.qecho("report").arg(&bad).arg(&honest);
        launch.arg("--output").arg(&page).ok();
        let shown = env::read(&page);
        assert!(
            !shown.contains("<script") && !shown.contains("<img"),
            "{pointer}"
        );
    }
}

#[test]
fn what_would_be_counted_twice_or_beside_something_else_is_not_merged() {
    let (env, server) = TestEnv::with_server("--also tls");
    let [one, other] = ["one.json", "other.json"].map(|name| env.path(name));
    for (path, load) in [(&one, "-n 5"), (&other, "-n 5 --baseline tls")] {
        let load = format!("{load} --output {}", path.display());
        bench(&env, &server, &load).ok();
    }
    let merge = |path: &std::path::Path| {
        let launch = env
            .qecho("report --merge --output")
            .arg(env.path("merged.json"));
        launch.arg(&one).arg(path).run()
    };
    merge(&one).fails(2, "they are the same report", None);
    merge(&other).fails(2, "a comparison cannot be merged", None);
}

#[test]
fn runs_that_sent_different_things_are_not_merged() {
    let (env, server) = TestEnv::with_server("");
    let paths = [64, 65].map(|size| env.path(&format!("{size}.json")));
    for (path, size) in paths.iter().zip([64, 65]) {
        let arguments = format!("-n 5 -s {size} --output {}", path.display());
        bench(&env, &server, &arguments).ok();
    }
    let [one, other] = &paths;
    let merge = |output: &str, options: &str| {
        let launch = env.qecho(format!("report {options} --output {output}"));
        launch.arg(one).arg(other).run()
    };
    merge("a.html", "--merge").fails(2, "the runs differ in what they sent", None);
    merge("a.json", "").fails(2, "a .json file takes one report", Some("--merge"));
}
