//! `--trace` and `--qlog`: packets shown while they pass.

use std::{fs, io::Read, time::Duration};

use crate::{
    captured::mode,
    cmd::{Cmd, Output},
    env::{Server, TestEnv},
    terminal::Terminal,
};

const VERDICT: &str = "ok: 3 of 3 echoes identical (stream, uni, datagram)";

/// Bytes of which nothing fits into a pipe or the trace's own queue.
const BULK: usize = 20_000_000;

#[track_caller]
fn ok(launch: Cmd) -> Output {
    let done = launch.run();
    done.exits(0).prints(VERDICT);
    done
}

/// Beginnings of the steps of the demo that must be told, in chains of which each
/// step follows from the one before.
const STEPS: [&[&str]; 4] = [
    &[
        "The client begins:",
        "The server answers with its ServerHello:",
        "Nobody who listens can open Handshake packets.",
        "Certificate says who the server is,",
        "Finished ends the server's part",
        "The client has checked all that",
        "HANDSHAKE_DONE tells the client",
        "CONNECTION_CLOSE ends the connection",
    ],
    &[
        "The client sends on a bidirectional stream,",
        "The echo: the server sends",
        "FIN marks the end",
        "CONNECTION_CLOSE ends the connection",
    ],
    &[
        "This stream is unidirectional:",
        "So its echo comes on a unidirectional stream",
        "CONNECTION_CLOSE ends the connection",
    ],
    &[
        "A DATAGRAM frame belongs to no stream,",
        "Its echo is a DATAGRAM frame as well",
        "CONNECTION_CLOSE ends the connection",
    ],
];

#[test]
fn the_story_tells_each_step_once_and_in_order_with_its_section() {
    let done = ok(TestEnv::new().qecho("demo --trace"));
    assert_eq!(done.stderr, "");
    for chain in STEPS {
        let mut told = 0;
        for step in chain {
            assert_eq!(done.stdout.matches(step).count(), 1, "{step}: {done:#?}");
            let at = done.stdout.find(step).expect("it was told");
            assert!(at > told, "{step} comes too early: {done:#?}");
            told = at;
        }
    }
    // Explanations stand between packets, two columns from the left.
    let indented = |line: &str| line.starts_with("  ") && !line.starts_with("   ");
    let is_packet = |line: &str| line.contains(['→', '←', '•']);
    let told = done.stdout.lines().map(|line| match line {
        line if indented(line) && !is_packet(line) => line.trim(),
        _ => "\n",
    });
    let told = told.collect::<Vec<_>>().join(" ");
    let explanations = told.split('\n').map(str::trim);
    for explanation in explanations.filter(|text| !text.is_empty()) {
        let named = explanation.contains("(RFC ") || explanation.contains("(draft-");
        assert!(named, "{explanation}");
    }
}

