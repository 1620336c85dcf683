//! `qecho conform` against a real server, one that falls silent, and none.

mod clients;
mod expecting;
mod faulty;
mod reports;

use std::{collections::BTreeSet, fs, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    cmd::Cmd,
    env::{self, Server, TestEnv, VacantPort},
    terminal::Terminal,
};

/// Time for all requirements; a machine that has nothing else to do takes less than a minute.
const ALL_LIMIT: Duration = Duration::from_secs(600);

const CONFORMANCE: &str = include_str!("../../../../docs/conformance.md");

fn conform(env: &TestEnv, server: &Server, arguments: &str) -> Cmd {
    env.qecho(format!("conform {} {arguments}", server.place()))
}

/// Returns the rows of a report in JSON lines, and its summary.
fn rows(events: Vec<Value>) -> (Vec<Value>, Value) {
    let (rows, mut others): (Vec<_>, Vec<_>) = events
        .into_iter()
        .partition(|event| event["event"] == "requirement");
    let summary = others.pop().expect("the summary comes last");
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["requirements"], rows.len());
    let counts = summary["counts"].as_object().expect("counts");
    for (verdict, count) in counts {
        let having = rows.iter().filter(|row| row["verdict"] == **verdict);
        assert_eq!(*count, having.count(), "{verdict}");
    }
    (rows, summary)
}

/// Returns the identifiers of rows.
fn ids<'a>(rows: impl IntoIterator<Item = &'a Value>) -> Vec<&'a str> {
    let ids = rows.into_iter().map(|row| row["id"].as_str());
    ids.collect::<Option<_>>().expect("each has one")
}

#[test]
fn our_own_server_keeps_every_must_but_what_the_guide_says() {
    let (env, server) = TestEnv::with_server("");
    let running = conform(&env, &server, "--format json --timeout 2s").start();
    let done = running.done_within(ALL_LIMIT);
    let (rows, summary) = rows(done.events());
    let all: BTreeSet<_> = ids(&rows).into_iter().collect();
    assert!(all.len() == rows.len() && rows.len() >= 108, "{all:?}");
    let broken = |row: &&Value| matches!(row["verdict"].as_str(), Some("fail" | "crashed"));
    let untold: Vec<_> = rows
        .iter()
        .filter(broken)
        .filter(|row| !CONFORMANCE.contains(row["id"].as_str().expect("a text")))
        .collect();
    assert!(untold.is_empty(), "{untold:#?}");
    // A machine that has much else to do may let some come too late.
    let judged = rows.len() - summary["counts"]["not_reached"].as_u64().expect("a number") as usize;
    assert!(judged > 100, "{summary:#}");
    let has_broken = rows.iter().any(|row| broken(&row));
    done.exits(i32::from(has_broken));
    let began = format!("trying {} requirements on {}", rows.len(), server.place());
    done.complains(&began)
        .complains("ALPN echo, verified by qecho's local CA");
    server.ends();
}

#[test]
fn a_server_that_agrees_to_any_protocol_breaks_nothing_by_that() {
    let (env, server) = TestEnv::with_server("--alpn any");
    let done = conform(&env, &server, "--only T01").ok();
    done.prints("not applicable: T01 (the server agrees to any protocol)");
}

#[test]
fn requirements_are_listed_and_chosen_by_name_and_section() {
    let env = TestEnv::new();
    let list = |arguments: &str| {
        let done = env.qecho(format!("conform --list {arguments}")).ok();
        assert_eq!(done.stderr, "");
        let ids = done.stdout.lines().map(|line| line[..3].to_owned());
        ids.collect::<Vec<_>>()
    };
    assert!(list("").len() >= 108);
    assert_eq!(list("--only 9000/19.5"), ["F11", "F12"]);
    assert_eq!(list("--only 9000/19.5,f13 --except F11"), ["F12", "F13"]);
    for option in [
        "--output a.html",
        "--pcap-dir kept",
        "--expect verdicts.txt",
        "--expect verdicts.txt --update-expect",
        "--differences",
        "--client --by-name",
    ] {
        let done = env.qecho(format!("conform --list {option}")).run();
        done.exits(2).complains("cannot be used with");
        assert_eq!(done.stdout, "");
    }
    for (arguments, reason) in [
        ("--only F99", "`F99` names no requirement of a server"),
        ("--only C01", "C01 is not demanded of a server"),
        ("--only F12 --except 9000", "nothing is left to try"),
        ("--show 9114", "`9114` names no requirement"),
    ] {
        let done = env.qecho(format!("conform localhost {arguments}")).run();
        done.fails(2, reason, None);
        assert_eq!(done.stdout, "");
    }
    env.qecho("conform").run().exits(2).complains("HOST[:PORT]");
    let page = env.qecho("conform localhost --output a.pdf").run();
    page.exits(2).complains(".html, .xml or .json");
}

