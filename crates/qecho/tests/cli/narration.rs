//! Notices of a server about what it receives.

use qecho_echo::server::{EVENTS_PER_SECOND_MAX, LINES_PER_SECOND_MAX};

use crate::{
    cmd::Process,
    env::{TestEnv, assert_contains, port},
    terminal::Terminal,
};

/// Returns the number of lines that a line says were left out.
fn left_out(line: &str) -> Option<usize> {
    let count = line.strip_prefix("… and ")?.split(' ').next()?;
    count.parse().ok()
}

/// Ends the server and returns the lines below its banner, without the peers' addresses.
fn told(server: Process) -> Vec<String> {
    server.terminate();
    let done = server.done();
    done.exits(0);
    let (_, below) = done.stdout.split_once("\n\n").expect("the banner ends");
    let line = |line: &str| {
        let (peer, rest) = line.split_once("  ").unwrap_or(("", line));
        assert!(
            peer.is_empty() || peer.parse::<std::net::SocketAddr>().is_ok(),
            "{line}"
        );
        rest.to_owned()
    };
    below.lines().map(line).collect()
}

#[test]
fn a_stream_is_told_from_its_opening_to_its_end() {
    let env = TestEnv::new();
    let (server, port) = env.text_server("--messages always");
    let client = env.qecho(format!("client 127.0.0.1:{port} -m"));
    client.arg("grüß dich\x1b[2J\n").ok();
    server.stdout.says("connection ended");
    assert_eq!(
        told(server),
        [
            "connected, ALPN echo",
            "stream 0 opened",
            "stream 0 received \"grüß dich\\u{1b}[2J\\n\", 16 bytes",
            "stream 0 closed",
            "connection ended: closed by the peer with application code 0",
            "stopped: 1 connection, 1 stream, 16 bytes and 0 datagrams echoed",
        ]
    );
}

