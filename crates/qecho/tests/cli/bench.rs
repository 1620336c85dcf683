//! `qecho bench` against a real server: it counts what the server counts, and
//! says in one line what went wrong.

mod baseline;
mod bounds;
mod handshakes;
mod over_time;
mod reports;
mod seen;
mod series;
mod starting;
mod streams;

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    cert::among_mounts_of_its_own,
    cmd::Cmd,
    env::{self, Server, TestEnv, VacantPort},
};

fn bench(env: &TestEnv, server: &Server, arguments: &str) -> Cmd {
    env.qecho(format!("bench {} {arguments}", server.place()))
}

/// Runs a load that must end well; returns its report and what the server
/// counted.
fn counted(arguments: &str) -> (Value, Value) {
    let (env, server) = TestEnv::with_server("");
    let done = bench(&env, &server, &format!("--format json {arguments}")).ok();
    (done.last_event(), server.ends_well())
}

#[test]
fn every_way_counts_what_the_server_counts() {
    for (arguments, messages, size) in [
        ("-n 200 --connections 3 --in-flight 4", 200, 64),
        ("-n 200 --connections 2 --streams 3 -s 1000", 200, 1_000),
        (
            "-n 100 --over stream-per-message --connections 2 --in-flight 5",
            100,
            64,
        ),
        ("-n 50 --over bulk -s 100000", 50, 100_000),
        ("-n 20 --over handshake --connections 4", 20, 64),
        ("-n 100 --connections 4 --sockets per-connection", 100, 64),
        ("-n 50 --rate 1k --arrival poisson", 50, 64),
        ("-n 101 --connections 4 --shards 2", 101, 64),
        ("-n 100 --connections 4 --shards 2 --rate 2k", 100, 64),
        (
            "-n 60 --connections 3 --idle-connections 70 --shards 2",
            60,
            64,
        ),
        (
            "-n 60 --connections 3 --idle-connections 8 --rate 1k",
            60,
            64,
        ),
    ] {
        let (report, server) = counted(arguments);
        assert_eq!(report["messages"], messages, "{arguments}: {report:#}");
        assert_eq!(report["unanswered"], 0, "{arguments}: {report:#}");
        let totals = &report["totals"];
        assert_eq!(totals["bytes"], messages * size, "{arguments}: {report:#}");
        assert_eq!(totals["bytes"], server["bytes_echoed"], "{arguments}");
        assert_eq!(totals["connections"], server["connections"], "{arguments}");
    }
}

#[test]
fn connections_that_are_held_beside_a_load_are_named_and_get_no_message() {
    let arguments = "-n 30 --over datagram --connections 2 --idle-connections 20";
    let (env, server) = TestEnv::with_server("");
    let text = bench(&env, &server, arguments).ok().stdout;
    assert!(
        text.contains("2 connections beside 20 that are idle"),
        "{text}"
    );
    let (report, server) = counted(&format!("{arguments} --in-flight 15"));
    assert_eq!(report["run"]["connections"], 2);
    assert_eq!(report["run"]["idle_connections"], 20);
    assert_eq!(report["offered"], 30);
    // One more asks whether the server is there.
    assert_eq!(server["connections"], 23);
}

#[test]
fn messages_of_many_sizes_are_counted_as_the_server_counts_them() {
    let (report, server) = counted("-n 200 -s 1..5k --connections 3 --shards 2 --seed 3");
    assert_eq!(report["totals"]["bytes"], server["bytes_echoed"]);
    let (run, bytes) = (&report["run"], report["bytes"].as_u64());
    assert_eq!(run["size_bytes"], 1);
    assert_eq!(run["size_max_bytes"], 5_000);
    let is_mean = |bytes| (400_000..600_000).contains(&bytes);
    assert!(bytes.is_some_and(is_mean), "{report}");
}

#[test]
fn datagrams_are_counted_and_so_are_those_that_are_lost() {
    let (report, server) = counted("-n 100 --over datagram --in-flight 2");
    let number = |value: &Value| value.as_u64().expect("a number");
    assert_eq!(number(&report["messages"]) + number(&report["lost"]), 100);
    assert!(number(&server["datagrams_echoed"]) >= number(&report["messages"]));
}