#[test]
fn what_stands_in_the_way_is_said_first_and_once() {
    let (env, server) = TestEnv::with_server("");
    let refused = conform(&env, &server, "--alpn h3").run();
    let hint = "the server does not agree to h3; try --alpn auto";
    refused.fails(1, "no_application_protocol", Some(hint));
    assert_eq!(refused.stdout, "");
    let stranger = conform(&TestEnv::new(), &server, "").run();
    stranger.fails(
        1,
        "the certificate's issuer is not trusted",
        Some("--ca FILE"),
    );
    let vacant = VacantPort::keep();
    let nobody = env.qecho(format!("conform 127.0.0.1:{}", vacant.number()));
    let hint = Some("is a server running there");
    nobody.run().fails(1, "nobody listens there", hint);
    let host = env.qecho("conform nosuch.invalid").run();
    host.fails(
        2,
        "cannot find the address of nosuch.invalid",
        Some("spelling"),
    );
    let wary = env.server(&format!(
        "--client-ca {}",
        env.home().join("qecho/rootCA.pem").display()
    ));
    let done = conform(&env, &wary, "").run();
    done.fails(
        1,
        "it lets in clients with a certificate alone",
        Some("ask for none"),
    );
}

#[test]
fn a_server_is_trusted_by_its_pin_or_by_anybody_who_says_so() {
    let (env, server) = TestEnv::with_server("");
    let elsewhere = TestEnv::new();
    let pinned = format!("--only F12 --pin {}", server.pin());
    let pinned = conform(&elsewhere, &server, &pinned).ok();
    pinned.prints("breaks none of 1 requirement");
    let insecure = conform(&elsewhere, &server, "--only F12 --insecure").ok();
    insecure.complains("--insecure trusts anybody");
    // Nobody has a choice of protocols to refuse.
    conform(&env, &server, "--only F12 --alpn none")
        .ok()
        .complains("no ALPN");
}

#[test]
fn packets_are_shown_as_trace_shows_them_and_kept_for_others() {
    let (env, server) = TestEnv::with_server("");
    let done = conform(&env, &server, "--show F12,V02").ok();
    done.prints("--- F12 9000 §19.5 MUST ---")
        .prints("→ 1-RTT 2")
        .prints("STOP_SENDING 41 code 0\n            ▲ the stimulus\n")
        .prints("CONNECTION_CLOSE STREAM_STATE_ERROR")
        .prints("version 0x1a2a3a4a (grease)")
        .prints("verdict      pass");
    // The first row has one odd packet, the second sends each of its two twice.
    assert_eq!(done.stdout.matches("▲ the stimulus").count(), 5);
    conform(&env, &server, "--only F12,V02 --pcap-dir kept").ok();
    let folder = env.home().join("kept");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .expect("it was made")
        .map(|entry| entry.expect("it can be read").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["F12.pcapng", "V02.pcapng"]);
    let trace = env.qecho("trace kept/F12.pcapng").ok();
    trace.prints("STOP_SENDING 41 code 0");
    assert_eq!(trace.stderr, "", "all of it opens");
    let json = conform(&env, &server, "--show F12 --format json").ok();
    json.complains("STOP_SENDING 41 code 0");
    assert_eq!(json.events().len(), 2);
}

#[test]
fn what_is_shown_is_tried_beside_what_is_named_and_nothing_else_is_shown() {
    let (env, server) = TestEnv::with_server("");
    let of = |arguments: &str| conform(&env, &server, arguments).ok();
    let same = of("--only F12 --show F12");
    same.prints("--- F12 ")
        .prints("breaks none of 1 requirement.");
    let more = of("--only 9000/19.5 --show F13 --level should");
    more.prints("--- F13 ")
        .prints("breaks none of 3 requirements.");
    assert_eq!(more.stdout.matches("--- ").count(), 1);
    let section = of("--show 9000/19.5 --except F11");
    section
        .prints("--- F12 ")
        .prints("breaks none of 1 requirement.");
    let expected = of("--only F12 --show F13 --expect v.txt --update-expect");
    expected.prints("--- F13 ");
    let kept = env::read(env.home().join("v.txt"));
    assert!(
        kept.contains("F12 pass") && kept.contains("F13 pass"),
        "{kept}"
    );
    let list = env.qecho("conform --list --only F12 --show F13").ok();
    assert_eq!(list.stdout.lines().count(), 2);
}