#[test]
fn each_detail_shows_what_it_promises() {
    let env = TestEnv::new();
    let traced = |detail| ok(env.qecho(format!("demo --trace={detail}"))).stderr;
    let [handshake, packets, frames] = ["handshake", "packets", "frames"].map(traced);
    for trace in [&handshake, &packets, &frames] {
        for words in [
            "ClientHello",
            "EncryptedExtensions",
            "Certificate",
            "Finished",
            "HANDSHAKE_DONE",
            "CONNECTION_CLOSE application code 0",
            "the client's transport parameters:",
            "the server's transport parameters:",
            "active_connection_id_limit",
            "(grease)",
        ] {
            assert!(trace.contains(words), "no {words} in {trace}");
        }
        assert!(!trace.contains('\x1b'), "{trace}");
    }
    // The first echo may come with the end of the handshake.
    let data = ["STREAM 2 [0..12)", "DATAGRAM 12 bytes"];
    for words in data {
        assert!(!handshake.contains(words), "{words} in {handshake}");
        assert!(packets.contains(words), "no {words} in {packets}");
    }
    for words in ["key phase 0", "number in 1 byte", "ECT(0)"] {
        assert!(!packets.contains(words), "{words} in {packets}");
        assert!(frames.contains(words), "no {words} in {frames}");
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let env = TestEnv::new();
    let shown = |launch| Terminal::start(launch).exits(0);
    for typed in ["demo --trace", "demo --trace=frames"] {
        let coloured = shown(env.qecho(typed).without("NO_COLOR"));
        assert!(coloured.contains("\x1b["), "{coloured:?}");
        let plain = shown(env.qecho(typed).env("NO_COLOR", "1"));
        assert!(!plain.contains('\x1b'), "{plain:?}");
        let piped = ok(env.qecho(typed).without("NO_COLOR"));
        assert!(!piped.stdout.contains('\x1b') && !piped.stderr.contains('\x1b'));
    }
}

/// Starts a server whose packets are traced; its stderr is for the test.
fn traced_server(env: &TestEnv) -> (Server, std::process::ChildStderr) {
    let launch = env.qecho("server --format json --listen localhost:0 --trace=frames");
    let (process, stderr) = launch.start_untold();
    let line = process.stdout.line(0);
    (Server::new(process, &line), stderr)
}

#[test]
fn a_trace_that_nobody_reads_holds_up_neither_echoes_nor_the_end() {
    let env = TestEnv::new();
    let (server, mut stderr) = traced_server(&env);
    let done = env.client(&server, "--verify").run_with(&vec![7; BULK]);
    done.exits(0).prints("came back identical");
    // It waits a while for its reader, and ends without one.
    server.process.terminate();
    let done = server.process.done_within(Duration::from_secs(20));
    done.exits(0);
    let mut told = String::new();
    stderr.read_to_string(&mut told).expect("it has ended");
    assert!(told.contains("ClientHello"), "{told}");
}

#[test]
fn a_reader_that_leaves_the_trace_is_no_error() {
    let env = TestEnv::new();
    let (server, stderr) = traced_server(&env);
    drop(stderr);
    for way in ["stream", "datagram"] {
        let typed = format!("--over {way} -m one -m two --trace=frames");
        let (client, stderr) = env.client(&server, &typed).start_untold();
        drop(stderr);
        client.done().exits(0).prints("echo: \"two\"");
    }
    server.ends_well();
}

#[test]
fn a_trace_shows_what_a_peer_says_without_obeying_it() {
    let (env, server) = TestEnv::with_server("--alpn any");
    let client = env.client(&server, "--trace=frames --alpn e\x1b[31m\u{202e} -m");
    let done = client.arg("a\x1b[2J\u{202e}b").run();
    done.exits(0).complains("ALPN e\\u{1b}[31m\\u{202e}");
    let obeyed = |text: &str| text.contains(['\x1b', '\u{202e}']);
    assert!(!obeyed(&done.stderr), "{done:#?}");
    server.ends_well();
}

#[test]
fn a_server_tells_its_connections_apart() {
    let env = TestEnv::new();
    let launch = env.qecho("server --format json --listen localhost:0 --trace");
    let server = env.await_server(launch);
    for _ in 0..3 {
        env.client(&server, "-m hi").ok();
    }
    let done = server.ends();
    for number in 1..=3 {
        let closed = |line: &&str| {
            line.starts_with(&format!("#{number} ")) && line.contains("closed by the peer")
        };
        assert_eq!(done.stderr.lines().filter(closed).count(), 1, "{done:#?}");
    }
}

#[test]
fn qlog_files_have_the_form_that_was_asked_for() {
    let env = TestEnv::new();
    let capture = env.path("capture");
    let [live, read, plain] = ["live", "read", "plain"].map(|name| env.path(name));
    let demo = env.qecho("demo --qlog-form qvis --pcap").arg(&capture);
    ok(demo.arg("--qlog").arg(&live));
    let trace = |form: &str, folder| {
        let trace = env.qecho(format!("trace {form}")).arg(&capture);
        trace.arg("--qlog").arg(folder).ok();
    };
    trace("--qlog-form qvis", &read);
    trace("", &plain);
    for (folder, begins) in [
        (
            &live,
            "\u{1e}{\"qlog_format\":\"JSON-SEQ\",\"qlog_version\":\"0.3\",",
        ),
        (
            &read,
            "\u{1e}{\"qlog_format\":\"JSON-SEQ\",\"qlog_version\":\"0.3\",",
        ),
        (&plain, "\u{1e}{\"file_schema\":"),
    ] {
        let files = fs::read_dir(folder).expect("it was made");
        let paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        assert!(!paths.is_empty(), "{folder:?}");
        for path in paths {
            let text = fs::read_to_string(&path).expect("it is text");
            assert!(text.starts_with(begins), "{text}");
        }
    }
    let done = env.qecho("demo --qlog-form qvis").run();
    done.exits(2).complains("--qlog <DIR>");
}

#[test]
fn qlog_files_are_for_their_owner() {
    let env = TestEnv::new();
    let folder = env.path("new").join("qlog");
    let done = ok(env.qecho("demo --qlog").arg(&folder));
    let reveals = "writing qlog files to ";
    assert!(done.stderr.starts_with(reveals), "{done:#?}");
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = fs::read_dir(&folder).expect("it is there").collect();
    assert_eq!(files.len(), 1);
    let file = files[0].as_ref().expect("it can be read").path();
    assert_eq!(mode(&file), 0o600);
    assert!(fs::metadata(&file).expect("it is there").len() > 1_000);
}

#[test]
fn a_folder_that_is_none_is_refused_in_a_line() {
    let env = TestEnv::new();
    let file = env.file("file", "");
    let done = env.qecho("demo --qlog").arg(&file).run();
    done.fails(2, "is there, and is no folder", None);
    let inside = file.join("folder");
    let done = env.qecho("demo --qlog").arg(inside).run();
    done.fails(2, "cannot write qlog files to ", None);
}