#[test]
fn datagrams_and_one_way_streams_are_told_too() {
    let env = TestEnv::new();
    let (server, port) = env.text_server("--messages always");
    for way in ["datagram", "uni"] {
        let command = format!("client 127.0.0.1:{port} --alpn none --over {way} -m a");
        env.qecho(&command).ok();
    }
    server.stdout.says_times("connection ended", 2);
    let told = told(server);
    for line in [
        "connected, no ALPN",
        "datagram received \"a\", 1 byte",
        "stream 2 received \"a\", 1 byte",
    ] {
        assert!(told.iter().any(|told| told == line), "{told:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_counted_and_long_text_is_cut() {
    let env = TestEnv::new();
    let (server, port) = env.text_server("--messages always");
    let command = format!("client 127.0.0.1:{port}");
    env.qecho(&command).run_with(b"\xff\xfe\x00").exits(0);
    env.qecho(&command).run_with(&[b'x'; 1_000]).exits(0);
    server.stdout.says_times("connection ended", 2);
    let told = told(server);
    let line = "stream 0 received 3 bytes, no text".to_owned();
    assert!(told.contains(&line), "{told:?}");
    let long = told.iter().find(|line| line.contains("xxx"));
    let long = long.expect("it was told");
    assert!(
        long.ends_with("x…\", 1,000 bytes") && long.len() < 200,
        "{long}"
    );
}

#[test]
fn a_character_cut_between_two_packets_is_shown_whole() {
    let env = TestEnv::new();
    let text = "日本語";
    for cut in [1, 2, 4, 8] {
        let server = env.server("--messages always");
        let mut client = env.client(&server, "").start();
        let (head, tail) = text.as_bytes().split_at(cut);
        client.types(head);
        let is_whole = |bytes: &[u8]| bytes.len() == head.len();
        client.stdout.until("head", is_whole);
        client.types(tail);
        let done = client.done();
        done.exits(0);
        assert_eq!(done.stdout, text);
        server.event("closed");
        server.process.terminate();
        let told = server.process.done();
        let shown: String = told
            .events()
            .iter()
            .filter(|event| event["event"] == "received")
            .map(|event| event["text"].as_str().expect("it is text").to_owned())
            .collect();
        assert_eq!(shown, text, "cut after {cut} bytes");
        assert!(!told.stdout.contains('\u{fffd}'));
    }
}

#[test]
fn under_load_only_so_many_lines_a_second_are_told_and_the_rest_is_counted() {
    let env = TestEnv::new();
    let (server, port) = env.text_server("--messages always");
    let lines = "x\n".repeat(200);
    let command = format!("client 127.0.0.1:{port} --over stream-per-message");
    let (done, took) = crate::cmd::timed(|| env.qecho(&command).run_with(lines.as_bytes()));
    done.exits(0);
    server.stdout.says("more lines, not shown");
    let told = told(server);
    // Each second that was begun may have its lines of both kinds, and a count.
    let a_second = (LINES_PER_SECOND_MAX + EVENTS_PER_SECOND_MAX) as usize + 1;
    let seconds = took.as_secs() as usize + 3;
    assert!(
        told.len() <= seconds * a_second + 1,
        "{} lines in {took:?}",
        told.len()
    );
    let counts = told.iter().filter_map(|line| left_out(line));
    assert!(counts.sum::<usize>() > 100, "{told:?}");
}

#[test]
fn nobody_asks_for_messages_on_a_pipe_and_never_means_never() {
    let env = TestEnv::new();
    for messages in ["", "--messages auto", "--messages never"] {
        let (server, port) = env.text_server(messages);
        env.qecho(format!("client 127.0.0.1:{port} -m a")).ok();
        let told = told(server);
        assert_eq!(told.len(), 1, "{told:?}");
    }
    let quiet = Terminal::start(env.qecho("server --listen localhost:0 --messages never"));
    quiet.screen.says("\r\n\r\n");
    let port = port(quiet.screen.line_with("  listening").trim());
    env.qecho(format!("client 127.0.0.1:{port} -m a")).ok();
    quiet.signal(rustix::process::Signal::TERM);
    let shown = quiet.exits(0);
    assert!(!shown.contains("stream 0"), "{shown}");
}

#[test]
fn messages_are_told_as_json_too() {
    let (env, server) = TestEnv::with_server("--messages always");
    env.client(&server, "-m a").ok();
    env.client(&server, "-m b --over datagram").ok();
    let connected = server.event("connected");
    assert_contains(&connected["peer"], ":");
    assert_eq!(connected["alpn"], "echo");
    assert_eq!(server.event("stream_opened")["stream"], 0);
    let received = server.event("received");
    assert_eq!(received["stream"], 0);
    assert_eq!(received["text"], "a");
    assert_eq!(received["bytes"], 1);
    assert_eq!(server.event("stream_closed")["stream"], 0);
    assert!(server.event("closed")["reason"].is_string());
    server.process.stdout.says_times(r#""event":"closed""#, 2);
    let last = server.ends_well();
    assert_eq!(last["event"], "stopped");
    assert_eq!(last["datagrams_echoed"], 1);
}

#[test]
fn a_server_on_a_terminal_shows_messages_unasked() {
    let env = TestEnv::new();
    let server = Terminal::start(env.qecho("server --listen localhost:0"));
    server.screen.says("\r\n\r\n");
    let port = port(server.screen.line_with("  listening").trim());
    env.qecho(format!("client 127.0.0.1:{port} -m hello")).ok();
    server.screen.says("stream 0 received \"hello\", 5 bytes");
    server.types(crate::terminal::CTRL_C);
    let shown = server.exits(0);
    assert!(shown.contains("stopped: 1 connection, 1 stream"), "{shown}");
}
#[test]
fn what_was_left_out_is_counted_before_the_server_ends() {
    let env = TestEnv::new();
    let (server, port) = env.text_server("--messages always");
    let lines = "x\n".repeat(100);
    let command = format!("client 127.0.0.1:{port} --over stream-per-message");
    env.qecho(&command).run_with(lines.as_bytes()).exits(0);
    let told = told(server);
    let all = 2 + 3 * 100;
    let (last, lines) = told.split_last().expect("it said something");
    assert!(last.starts_with("stopped: "));
    let counts = lines.iter().map(|line| left_out(line).unwrap_or(1));
    assert_eq!(counts.sum::<usize>(), all, "{told:?}");
}

#[test]
fn clients_that_are_turned_away_are_told_of() {
    let (env, server) = TestEnv::with_server("--messages always --max-connections 1");
    env.client(&server, "-m a --alpn other").run().exits(1);
    let mut first = env.client(&server, "").start();
    first.echoes("here");
    env.client(&server, "-m a").run().exits(1);
    first.done().exits(0);
    let pin = "sha256:".to_owned() + &"0".repeat(64);
    let other = env.client(&server, format!("-m a --pin {pin}"));
    other.run().exits(1);
    let failed = server.event("handshake_failed");
    assert_contains(&failed["reason"], "no_application_protocol");
    let refused = server.event("refused");
    assert_contains(&refused["reason"], "too many");
    let counts = server.ends_well();
    assert_eq!(counts["handshakes_failed"], 2);
    assert_eq!(counts["refused"], 1);
}

#[test]
fn a_connection_can_be_followed_by_its_number_from_its_start_to_its_end() {
    let (env, server) = TestEnv::with_server("--messages always --shards 2");
    let mut patient = env.client(&server, "").start();
    patient.echoes("first\n");
    env.client(&server, "-m second").ok();
    env.client(&server, "-m third --alpn other").run().exits(1);
    server.event("handshake_failed");
    patient.done().exits(0);
    server.process.stdout.says_times(r#""event":"closed""#, 2);
    let all = server.ends().events();
    let of = |number: u64| -> Vec<&str> {
        let mine = all.iter().filter(|event| event["connection"] == number);
        mine.map(|event| event["event"].as_str().expect("a text"))
            .collect()
    };
    let whole = [
        "connected",
        "stream_opened",
        "received",
        "stream_closed",
        "closed",
    ];
    for (number, text) in [(1, "first"), (2, "second")] {
        assert_eq!(of(number), whole, "{all:#?}");
        let begins = |shown: &str| shown.starts_with(text);
        let is_its = |event: &&serde_json::Value| event["text"].as_str().is_some_and(begins);
        let received = all.iter().find(is_its).expect("it was received");
        assert_eq!(received["connection"], number);
    }
    // The third was refused at its first packet, and never was a connection.
    assert!(of(3).is_empty(), "{all:#?}");
}
