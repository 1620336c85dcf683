//! `qecho doctor`: what it says before and after, and how it ends. What it finds out about networks is
//! tested where networks are made.

use std::{fs, net::UdpSocket};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    cmd::Output,
    env::{TestEnv, address},
    progress::shell,
};

/// A name that nobody has (RFC 6761 §6.4).
const NOBODY: &str = "nosuch.invalid";

/// Returns the rungs that were told as JSON, and the summary behind them.
fn told(done: &Output) -> (Vec<Value>, Value) {
    let mut events = done.events();
    let summary = events.pop().expect("the summary comes last");
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["schema"], 1);
    assert!(events.iter().all(|event| event["event"] == "rung"));
    (events, summary)
}

#[test]
fn what_cannot_be_tried_is_said_in_one_line() {
    let env = TestEnv::new();
    for (arguments, reason) in [
        ("localhost:0", "nobody can be reached on port 0"),
        ("https://localhost", "without a scheme"),
        ("localhost --timeout 0", "it must be more than 0"),
        ("localhost --timeout 1ns", "it must be 1s at least"),
        ("localhost --output a.pdf", "name a file that ends in .html"),
        ("--nat", "HOST[:PORT]"),
        ("--control localhost", "HOST[:PORT]"),
        ("localhost --nat --quick", "cannot be used with"),
        ("localhost --json", "'--format json' writes JSON"),
        ("localhost -k", "'--insecure' trusts anybody"),
    ] {
        let done = env.qecho(format!("doctor {arguments}")).run();
        done.exits(2).complains(reason);
        assert_eq!(done.stdout, "", "{arguments}");
    }
    let hint = "a server on this host is at localhost";
    let all = env.qecho("doctor 0.0.0.0").run();
    all.fails(2, "stands for all addresses of a host", Some(hint));
    let page = env.qecho("doctor --output nowhere/a.html").run();
    page.fails(2, "cannot write nowhere/a.html", None);
}

#[test]
fn what_is_sent_to_whom_is_said_first() {
    let (env, server) = TestEnv::with_server("");
    let done = env
        .qecho(format!("doctor {} --quick --timeout 1s", server.place()))
        .run();
    let first = done.stderr.lines().next().expect("it says something");
    let expected = "sending some 120 datagrams in 3 s to 127.0.0.1, UDP port ";
    assert!(first.starts_with(expected), "{first}");
    let alone = env.qecho("doctor").run();
    alone.complains("looking at this machine alone: nothing is sent");
    assert_eq!(
        alone
            .stdout
            .lines()
            .filter(|line| line.contains("this machine  "))
            .count(),
        1
    );
    server.ends();
}

#[test]
fn a_name_without_an_address_is_a_finding_and_no_failure() {
    let env = TestEnv::new();
    let done = env.qecho(format!("doctor {NOBODY} --format json")).run();
    done.exits(1).complains("nothing is sent to it");
    let (rungs, summary) = told(&done);
    assert_eq!(rungs.len(), 6);
    assert!(rungs.iter().all(|rung| rung["target"] == NOBODY));
    assert_eq!(summary["target"], NOBODY);
    assert_ne!(summary["outcome"], "well");
}

#[test]
fn a_page_stands_by_itself_and_has_what_was_said() {
    let env = TestEnv::new();
    let path = env.path("a.html");
    let doctor = env.qecho(format!("doctor {NOBODY} --output")).arg(&path);
    let done = doctor.run();
    let page = fs::read_to_string(path).expect("it was written");
    let last = done.stdout.lines().last().expect("it says something");
    assert!(last.starts_with("untried: "), "{last}");
    assert!(page.contains(&format!("<h1>qecho doctor: {NOBODY}</h1>")));
    for rung in [
        "this machine",
        "names",
        "UDP",
        "handshake",
        "path",
        "staying",
    ] {
        assert!(page.contains(&format!("</span> {rung}</h3>")), "{rung}");
    }
    assert!(
        !page.contains("http://") && !page.contains("src="),
        "{page}"
    );
    assert!(page.ends_with("</body>\n</html>\n"));
}

#[test]
fn a_page_is_written_also_where_nobody_reads_the_output() {
    let (env, server) = TestEnv::with_server("");
    let page = env.path("a.html");
    let script = format!(
        "qecho doctor {} --quick --output {} > /dev/full",
        server.place(),
        page.display()
    );
    let shown = shell(&env, &script).exits(2);
    assert!(shown.contains("No space left on device"), "{shown}");
    let page = fs::read_to_string(&page).expect("it was written");
    assert!(page.contains("QUIC works from here"), "{page}");
    server.ends();
}

#[test]
fn a_page_that_cannot_be_written_is_told_in_the_systems_words() {
    let env = TestEnv::new();
    let full = env.path("full.html");
    std::os::unix::fs::symlink("/dev/full", &full).expect("the folder takes files");
    let done = env.qecho("doctor --output").arg(&full).run();
    done.exits(2)
        .complains("full.html: No space left on device");
    let folder = env.path("folder.html");
    fs::create_dir(&folder).expect("the folder takes others");
    let done = env.qecho("doctor --output").arg(&folder).run();
    done.exits(2).complains("folder.html: Is a directory");
}

#[test]
fn a_signal_on_any_rung_leaves_what_was_seen_so_far_and_a_page_that_says_so() {
    let (env, server) = TestEnv::with_server("");
    let silent = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
    let (silent, answers) = (address(&silent).to_string(), server.place());
    for (place, last, signal, exit) in [
        (&silent, "names", Signal::INT, 130),
        (&silent, "names", Signal::TERM, 143),
        (&answers, "handshake", Signal::INT, 130),
        (&answers, "path", Signal::TERM, 143),
    ] {
        let page = env.path("part.html");
        let typed = format!("doctor {place} --nat --timeout 20s --format json --output");
        let doctor = env.qecho(typed).arg(&page).start();
        doctor.stdout.says(&format!("\"name\":\"{last}\""));
        doctor.signal(signal);
        let done = doctor.done();
        done.exits(exit);
        let (_, summary) = told(&done);
        assert_eq!(summary["partial"], true, "{last}: {summary}");
        assert!(summary["cause"].is_null(), "{last}: {summary}");
        let page = fs::read_to_string(&page).expect("it was written");
        assert!(page.contains("It was stopped before its end."), "{page}");
    }
    server.ends();
}

#[test]
fn a_terminal_without_signs_gets_ascii() {
    let env = TestEnv::new();
    for (term, locale, has_signs) in [
        ("xterm", "C.UTF-8", true),
        ("xterm", "C", false),
        ("dumb", "C.UTF-8", false),
        ("linux", "C.UTF-8", false),
    ] {
        let script = format!("TERM={term} LC_ALL={locale} qecho doctor; true");
        let shown = shell(&env, &script).exits(0);
        let line = shown.lines().find(|line| line.contains("this machine  "));
        let line = line.unwrap_or_else(|| panic!("{shown:?}"));
        assert_eq!(line.contains(['✔', '✘', '–']), has_signs, "{line:?}");
    }
}
