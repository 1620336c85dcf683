//! The prompt, as a person at a terminal has it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::Duration,
};

use qecho_echo::server::{Echo, End};
use qecho_engine::config::{ShardConfig, Transport};
use qecho_io::{EventLoop, ReceiveErrors, Socket};
use qecho_testkit::identity::Identity;
use rustix::process::Signal;

use crate::{
    cmd::Cmd,
    env::{self, Server, TestEnv, VacantPort},
    terminal::{CTRL_C, CTRL_D, Terminal, UP},
};

/// Starts a client and waits until it asks for a message.
fn prompt(env: &TestEnv, server: &Server, arguments: &str) -> Terminal {
    let terminal = Terminal::start(env.client(server, arguments));
    asks(&terminal, 1);
    terminal
}

/// Sequences by which the line editor changes the terminal before each question, and takes back after it
/// (bracketed paste).
pub(crate) const QUESTION_BEGINS: &str = "\x1b[?2004h";
pub(crate) const QUESTION_ENDS: &str = "\x1b[?2004l";

/// Waits for a question, counted from 1.
#[track_caller]
pub(crate) fn asks(terminal: &Terminal, number: usize) {
    terminal.screen.says_times(QUESTION_BEGINS, number);
    terminal.screen.says("Message: ");
}

/// Returns what a person sees, without the escape sequences of the line editor.
fn plain(shown: &str) -> String {
    let mut plain = String::new();
    let mut characters = shown.chars();
    while let Some(character) = characters.next() {
        if character == '\x1b' {
            // CSI: parameters, then one letter.
            characters.next();
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

#[test]
fn the_prompt_comes_after_the_handshake_and_each_line_comes_back() {
    let (env, server) = TestEnv::with_server("");
    for way in ["stream", "stream-per-message", "uni", "datagram"] {
        let terminal = prompt(&env, &server, &format!("--over {way}"));
        terminal.enters("hello there");
        asks(&terminal, 2);
        terminal.screen.says("echo: \"hello there\", 11 bytes in ");
        terminal.enters("日本語");
        asks(&terminal, 3);
        terminal.screen.says("echo: \"日本語\", 9 bytes in ");
        terminal.types(CTRL_D);
        let shown = plain(&terminal.exits(0));
        let connecting = format!("Connecting to {} … connected", server.place());
        assert!(shown.starts_with(&connecting), "{shown}");
        let (question, trust) = (shown.find("Message: "), shown.find("verified by"));
        assert!(question > trust, "{shown}");
        assert!(shown.ends_with("done\r\n"), "{shown}");
    }
}

#[test]
fn an_empty_line_just_asks_again() {
    let (env, server) = TestEnv::with_server("");
    let terminal = prompt(&env, &server, "");
    terminal.enters("");
    asks(&terminal, 2);
    terminal.types(CTRL_D);
    let shown = terminal.exits(0);
    assert!(!shown.contains("echo:"), "{shown}");
    assert_eq!(server.ends_well()["bytes_echoed"], 0);
}

#[test]
fn the_line_before_is_one_key_away() {
    let (env, server) = TestEnv::with_server("");
    let terminal = prompt(&env, &server, "");
    terminal.enters("once more");
    terminal.screen.says_times("echo: \"once more\"", 1);
    asks(&terminal, 2);
    terminal.types(UP);
    terminal.enters("!");
    asks(&terminal, 3);
    terminal.screen.says("echo: \"once more!\"");
    terminal.types(CTRL_D);
    terminal.exits(0);
}

#[test]
fn a_message_that_would_steer_the_terminal_is_shown_escaped() {
    let (env, server) = TestEnv::with_server("");
    let terminal = prompt(&env, &server, "");
    // Ctrl-V takes the next key as it is.
    terminal.enters("a\x16\x1b[2Jb");
    asks(&terminal, 2);
    terminal.screen.says("echo: \"a\\u{1b}[2Jb\", 6 bytes");
    terminal.types(CTRL_D);
    terminal.exits(0);
}

#[test]
fn ctrl_c_at_the_prompt_and_signals_from_elsewhere_interrupt() {
    let (env, server) = TestEnv::with_server("");
    let terminal = prompt(&env, &server, "");
    terminal.types(b"half a li");
    terminal.types(CTRL_C);
    terminal.exits_within(Duration::from_secs(5), 130);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let terminal = prompt(&env, &server, "");
        terminal.signal(signal);
        terminal.exits_within(Duration::from_secs(5), code);
    }
    assert_eq!(server.ends_well()["connections"], 3);
}

#[test]
fn ctrl_c_interrupts_the_wait_for_an_echo_too() {
    let (env, server) = TestEnv::with_server("");
    let terminal = prompt(&env, &server, "");
    server.process.halt();
    terminal.enters("hello?");
    terminal.screen.says(QUESTION_ENDS);
    terminal.types(CTRL_C);
    terminal.exits_within(Duration::from_secs(5), 130);
}

#[test]
fn ctrl_c_before_anybody_answers_interrupts_too() {
    let env = TestEnv::new();
    let silent = env::socket();
    let address = env::address(&silent);
    let terminal = Terminal::start(env.qecho(format!("client {address} --timeout 1m")));
    terminal.screen.says("Connecting to");
    let first = silent.recv(&mut [0; 2_000]);
    first.expect("the first packet comes");
    terminal.types(CTRL_C);
    terminal.exits_within(Duration::from_secs(5), 130);
}

#[test]
fn a_server_that_ends_while_the_person_thinks_ends_the_prompt() {
    let (env, server) = TestEnv::with_server("--drain 100ms");
    let terminal = prompt(&env, &server, "");
    terminal.enters("hello");
    terminal.screen.says("echo: \"hello\"");
    asks(&terminal, 2);
    terminal.types(b"half a li");
    server.ends_well();
    let shown = terminal.exits_within(Duration::from_secs(5), 1);
    let questions = |what| shown.matches(what).count();
    assert_eq!(questions(QUESTION_BEGINS), questions(QUESTION_ENDS));
    let shown = plain(&shown);
    let last = shown.lines().last().expect("it says something");
    assert!(
        last.starts_with("qecho: connection lost: ") && last.ends_with("server shutting down"),
        "{shown:?}"
    );
}

#[test]
fn a_prompt_without_server_says_so_and_asks_nothing() {
    let env = TestEnv::new();
    let vacant = VacantPort::keep();
    let client = format!("client 127.0.0.1:{}", vacant.number());
    let terminal = Terminal::start(env.qecho(&client));
    let shown = terminal.exits(1);
    assert!(shown.contains("nobody listens there"), "{shown}");
    assert!(!shown.contains("Message: "), "{shown}");
}

#[test]
fn lines_that_were_typed_ahead_are_not_lost() {
    let (env, server) = TestEnv::with_server("");
    let terminal = prompt(&env, &server, "");
    server.process.halt();
    terminal.enters("one");
    terminal.types(b"two\rthree\rfour\r");
    server.process.signal(Signal::CONT);
    for line in ["one", "two", "three", "four"] {
        terminal.screen.says(&format!("echo: \"{line}\""));
    }
    asks(&terminal, 5);
    terminal.types(CTRL_D);
    terminal.exits(0);
}

#[test]
fn packets_are_shown_above_what_a_person_types() {
    let (env, server) = TestEnv::with_server("--drain 100ms");
    let terminal = prompt(&env, &server, "--trace");
    // One that follows an echo comes while the next line is typed.
    terminal.enters("hello");
    asks(&terminal, 2);
    terminal.types(b"half a li");
    server.ends_well();
    let shown = plain(&terminal.exits_within(Duration::from_secs(5), 1));
    let place = shown.split(' ').nth(2).expect("a place");
    let connecting = format!("Connecting to {place} …\r\n");
    assert!(shown.starts_with(&connecting), "{shown:?}");
    let lines = shown.split(['\r', '\n']);
    let packets: Vec<_> = lines.filter(|line| line.contains(['→', '←'])).collect();
    for words in ["Message: ", "half"] {
        let beside_them = packets.iter().any(|line| line.contains(words));
        assert!(!beside_them, "{packets:#?}");
    }
    assert!(packets.len() > 10, "{shown:?}");
    assert!(shown.contains("\"server shutting down\""), "{shown:?}");
}

#[test]
fn packets_that_go_to_a_file_are_not_on_the_terminal() {
    let (env, server) = TestEnv::with_server("");
    let (program, place) = (env!("CARGO_BIN_EXE_qecho"), server.place());
    let trace = env.path("trace");
    let mut command = env.command("sh");
    let shown = trace.display();
    let typed = format!("exec {program} client {place} --trace 2>{shown}");
    command.arg("-c").arg(typed);
    let terminal = Terminal::start(Cmd::new(command));
    asks(&terminal, 1);
    terminal.enters("hello");
    asks(&terminal, 2);
    terminal.types(CTRL_D);
    let shown = terminal.exits(0);
    assert!(!shown.contains(['→', '←']), "{shown}");
    let trace = env::read(&trace);
    for words in ["ClientHello", "STREAM 0 [0..5)", "CONNECTION_CLOSE"] {
        assert!(trace.contains(words), "no {words} in {trace}");
    }
    assert!(!trace.contains('\x1b'), "{trace}");
}

#[test]
fn the_prompt_comes_after_a_second_connection_that_offers_no_alpn() {
    let env = TestEnv::new();
    let place = without_echo();
    let terminal = Terminal::start(env.qecho(format!("client {place} --insecure")));
    asks(&terminal, 1);
    terminal.types(CTRL_D);
    let shown = plain(&terminal.exits(0));
    let (_, shown) = shown.split_once("\r\n").expect("--insecure is warned of");
    let connecting = format!(
        "Connecting to {place} … the server refuses ALPN echo; once more without ALPN … \
         connected to "
    );
    assert!(shown.starts_with(&connecting), "{shown:?}");
    let (question, trust) = (shown.find("Message: "), shown.find("verified by"));
    assert!(trust.is_some() && question > trust, "{shown:?}");
}

/// Starts an echo server in this process that takes another protocol, or none.
fn without_echo() -> SocketAddr {
    let tls = Identity::generate().server(&[b"other"]);
    let config = ShardConfig::server(Transport::default(), tls);
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = Socket::bind(any, ReceiveErrors::No).expect("loopback has ports");
    let address = socket.address();
    let echo = Echo::new(End::default(), None);
    let server = EventLoop::new("the server", &config, vec![socket], echo);
    let server = server.expect("these settings work");
    // It ends with the process.
    thread::spawn(|| server.run().map(drop));
    address
}

#[test]
fn what_is_typed_ahead_leaves_no_trace_before_it_is_asked_for() {
    let (env, server) = TestEnv::with_server("");
    server.process.halt();
    let terminal = Terminal::start(env.client(&server, "--timeout 1m"));
    terminal.screen.says("Connecting to ");
    terminal.enters("typed ahead");
    terminal.types(b"half a li");
    server.process.signal(Signal::CONT);
    terminal.screen.says("echo: \"typed ahead\"");
    asks(&terminal, 2);
    terminal.enters("ne");
    terminal.screen.says("echo: \"half a line\"");
    asks(&terminal, 3);
    terminal.types(CTRL_D);
    let shown = plain(&terminal.exits(0));
    let (before, _) = shown.split_once("Message: ").expect("it asks");
    let connecting = format!("Connecting to {} … connected to ", server.place());
    assert!(before.starts_with(&connecting), "{shown:?}");
    let last = before.trim_end().lines().nth(1);
    assert_eq!(last, Some("Enter sends a line, Ctrl-D ends"), "{shown:?}");
    assert_eq!(before.trim_end().lines().count(), 2, "{shown:?}");
}

#[test]
fn a_line_with_an_escape_can_be_recalled_and_edited() {
    let (env, server) = TestEnv::with_server("");
    let terminal = prompt(&env, &server, "");
    // Ctrl-V takes the next key as it is; each key is shown before the next comes.
    for keys in [&b"\x16\x1b"[..], b"a", b"b"] {
        terminal.types(keys);
    }
    terminal.enters("");
    terminal.screen.says("echo: \"\\u{1b}ab\", 3 bytes");
    asks(&terminal, 2);
    terminal.types(UP);
    terminal.types(b"c");
    terminal.enters("d");
    terminal.screen.says("echo: \"\\u{1b}abcd\", 5 bytes");
    asks(&terminal, 3);
    terminal.types(CTRL_D);
    terminal.exits(0);
}

#[test]
fn a_byte_that_is_no_text_is_left_out_and_the_line_goes_on() {
    let (env, server) = TestEnv::with_server("");
    let terminal = prompt(&env, &server, "");
    terminal.types(b"caf\xff");
    terminal
        .screen
        .says("what was typed is not UTF-8, and is left out");
    asks(&terminal, 2);
    terminal.enters("\u{e9}!");
    terminal.screen.says("echo: \"caf\u{e9}!\", 6 bytes");
    asks(&terminal, 3);
    terminal.types(CTRL_D);
    terminal.exits(0);
}

#[test]
fn a_terminal_without_a_line_editor_shows_what_is_typed() {
    for term in [Some("dumb"), Some(""), None] {
        unedited(term);
    }
}

fn unedited(term: Option<&str>) {
    let (env, server) = TestEnv::with_server("");
    let client = env.client(&server, "").without("NO_COLOR");
    let terminal = Terminal::start(match term {
        Some(term) => client.env("TERM", term),
        None => client.without("TERM"),
    });
    terminal.screen.says("Message: ");
    terminal.types(b"seen while typed");
    terminal.screen.says("Message: seen while typed");
    terminal.enters("");
    terminal.screen.says("echo: \"seen while typed\"");
    terminal.types(b"caf\xff\r");
    terminal
        .screen
        .says("what was typed is not UTF-8, and is left out");
    terminal.types(b"half a li");
    server.ends_well();
    let shown = terminal.exits(1);
    assert!(!shown.contains('\x1b'), "{shown:?}");
    assert!(shown.contains("server shutting down"), "{shown:?}");
}
