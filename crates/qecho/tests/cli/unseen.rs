//! What a peer says is shown so that nobody is misled: no character that a terminal obeys or does
//! not show, no list without end.

use std::thread;

use crate::{
    cmd::Cmd,
    env::{TestEnv, address, socket},
    terminal::Terminal,
};

const SAID: &str = "a\u{202e}b\u{200b}c\u{feff}\u{2028}\x1b[31m日本\n";
const SHOWN: &str = "a\\u{202e}b\\u{200b}c\\u{feff}\\u{2028}\\u{1b}[31m日本";

/// Versions in one datagram.
const VERSIONS: u32 = 15_000;

#[test]
fn a_terminal_is_shown_what_cannot_be_seen_and_a_pipe_has_the_bytes() {
    let (env, server) = TestEnv::with_server("");
    let input = env.file("input", SAID);
    let client = format!("{} client {}", env!("CARGO_BIN_EXE_qecho"), server.place());
    let shell = |sink: &str| {
        let script = format!("{client} < {} {sink}", input.display());
        let shell = Cmd::new(env.command("/bin/sh"));
        Terminal::start(shell.arg("-c").arg(script)).exits(0)
    };
    let shown = shell("");
    assert!(shown.contains(SHOWN), "{shown:?}");
    let output = env.path("output");
    shell(&format!("> {}", output.display()));
    assert_eq!(
        std::fs::read(output).expect("it was written"),
        SAID.as_bytes()
    );
}

#[test]
fn messages_in_text_and_json_have_nothing_that_cannot_be_seen() {
    let (env, server) = TestEnv::with_server("");
    let said = SAID.trim_end();
    let text = env.client(&server, "-m").arg(said).ok();
    text.prints(SHOWN);
    let json = env.client(&server, "--format json -m").arg(said).ok();
    for stdout in [&text.stdout, &json.stdout] {
        let unseen = ['\x1b', '\u{202e}', '\u{200b}', '\u{feff}', '\u{2028}'];
        assert!(!stdout.contains(unseen), "{stdout:?}");
    }
    let echo = json
        .events()
        .into_iter()
        .find(|event| event["event"] == "echo");
    assert_eq!(echo.expect("it came back")["text"], said);
}

/// Answers each datagram with a Version Negotiation packet of thousands of versions; returns its
/// port.
fn boastful_server() -> u16 {
    let socket = socket();
    let port = address(&socket).port();
    thread::spawn(move || {
        let mut request = [0; 65_536];
        while let Ok((length, client)) = socket.recv_from(&mut request) {
            let (destination, rest) = request[6..length].split_at(request[5].into());
            let source = &rest[1..=usize::from(rest[0])];
            let mut answer = vec![0x80, 0, 0, 0, 0];
            for id in [source, destination] {
                answer.push(id.len() as u8);
                answer.extend(id);
            }
            let versions = (0..VERSIONS).map(|version| 0x5000_0000 + version);
            answer.extend(versions.flat_map(u32::to_be_bytes));
            // One that is lost is asked for again.
            let _ = socket.send_to(&answer, client);
        }
    });
    port
}

#[test]
fn of_thousands_of_versions_a_few_are_shown_and_all_are_counted() {
    let env = TestEnv::new();
    let port = boastful_server();
    for (format, words) in [
        ("text", ", 0x5000000f, 14,984 others".to_owned()),
        ("json", format!("\"versions_offered\":{VERSIONS}")),
        ("csv", format!("0x5000000f,{VERSIONS},")),
    ] {
        let ping = format!("ping 127.0.0.1:{port} --over vn -n 1 --format {format}");
        let done = env.qecho(ping).ok();
        done.prints(&words);
        assert!(done.stdout.len() < 4_000, "{}", done.stdout.len());
    }
}