#[test]
fn a_report_in_json_says_what_was_asked_for_and_what_came_of_it() {
    let (env, server) = TestEnv::with_server("");
    let pid = server.process.id();
    let arguments = format!("-d 300ms --warmup 50ms --format json --server-pid {pid}");
    let done = bench(&env, &server, &arguments).ok();
    let report = done.last_event();
    assert_eq!(report["event"], "report");
    assert_eq!(report["schema"], 1);
    assert_eq!(report["partial"], Value::Null);
    assert_eq!(report["server"]["alpn"], "echo");
    let run = &report["run"];
    assert_eq!(run["over"], "stream");
    assert_eq!(run["arrival"], "closed");
    assert_eq!(run["verified"], true);
    assert_eq!(run["warmup_s"], 0.05);
    let number = |value: &Value| value.as_f64().expect("a number");
    assert!(number(&report["elapsed_s"]) >= 0.3);
    let latency = &report["latency"];
    assert_eq!(latency["count"], report["messages"]);
    let members = ["min", "p50", "p90", "p99", "p99_9", "p99_99", "max"];
    let times = members.map(|member| latency[format!("{member}_us")].as_f64());
    let times: Vec<_> = times.into_iter().flatten().collect();
    assert!(times.is_sorted() && times[0] > 0.0, "{latency}");
    assert!(number(&report["generator"]["processor_s"]) > 0.0);
    let intervals = report["intervals"].as_array().expect("a list");
    let sum: f64 = intervals.iter().map(|row| number(&row["messages"])).sum();
    assert_eq!(sum, number(&report["messages"]));
    // What was under way came back when it was over.
    let measured = intervals.iter().filter(|row| row["after_end"] != true);
    assert_eq!(measured.count(), 3, "{report:#}");
    if cfg!(target_os = "linux") {
        let cost = &report["server_process"];
        assert!(number(&cost["processor_us_per_message"]) > 0.0, "{cost}");
        assert!(number(&cost["memory_after_bytes"]) > 0.0, "{cost}");
    }
}

#[test]
fn a_report_has_the_percentiles_that_its_messages_carry_and_no_more() {
    let (env, server) = TestEnv::with_server("");
    let [html, json] = ["report.html", "report.json"].map(|name| env.path(name));
    let files = format!("--output {} --output {}", html.display(), json.display());
    let names = ["p90", "p99", "p99.9", "p99.99"];
    // From how many messages on each is known.
    for (count, known) in [(9, 0), (99, 1), (100, 2), (999, 2), (1_000, 3)] {
        let load = format!("-n {count} --warmup 0s --fail-if p99>1h {files}");
        let done = bench(&env, &server, &load).ok();
        done.prints("bound        passed, ");
        let line = done
            .stdout
            .lines()
            .find(|line| line.starts_with("echo time"));
        let words: Vec<_> = line.expect("it has one").split_whitespace().collect();
        let report = env::read_json(&json);
        assert_eq!(report["latency"]["count"], count, "{report:#}");
        for (place, name) in names.into_iter().enumerate() {
            let member = format!("{}_us", name.replace('.', "_"));
            let is_known = place < known;
            assert_eq!(words.contains(&name), is_known, "{words:?}");
            let value = &report["latency"][member];
            assert_eq!(value.is_number(), is_known, "{value} of {count}");
        }
        let page = env::read(&html);
        assert_eq!(page.matches("<td>–</td>").count(), 4 - known, "{page}");
        assert_eq!(
            page.contains("</b> 99th percentile</li>"),
            known >= 2,
            "{page}"
        );
        let csv = bench(
            &env,
            &server,
            &format!("-n {count} --warmup 0s --format csv"),
        )
        .ok();
        let rows: Vec<Vec<_>> = csv
            .stdout
            .lines()
            .map(|line| line.split(',').collect())
            .collect();
        for (name, cell) in rows[0].iter().zip(&rows[1]) {
            let place = ["p90_us", "p99_us", "p99_9_us", "p99_99_us"]
                .iter()
                .position(|of| of == name);
            assert!(
                place.is_none_or(|place| cell.is_empty() == (place >= known)),
                "{name}: {cell}"
            );
        }
        // One handshake: that is no percentile.
        assert!(report["connect"]["p90_us"].is_null(), "{report:#}");
    }
}

#[test]
fn a_bound_on_a_percentile_of_too_few_messages_is_compared_with_the_longest_time() {
    let (env, server) = TestEnv::with_server("");
    let done = bench(&env, &server, "-n 20 --format json --fail-if p99>1ns").run();
    done.fails(
        1,
        "the messages are too few for p99, and the longest took ",
        None,
    );
    let report = done.last_event();
    let judged = &report["fail_if"][0];
    assert_eq!(judged["value"], Value::Null, "{judged}");
    assert_eq!(judged["max_us"], report["latency"]["max_us"], "{judged}");
}