#[test]
fn several_servers_are_a_table_and_one_that_is_not_there_a_column() {
    let (env, server) = TestEnv::with_server("");
    let vacant = VacantPort::keep();
    let place = server.place();
    let nobody = format!("127.0.0.1:{}", vacant.number());
    let command = format!("conform {place} {nobody} {place} --only F12,F13");
    let done = env.qecho(&command).run();
    done.exits(1)
        .complains("nobody listens there")
        .prints(&format!("[1] {place} breaks none of 2 requirements."))
        .prints(&format!("[2] {nobody}: nothing was reached"))
        .prints("F12  9000 §19.5       pass           not reached    pass\n");
    let differences = env.qecho(format!("{command} --differences")).run();
    // What was not reached may be either.
    let unjudged = "Nothing was judged of all: there is nothing to compare.";
    differences.exits(1).prints(unjudged);
    let json = env
        .qecho(format!("{command} --format json --output all.html"))
        .run();
    let (rows, _) = rows(json.events());
    let unreached = rows.iter().filter(|row| row["target"] == *nobody);
    assert_eq!(unreached.count(), 2);
    let targets = json.last_event()["targets"].as_array().map(Vec::len);
    assert_eq!(targets, Some(3));
    let page = env::read(env.home().join("all.html"));
    assert!(page.contains("id=\"F12-3\""));
    let expect = env.qecho(format!("{command} --expect a.txt --update-expect"));
    expect
        .run()
        .fails(2, "about one server", Some("one after the other"));
}

#[test]
fn an_interrupted_run_leaves_what_it_has() {
    let (env, server) = TestEnv::with_server("");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let arguments = "--format json --output part.json --expect v.txt --update-expect";
        let running = conform(&env, &server, arguments).start();
        running.stdout.line(1);
        running.signal(signal);
        let done = running.done_within(Duration::from_secs(20));
        done.exits(code);
        let (rows, summary) = rows(done.events());
        assert!(
            !rows.is_empty() && summary["partial"] == true,
            "{summary:#}"
        );
        let kept = env::read(env.home().join("part.json"));
        assert_eq!(kept.lines().count(), rows.len() + 1);
        // Half a run is no expectation.
        assert!(!env.home().join("v.txt").exists());
    }
}

#[test]
fn a_run_that_is_interrupted_while_it_connects_is_partial_and_keeps_what_came_before() {
    let (env, server) = TestEnv::with_server("");
    let silent = env::socket();
    let place = env::address(&silent);
    let arguments = "--only F12 --timeout 60s --format json --output a.json --output a.xml";
    for (servers, expected) in [
        (format!("{place}"), 0),
        (format!("{} {place}", server.place()), 1),
    ] {
        let running = env.qecho(format!("conform {servers} {arguments}")).start();
        // Its first packet says that it has begun to connect.
        silent.recv_from(&mut [0; 2_000]).expect("it connects");
        running.signal(Signal::INT);
        let done = running.done_within(Duration::from_secs(20));
        done.exits(130);
        let (rows, summary) = rows(done.events());
        assert_eq!(rows.len(), expected);
        assert_eq!(summary["partial"], true, "{summary:#}");
        let kept = env::read(env.home().join("a.json"));
        assert!(kept.contains("\"partial\":true"), "{kept}");
        let xml = env::read(env.home().join("a.xml"));
        assert!(xml.contains("it was stopped before"), "{xml}");
        // The others of the first attempt.
        silent.set_nonblocking(true).expect("a socket can be so");
        while silent.recv_from(&mut [0; 2_000]).is_ok() {}
        silent.set_nonblocking(false).expect("a socket can be so");
    }
}

#[test]
fn a_terminal_shows_how_far_it_has_come_and_then_the_report_alone() {
    let (env, server) = TestEnv::with_server("");
    let command = conform(&env, &server, "--only 9000/19.5").env("NO_COLOR", "");
    let shown = Terminal::start(command).exits(0);
    assert!(shown.contains(" of 2  F11 9000 §19.5"), "{shown:?}");
    let (_, report) = shown.rsplit_once("\x1b[2K").expect("the line is cleared");
    assert!(
        report.contains("breaks none of 2 requirements."),
        "{shown:?}"
    );
}

#[test]
fn a_server_that_dies_is_lost_and_nothing_more_is_waited_for() {
    let (env, server) = TestEnv::with_server("");
    let running = conform(&env, &server, "--format json --timeout 1s").start();
    running.stdout.line(1);
    server.process.signal(Signal::KILL);
    let done = running.done();
    done.exits(1).complains("nobody listens there; ");
    let (rows, summary) = rows(done.events());
    let lost = &summary["targets"][0]["lost"];
    env::assert_contains(lost, "nobody listens there");
    // At most the row that was tried when it happened is taken for the cause.
    let broken = rows.iter().filter(|row| row["verdict"] == "fail");
    assert_eq!(broken.count(), 0, "{summary:#}");
    assert!(
        summary["counts"]["crashed"].as_u64() <= Some(1),
        "{summary:#}"
    );
    assert!(
        summary["counts"]["not_reached"].as_u64() > Some(50),
        "{summary:#}"
    );
}
