//! Bytes from stdin, their echo to stdout.

use std::{
    io::{Read, Write},
    thread,
};

use crate::{cmd::Cmd, env::TestEnv};

#[test]
fn bytes_come_back_exactly_and_nothing_else_is_written() {
    let (env, server) = TestEnv::with_server("");
    for way in ["stream", "uni"] {
        for input in [&b"a\nb\n"[..], b"no end of line", b"\0\xff\xfe\r\n", b""] {
            let done = env.client(&server, format!("--over {way}")).run_with(input);
            done.exits(0);
            assert_eq!(done.bytes, input);
            assert_eq!(done.stderr.lines().count(), 1, "{done:#?}");
        }
    }
}

#[test]
fn twenty_megabytes_come_back_to_a_reader_that_begins_late() {
    let (env, server) = TestEnv::with_server("");
    for way in ["stream", "uni"] {
        let input = random(20_000_000);
        let came = echoed_late(env.client(&server, format!("--over {way}")), &input);
        assert!(came == input, "{} bytes came back", came.len());
    }
}

/// Reads nothing until a good part of the input was taken, so that every queue is full.
fn echoed_late(launch: Cmd, input: &[u8]) -> Vec<u8> {
    let (mut running, mut stdout) = launch.start_unread();
    let (early, late) = input.split_at(1_000_000);
    running.types(early);
    let mut stdin = running.stdin.take().expect("it was piped");
    let late = late.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&late).expect("all is taken"));
    let mut came = Vec::new();
    stdout.read_to_end(&mut came).expect("stdout can be read");
    writer.join().expect("writing does not panic");
    running.done().exits(0);
    came
}

#[test]
fn what_is_typed_slowly_comes_back_at_once() {
    let (env, server) = TestEnv::with_server("");
    let mut client = env.client(&server, "").start();
    for piece in ["first", "second", "third"] {
        client.types(piece.as_bytes());
        client.stdout.says(piece);
    }
    let done = client.done();
    done.exits(0);
    assert_eq!(done.stdout, "firstsecondthird");
}

#[test]
fn verify_compares_and_tells_how_much() {
    let (env, server) = TestEnv::with_server("");
    let input = random(3_000_000);
    for way in ["stream", "uni"] {
        let client = env.client(&server, format!("--verify --over {way}"));
        let text = client.run_with(&input);
        text.exits(0);
        assert_eq!(text.stdout, "ok: 3,000,000 bytes came back identical\n");
        let command = format!("--verify --format json --over {way}");
        let json = env.client(&server, &command).run_with(&input);
        let last = json.exits(0).last_event();
        assert_eq!(last["event"], "done");
        assert_eq!(last["bytes_sent"], 3_000_000);
        assert_eq!(last["bytes_received"], 3_000_000);
    }
}

#[test]
fn a_stream_that_ends_before_all_is_echoed_is_no_success() {
    let (env, server) = TestEnv::with_server("--end after-message");
    let input = random(1_000_000);
    for mode in ["", "--verify"] {
        let done = env.client(&server, mode).run_with(&input);
        done.fails(1, "peer ", None);
    }
}

#[test]
fn each_line_is_a_message_where_messages_have_borders() {
    let (env, server) = TestEnv::with_server("");
    for way in ["datagram", "stream-per-message"] {
        let client = env.client(&server, format!("--over {way} --format json"));
        let done = client.run_with("a\n日本語\r\nlast".as_bytes());
        let all = done.exits(0).events();
        let texts = all.iter().filter_map(|event| event["text"].as_str());
        assert_eq!(texts.collect::<Vec<_>>(), ["a", "日本語", "last"]);
        assert_eq!(done.last_event()["messages"], 3);
    }
    let counts = server.ends_well();
    assert_eq!(counts["datagrams_echoed"], 3);
    assert_eq!(counts["streams"], 3);
}

#[test]
fn a_line_need_not_be_text() {
    let (env, server) = TestEnv::with_server("");
    let client = env.client(&server, "--over datagram");
    let done = client.run_with(b"\xff\xfe\n");
    done.exits(0).prints("echo: 2 bytes, no text, in ");
    let client = env.client(&server, "--over datagram --format json");
    let done = client.run_with(b"\xff\xfe\n");
    assert_eq!(done.events()[1]["hex"], "fffe");
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let (env, server) = TestEnv::with_server("");
    let endless = vec![b'x'; 3 << 20];
    let client = env.client(&server, "--over stream-per-message");
    let reason = "line 1 of stdin is longer than 1048576 bytes";
    client.run_with(&endless).fails(2, reason, None);
}

#[test]
fn each_line_is_echoed_while_the_pipe_stays_open() {
    let (env, server) = TestEnv::with_server("");
    let mut client = env.client(&server, "--over stream-per-message").start();
    for word in ["one", "two"] {
        client.types(format!("{word}\n").as_bytes());
        client.stdout.says(&format!("echo: \"{word}\""));
    }
    client.done().exits(0);
}

#[test]
fn a_reader_that_leaves_ends_the_client_quietly() {
    let (env, server) = TestEnv::with_server("");
    let (mut client, mut stdout) = env.client(&server, "").start_unread();
    client.types(&random(100_000));
    let mut some = [0; 10];
    stdout.read_exact(&mut some).expect("some bytes come back");
    drop(stdout);
    let mut stdin = client.stdin.take().expect("it was piped");
    // It writes until the client has gone.
    let writer = thread::spawn(move || while stdin.write_all(&random(10_000)).is_ok() {});
    let done = client.done();
    done.exits(0);
    assert!(!done.stderr.contains("qecho:"), "{done:#?}");
    writer.join().expect("writing does not panic");
}

/// Returns bytes without a pattern, the same every time (xorshift64).
pub(crate) fn random(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