#[test]
#[cfg(target_os = "linux")]
fn memory_that_a_server_had_already_is_no_cost_of_its_connections() {
    let (env, server) = TestEnv::with_server("");
    let load = format!(
        "-d 100ms --warmup 0s --over idle --server-pid {}",
        server.process.id()
    );
    // Many have made room for a few.
    bench(&env, &server, &format!("{load} --connections 60")).ok();
    let used = bench(&env, &server, &format!("{load} --connections 2")).ok();
    assert!(!used.stdout.contains("0.000 kB for each"), "{used:#?}");
    let words = [" kB for each connection", "free from before: start it anew"];
    let said = words.iter().filter(|words| used.stdout.contains(**words));
    assert_eq!(said.count(), 1, "{used:#?}");
}

#[test]
fn a_report_for_people_says_when_nothing_was_compared() {
    let (env, server) = TestEnv::with_server("");
    let done = bench(&env, &server, "-n 10 --no-verify").run();
    done.exits(0)
        .prints("NOT compared")
        .prints("echo time    p50 ");
    assert_eq!(done.stderr, "");
    let idle = bench(&env, &server, "-d 100ms --over idle --connections 5").run();
    idle.exits(0).prints("5 connections from 1 socket, held");
}

#[test]
fn idle_connections_are_kept_alive_for_a_server_that_gives_up_soon() {
    let (env, server) = TestEnv::with_server("--idle-timeout 4s");
    let idle = "-d 9s --over idle --connections 5 --format json";
    let report = bench(&env, &server, idle).run().exits(0).last_event();
    assert_eq!(
        report["errors"].as_array().map(Vec::len),
        Some(0),
        "{report}"
    );
}

