//! Clients that are tested: those of a command, those that come by themselves, and those that
//! choose by name.

use std::{thread, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use super::{ALL_LIMIT, CONFORMANCE, ids, rows};
use crate::{
    cmd::{Cmd, Process},
    env::{self, Server, TestEnv},
};

const QECHO: &str = env!("CARGO_BIN_EXE_qecho");

/// Prepares a test of the program's own client.
fn own_client(env: &TestEnv, arguments: &str) -> Cmd {
    let client = format!("{QECHO} client {{host}}:{{port}} --ca {{ca}}");
    env.qecho(format!("conform --client {arguments} -- {client}"))
}

/// Prepares a test of a script of the shell.
fn script(env: &TestEnv, arguments: &str, script: &str) -> Cmd {
    let command = env.qecho(format!("conform --client {arguments} -- sh -c"));
    command.arg(script)
}

#[test]
fn our_own_client_keeps_every_must_but_what_the_guide_says() {
    let env = TestEnv::new();
    let done = own_client(&env, "--format json").start();
    let done = done.done_within(ALL_LIMIT);
    let (rows, summary) = rows(done.events());
    assert!(rows.len() >= 37, "{summary:#}");
    let broken = |row: &&Value| matches!(row["verdict"].as_str(), Some("fail" | "crashed"));
    let untold: Vec<_> = rows
        .iter()
        .filter(broken)
        .filter(|row| !CONFORMANCE.contains(row["id"].as_str().expect("a text")))
        .collect();
    assert!(untold.is_empty(), "{untold:#?}");
    // A machine that has much else to do may let some come too late.
    let counts = &summary["counts"];
    let judged = rows.len() - counts["not_reached"].as_u64().expect("a number") as usize;
    assert!(judged * 10 >= rows.len() * 8, "{summary:#}");
    let has_broken = rows.iter().any(|row| broken(&row));
    done.exits(i32::from(has_broken));
    done.complains("which is run for each connection to localhost:")
        .complains("it is sent what no server may send");
    let target = &summary["targets"][0]["target"];
    env::assert_contains(target, "client {host}:{port} --ca {ca}");
}

#[test]
fn a_command_that_ends_and_never_connects_is_told_of_soon_and_once() {
    let env = TestEnv::new();
    let running = env.qecho("conform --client --only C12 -- true").start();
    // A command that goes on has 20 s.
    let done = running.done_within(Duration::from_secs(15));
    done.exits(1);
    let why = "the command ended with exit code 0 and did not connect";
    assert_eq!(done.stderr.matches(why).count(), 1, "{}", done.stderr);
    assert_eq!(done.stdout, "");
}

#[test]
fn a_client_that_crashes_is_told_from_one_that_always_ends_so() {
    let env = TestEnv::new();
    let client = format!("{QECHO} client {{host}}:{{port}} --ca {{ca}} 2>&1");
    let crashes = format!("{client} | grep -q quic_transport_parameters && kill -SEGV $$; exit 1");
    let done = script(&env, "--only C12,C02", &crashes).run();
    done.exits(1)
        .prints("crashed   C12 9001 §8.2 MUST")
        .prints("its program has crashed: SIGSEGV")
        .prints("breaks 1 of 2 requirements: C12.");
    // It ends so whenever its connection is lost.
    let always = format!("{client} > /dev/null || kill -SEGV $$");
    let done = script(&env, "--only C12,C02", &always).run();
    done.exits(0).prints("breaks none of 2 requirements.");
}

#[test]
fn what_is_no_client_is_said_once_and_why() {
    let env = TestEnv::new();
    let missing = env.qecho("conform --client -- nosuchclient {host} {port}");
    missing.run().fails(
        2,
        "cannot start nosuchclient: No such file or directory",
        Some("-- CLIENT {host} {port}"),
    );
    let done = script(&env, "", "echo usage: c HOST >&2; exit 64").run();
    done.exits(1)
        .complains("warning: neither {host} nor {port} is in the command")
        .complains(
            "qecho: no requirement was reached: the command ended with exit code 64 and did not \
             connect; it said: usage: c HOST",
        )
        .complains("hint: the client has to connect to localhost:");
    assert_eq!(done.stdout, "");
    let distrusts = format!("{QECHO} client {{host}}:{{port}} --pin sha256:{:064}", 0);
    let done = env.qecho(format!("conform --client -- {distrusts}")).run();
    done.exits(1)
        .complains("qecho: no requirement was reached: the handshake was closed with")
        .complains("to trust the CA in ");
    let done = own_client(&env, "--alpn h3 --format json").run();
    done.exits(1).complains("no application protocol");
    assert_eq!(done.last_event()["outcome"], "nothing_reached");
}

#[test]
fn clients_come_to_the_address_and_with_the_protocol_that_were_named() {
    let env = TestEnv::new();
    let done = own_client(&env, "--listen 127.0.0.2:0 --only C12").ok();
    done.complains("for each connection to 127.0.0.2:");
    let client = format!("{QECHO} client {{host}}:{{port}} --ca {{ca}} --alpn");
    let named = format!("--alpn h3 --only C12 -- {client} {{alpn}}");
    env.qecho(format!("conform --client {named}")).ok();
    let none = format!("conform --client --alpn none --only C12 -- {client}");
    env.qecho(format!("{none} none")).ok();
    let hint = "to offer no protocol, as --alpn none agrees to none";
    let offered = env.qecho(format!("{none} h3")).run();
    offered.fails(1, "client offers no application protocol", Some(hint));
}

#[test]
fn words_that_contradict_each_other_are_refused() {
    let (env, server) = TestEnv::with_server("");
    for (arguments, reason) in [
        (
            "--client --only F12 -- true",
            "F12 is not demanded of a client",
        ),
        (
            "--client --only C999 -- true",
            "`C999` names no requirement of a client",
        ),
        ("--client localhost", "cannot be used with"),
        ("--client --ca ca.pem", "cannot be used with"),
        ("--client --by-name -- true", "cannot be used with"),
        ("localhost --by-name", "cannot be used with"),
        (
            "--client -- true {alpn}",
            "{alpn} in the command stands for --alpn NAME, which is not given",
        ),
        (
            "--client --alpn none -- true --alpn={alpn}",
            "{alpn} in the command stands for --alpn NAME, which is not given",
        ),
        ("localhost --listen 0", "cannot be used with"),
        ("-- true", "--client"),
    ] {
        let done = env.qecho(format!("conform {arguments}")).run();
        done.exits(2).complains(reason);
        assert_eq!(done.stdout, "");
    }
    let port = server.port();
    for how in ["", "--by-name"] {
        let busy = env.qecho(format!("conform --client {how} --listen localhost:{port}"));
        let reason = format!("cannot listen on 127.0.0.1:{port}");
        busy.run().fails(
            2,
            &reason,
            Some("choose another by --listen localhost:PORT"),
        );
    }
}

#[test]
fn packets_and_reports_are_those_of_servers() {
    let env = TestEnv::new();
    let arguments = "--show C12 --pcap-dir kept --output c.html --output c.xml";
    let done = own_client(&env, arguments).ok();
    done.prints("--- C12 9001 §8.2 MUST ---")
        .prints("← Initial 0")
        .prints("missing_extension")
        .prints("verdict      pass");
    let trace = env.qecho("trace kept/C12.pcapng").ok();
    trace.prints("CRYPTO_ERROR 0x16d");
    assert!(env::read(env.home().join("c.html")).contains("id=\"C12\""));
    assert!(env::read(env.home().join("c.xml")).contains("tests=\"1\""));
    let expect = "--only C12 --expect v.txt --update-expect";
    own_client(&env, expect).ok();
    assert!(env::read(env.home().join("v.txt")).contains("C12 pass"));
}

#[test]
fn an_interrupted_run_ends_its_client_and_leaves_what_it_has() {
    let env = TestEnv::new();
    let running = own_client(&env, "--format json").start();
    running.stdout.line(0);
    running.signal(Signal::INT);
    let done = running.done_within(Duration::from_secs(20));
    done.exits(130);
    let (rows, summary) = rows(done.events());
    assert!(!rows.is_empty(), "{summary:#}");
    assert_eq!(summary["partial"], true);
}

/// Starts a server for clients that come by themselves.
fn awaiting(env: &TestEnv, arguments: &str) -> Server {
    env.await_server(env.qecho(format!(
        "conform --client --listen localhost:0 --format json {arguments}"
    )))
}

/// Runs the program's client once, by a name of the server, until that closes.
fn visit(env: &TestEnv, server: &Server, name: &str) -> Process {
    env.qecho(format!("client {name}:{}", server.port()))
        .start()
}

#[test]
fn whoever_starts_the_client_is_told_what_comes_next_and_what_came_of_it() {
    let env = TestEnv::new();
    let server = awaiting(&env, "--only C02,C27");
    let stderr = &server.process.stderr;
    stderr.says("next: an ordinary handshake");
    for (next, verdict) in [
        ("next: C02 9000 §7.3 MUST: Server that leaves", None),
        (
            "next: C27 9000 §13.3 SHOULD: HANDSHAKE_DONE",
            Some("C02 pass: closed"),
        ),
    ] {
        let client = visit(&env, &server, "127.0.0.1");
        stderr.says(next);
        verdict.into_iter().for_each(|verdict| stderr.says(verdict));
        drop(client);
    }
    let client = visit(&env, &server, "127.0.0.1");
    let done = server.process.done();
    drop(client);
    done.exits(0).complains("C27 pass: ");
    let mut events = done.events();
    let serving = events.remove(0);
    assert_eq!(serving["event"], "serving");
    env::assert_contains(&serving["ca"], "rootCA.pem");
    let (rows, summary) = rows(events);
    assert_eq!(ids(&rows), ["C02", "C27"]);
    assert_eq!(summary["targets"][0]["target"], "the client");
}

#[test]
fn whoever_starts_the_client_is_told_of_a_second_visit() {
    let env = TestEnv::new();
    let server = awaiting(&env, "--only C135");
    let stderr = &server.process.stderr;
    let mut clients = Vec::new();
    for next in [
        "next: an ordinary handshake",
        "next: C135 9000 §7.2 SHOULD: Two connections",
        "next: another visit for the same requirement",
    ] {
        stderr.says(next);
        clients.push(visit(&env, &server, "127.0.0.1"));
    }
    let done = server.process.done();
    drop(clients);
    done.exits(0).complains("C135 pass: ");
}

#[test]
fn clients_choose_by_name_and_are_judged_beside_each_other() {
    let env = TestEnv::new();
    let server = awaiting(&env, "--by-name");
    let names = ["c02", "C12", "c14", "c27", "c34"];
    thread::scope(|scope| {
        for name in names {
            let (env, server) = (&env, &server);
            scope.spawn(move || {
                let client = visit(env, server, &format!("{name}.localhost"));
                client.done().exits(1);
            });
        }
    });
    let ordinary = env.client(&server, "-m hello");
    ordinary.ok().prints("hello");
    visit(&env, &server, "c999.localhost")
        .done()
        .exits(1)
        .complains("no requirement has this name");
    server.process.stdout.says("\"outcome\":\"refused\"");
    let events = server.ends().events();
    let (judged, others): (Vec<_>, Vec<_>) = events
        .into_iter()
        .partition(|event| event["event"] == "requirement");
    for name in names {
        // A client on a busy machine tries the second address of a name, too, and gives that up.
        let is_passed = |row: &&Value| {
            let target = row["target"].as_str().expect("a text");
            let is_asked = target.eq_ignore_ascii_case(&format!("{name}.localhost"));
            is_asked && row["id"] == name.to_uppercase() && row["verdict"] == "pass"
        };
        assert!(judged.iter().any(|row| is_passed(&row)), "{judged:#?}");
    }
    let broken = judged.iter().filter(|row| row["verdict"] == "fail");
    assert_eq!(broken.count(), 0, "{judged:#?}");
    let mut outcomes: Vec<_> = others.iter().map(|event| &event["outcome"]).collect();
    outcomes.dedup();
    assert_eq!(
        outcomes,
        [&Value::Null, &"ordinary".into(), &"refused".into()]
    );
}