#[test]
fn an_interrupted_load_reports_what_there_is() {
    let (env, server) = TestEnv::with_server("--messages always");
    let running = bench(&env, &server, "-d 1h --warmup 0s --format json").start();
    server.event("received");
    running.signal(Signal::INT);
    let done = running.done();
    assert_eq!(done.exits(130).last_event()["partial"], "interrupted");
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_a_partial_report() {
    let (env, server) = TestEnv::with_server("--messages always");
    let running = bench(&env, &server, "-d 1h --warmup 0s --format json").start();
    server.event("received");
    server.process.signal(Signal::KILL);
    let done = running.done();
    done.fails(1, "the run ended early: ", None);
    let report = done.last_event();
    assert_eq!(report["partial"], "nobody listens there any more");
    assert_eq!(report["messages"], report["latency"]["count"]);
}

#[test]
fn a_server_that_shuts_down_in_the_middle_is_said_to() {
    let (env, server) = TestEnv::with_server("--messages always --drain 0s");
    let running = bench(&env, &server, "-d 1h --warmup 0s --format json").start();
    server.event("received");
    server.process.terminate();
    let done = running.done();
    done.fails(1, "server shutting down", None);
    assert_eq!(done.last_event()["errors"][0]["kind"], "closed");
}

#[test]
fn a_report_in_a_file_has_the_whole_distribution_and_else_what_is_printed() {
    let (env, server) = TestEnv::with_server("");
    let path = env.file("kept.json", &"what was there before ".repeat(1_000));
    let arguments = format!("-n 100 --format json --output {}", path.display());
    let done = bench(&env, &server, &arguments).ok();
    let mut kept: Value = env::read_json(&path);
    let members = kept.as_object_mut().expect("an object");
    for name in ["histogram", "connect_histogram"] {
        let histogram = members.remove(name).expect("it is there");
        let text = histogram.as_str().expect("a text");
        // The cookie of a compressed V2 histogram, in Base64.
        assert!(text.starts_with("HISTF"), "{text}");
    }
    assert_eq!(kept, done.last_event());
}

#[test]
fn a_page_about_several_runs_needs_nothing_but_itself() {
    let (env, server) = TestEnv::with_server("");
    for name in ["one", "a<b"] {
        let path = env.path(&format!("{name}.json"));
        // So many at once that an interval has enough of them for its p99, on a slow machine too.
        let arguments = format!(
            "-n 4000 --in-flight 16 --warmup 0s --output {}",
            path.display()
        );
        bench(&env, &server, &arguments).ok();
    }
    let page = env.path("page.html");
    let [one, other, out] = [env.path("one.json"), env.path("a<b.json"), page.clone()];
    let report = |first: &std::path::Path| {
        let launch = env.qecho("report").arg(first).arg(&other);
        launch.arg("--output").arg(&out).run()
    };
    report(&one).exits(0);
    let text = env::read(&page);
    assert_eq!(text.matches("<svg").count(), 5);
    assert_eq!(over_time::lines(&text), 10);
    assert!(text.contains("a&lt;b") && !text.contains("a<b"));
    for foreign in ["http:", "https:", "src=", "@import", "url(", "NaN", "inf "] {
        assert!(!text.contains(foreign), "{foreign}");
    }
    report(&page).fails(2, "is no report of qecho bench", None);
    report(&env.path("nowhere.json")).fails(2, "cannot read ", None);
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_the_work() {
    let (env, server) = TestEnv::with_server("");
    let path = env.path("nowhere").join("report.json");
    let arguments = format!("-n 1 --output {}", path.display());
    let done = bench(&env, &server, &arguments).run();
    done.fails(2, "cannot write ", None);
    assert_eq!(done.stdout, "");
    assert_eq!(server.ends_well()["connections"], 0);
}

#[test]
fn a_full_disk_keeps_the_figures_without_the_distribution_and_says_so() {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    // A first run finds how long the figures of eight steps are, which depends on how slow the
    // machine is, and how long the whole report; the disk has room for one and not for the other.
    // A run that was much slower than the one before it is made again.
    let steps = "--step 8001,8002,8003,8004,8005,8006,8007,8008";
    let load = format!("\"$QECHO\" bench {place} -n 2000 -s 1..2k {steps}");
    let done = among_mounts_of_its_own(
        &env,
        &format!(
            "mkdir full
             for attempt in 1 2 3 4 5; do
                 {load} --output roomy.json >text
                 whole=$(wc -c <roomy.json)
                 figures=$(sed -E 's/\"(connect_)?histogram\":\"[^\"]*\"//g' roomy.json | wc -c)
                 room=$(( (whole + figures) / 8192 * 4 ))k
                 mount -t tmpfs -o size=$room none full
                 {load} --output full/a.json --output whole.html >text 2>said || ended=$?
                 if grep -q 'has no distribution now' said; then break; fi
                 umount full
             done
             cat text; cat said >&2; echo \"exit $ended\"; cat full/a.json
             tail -n 1 whole.html; head -c $room /dev/zero >full/a.json
             {load} --output full/b.json --output full/b.html || echo \"exit $?\"
             stat -c %s full/b.json full/b.html"
        ),
    );
    done.exits(0)
        .prints("8,008 ")
        .prints("exit 2\n{\"event\":\"report\",")
        .prints("</html>\n")
        .prints("exit 2\n0\n0\n")
        .complains(
            "qecho: cannot write all of full/a.json, which has no distribution now: No space",
        )
        .complains("qecho: cannot write full/b.json: No space left on device");
    let kept = done.stdout.lines().find(|line| line.starts_with('{'));
    let kept: Value = serde_json::from_str(kept.expect("it was kept")).expect("it is JSON");
    let partial = kept["partial"].as_str().expect("it is marked");
    assert!(partial.starts_with("not all was written: "), "{partial}");
    assert_eq!(kept["messages"], 16_000);
    assert_eq!(kept.get("histogram"), None);
    assert_eq!(done.stderr.lines().count(), 2, "{done:#?}");
}

#[test]
fn a_load_that_cannot_be_is_refused_in_one_line() {
    let (env, server) = TestEnv::with_server("");
    for (arguments, code, reason) in [
        ("--over datagram -s 70000", 2, "fits into no DATAGRAM frame"),
        (
            "--over datagram -s 1430 -n 1 --timeout 2s",
            1,
            "takes at most",
        ),
        ("--server-pid 4294967295", 2, "process 4294967295"),
    ] {
        let done = bench(&env, &server, arguments).run();
        done.exits(code).complains(reason);
        let lines = done.stderr.lines();
        let lines = lines.filter(|line| line.starts_with("qecho: "));
        assert_eq!(lines.count(), 1, "{done:#?}");
    }
    let vacant = VacantPort::keep();
    let place = format!("127.0.0.1:{}", vacant.number());
    let done = env.qecho(format!("bench {place} -n 1")).run();
    done.fails(1, "nobody listens there", Some("is a server running there"));
}
