//! Captures, as tshark reads them without a key log or a setting for secrets.

use std::{fs, io, os::unix::fs::PermissionsExt, thread};

use rustix::process::Signal;

use crate::{
    captured::{Capture, mode},
    cmd::Output,
    env::{Server, TestEnv},
    terminal::Terminal,
};

const FROM_US: &str = "frame.packet_flags_direction == 2";
const TO_US: &str = "frame.packet_flags_direction == 1";

pub(crate) fn listening(env: &TestEnv, place: &str, capture: &Capture<'_>, more: &str) -> Server {
    let typed = format!("server --format json --listen {place} {more}");
    env.await_server(capture.of(env.qecho(&typed)))
}

#[test]
fn a_capture_of_the_demo_opens_decrypted() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "demo.pcapng");
    let done = capture.of(env.qecho("demo")).run();
    done.exits(0).prints("ok: 3 of 3 echoes identical");
    let said = format!(
        "writing packets and TLS secrets to {}: whoever has them can read this traffic\n",
        capture.path.display()
    );
    assert_eq!(done.stderr, said);
    assert_eq!(mode(&capture.path), 0o600);
    assert!(capture.is_sound() >= 6);
    let streamed = capture.streamed("Hello, QUIC!");
    assert_eq!(streamed, 4, "two streams, to and fro");
    assert_eq!(capture.fields("quic.dg", "frame.number").len(), 2);
}

#[test]
fn without_its_secrets_a_capture_stays_closed() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "demo.pcapng");
    capture.of(env.qecho("demo")).ok();
    let mut content = fs::read(&capture.path).expect("it is there");
    let begins = |window: &[u8]| window[..4] == [10, 0, 0, 0] && window[8..] == *b"KSLT";
    let block = content.windows(12).position(begins);
    let block = block.expect("there is a Decryption Secrets Block");
    // A type for local use, which readers skip.
    content[block + 3] = 0x80;
    fs::write(&capture.path, content).expect("it is ours");
    assert!(!capture.faults().is_empty());
    assert_eq!(capture.streamed("Hello, QUIC!"), 0);
}

#[test]
fn both_ends_capture_the_same_datagrams() {
    for (place, host, more) in [
        ("localhost:0", "127.0.0.1", ""),
        ("localhost:0", "127.0.0.1", "--retry always"),
        ("[::1]:0", "[::1]", ""),
        ("*:0", "127.0.0.1", ""),
        ("*:0", "[::1]", "--retry always"),
    ] {
        let env = TestEnv::new();
        let ours = Capture::new(&env, "client.pcapng");
        let theirs = Capture::new(&env, "server.pcapng");
        let server = listening(&env, place, &theirs, more);
        let typed = format!("client {host}:{} -m to-be-seen", server.port());
        ours.of(env.qecho(&typed)).ok();
        server.ends_well();
        for capture in [&ours, &theirs] {
            capture.is_sound();
            assert_eq!(capture.streamed("to-be-seen"), 2, "{host}");
        }
        let sent = ours.datagrams(FROM_US);
        assert_eq!(sent, theirs.datagrams(TO_US), "to {host}");
        let (received, answers) = (ours.datagrams(TO_US), theirs.datagrams(FROM_US));
        assert!(answers.starts_with(&received), "from {host}");
        let address = host.trim_matches(['[', ']']);
        let local = format!("{address}\t{address}\t");
        assert!(
            sent.iter()
                .chain(&answers)
                .all(|line| line.contains(&local))
        );
        assert!(!sent.is_empty());
        let retries = theirs.fields("quic.long.packet_type == 3", "frame.number");
        assert_eq!(retries.is_empty(), more.is_empty(), "{retries:?}");
    }
}

#[test]
fn batches_of_a_bulk_echo_are_split_and_every_packet_opens() {
    let env = TestEnv::new();
    let ours = Capture::new(&env, "client.pcapng");
    let theirs = Capture::new(&env, "server.pcapng");
    let server = listening(&env, "localhost:0", &theirs, "");
    let bytes = vec![b'x'; 5_000_000];
    let typed = format!("client {} --verify", server.place());
    ours.of(env.qecho(&typed)).run_with(&bytes).exits(0);
    server.ends_well();
    for capture in [&ours, &theirs] {
        let most = 2 * bytes.len() / 1_200;
        assert!((most / 2..2 * most).contains(&capture.is_sound()));
        let told = capture.fields("frame.comment", "frame.comment");
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn a_capture_is_good_when_its_process_is_killed() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "server.pcapng");
    let server = listening(&env, "localhost:0", &capture, "");
    let mut client = env.client(&server, "").start();
    client.types(&vec![b'x'; 300_000]);
    capture.grows_to(100_000);
    server.process.signal(Signal::KILL);
    let done = server.process.done();
    assert_eq!(done.status.code(), None);
    assert!(capture.is_sound() > 50);
    assert_eq!(capture.streamed("xxxxxxxx"), 2);
}

#[test]
fn an_older_file_is_replaced_and_its_owners_alone() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "old.pcapng");
    fs::write(&capture.path, vec![b'x'; 1_000_000]).expect("the folder takes files");
    fs::set_permissions(&capture.path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    capture.of(env.qecho("demo")).ok();
    assert_eq!(mode(&capture.path), 0o600);
    assert!(fs::metadata(&capture.path).expect("it is there").len() < 1_000_000);
    capture.is_sound();
}

#[test]
fn a_capture_and_a_key_log_have_the_same_secrets() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "client.pcapng");
    let log = env.path("key.log");
    let server = env.server("");
    let client = env.client(&server, "-m a --keylog").arg(&log);
    capture.of(client).ok();
    capture.is_sound();
    let secrets = fs::read(&log).expect("it is there");
    let captured = fs::read(&capture.path).expect("it is there");
    let lines = secrets.split_inclusive(|byte| *byte == b'\n');
    for line in lines {
        assert!(captured.windows(line.len()).any(|window| window == line));
    }
}

#[test]
fn packets_go_to_stdout_and_results_to_stderr() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "stdout.pcapng");
    let done = env.qecho("demo --pcap -").run();
    done.exits(0)
        .complains("to stdout: whoever has them can read this traffic")
        .complains("ok: 3 of 3 echoes identical");
    fs::write(&capture.path, &done.bytes).expect("the folder takes files");
    assert!(capture.is_sound() >= 6);
    let server = env.server("");
    let done = env.client(&server, "-m a --format json --pcap -").run();
    done.exits(0).complains(r#""event":"done""#);
    fs::write(&capture.path, &done.bytes).expect("the folder takes files");
    assert_eq!(capture.streamed("a"), 2);
}

#[test]
fn a_reader_of_packets_that_leaves_does_not_end_the_server() {
    let env = TestEnv::new();
    let launch = env.qecho("server --listen localhost:0 --format json --pcap -");
    let (running, stdout) = launch.start_unread();
    let line = running.stderr.line_with("listening");
    drop(stdout);
    let server = Server::new(running, &line);
    for _ in 0..2 {
        env.client(&server, "-m a").ok().prints("a");
    }
    server.process.terminate();
    let done: Output = server.process.done();
    done.exits(0);
    assert!(!done.stderr.contains("warning"), "{done:#?}");
}

#[test]
fn a_reader_of_packets_that_stands_still_holds_up_nothing_but_its_packets() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "stdout.pcapng");
    let launch = env.qecho("server --listen localhost:0 --format json --pcap -");
    let (process, mut stdout) = launch.start_unread();
    let line = process.stderr.line_with("listening");
    let server = Server::new(process, &line);
    // More in both directions than may wait to be written.
    let bulk = vec![b'x'; 20 << 20];
    let client = env.client(&server, "--verify");
    client.run_with(&bulk).exits(0);
    let mut file = fs::File::create(&capture.path).expect("the folder takes files");
    let reader = thread::spawn(move || io::copy(&mut stdout, &mut file));
    capture.grows_to(31 << 20);
    let client = env.client(&server, "-m after-the-gap");
    client.ok();
    let done = server.ends();
    let copied = reader.join().expect("reading does not panic");
    copied.expect("the folder takes files");
    assert_eq!(capture.streamed("after-the-gap"), 2);
    // A short packet may still have had room where a long one had none.
    let gaps = capture.fields("frame.comment", "frame.comment");
    let left_out = gaps.iter().map(|gap| {
        let count = gap.strip_prefix("datagrams left out before this one: ");
        let count = count.and_then(|rest| rest.split(';').next());
        let count = count.and_then(|count| count.parse::<u64>().ok());
        count.unwrap_or_else(|| panic!("no count in {gap}"))
    });
    let left_out: u64 = left_out.sum();
    let said = format!("warning: datagrams left out of stdout: {left_out} of ");
    done.complains(&said);
}

#[test]
fn packets_that_cannot_be_written_could_not_run() {
    let env = TestEnv::new();
    let missing = env.path("missing/a.pcapng");
    for (path, reason) in [
        (missing.as_path(), "No such file"),
        (&env.home(), "Is a directory"),
    ] {
        let reason = format!("cannot write packets to {}: {reason}", path.display());
        for typed in [
            "demo",
            "server --listen localhost:0",
            "client localhost:1 -m a",
        ] {
            let done = env.qecho(typed).arg("--pcap").arg(path).run();
            done.fails(2, &reason, None);
            assert_eq!(done.stderr.lines().count(), 1, "{done:#?}");
            assert_eq!(done.stdout, "");
        }
    }
    env.qecho("client localhost:1 --pcap -")
        .run_with(b"a")
        .fails(2, "both packets and the bytes of a pipe", Some("--verify"));
}

#[test]
fn a_terminal_is_spared_the_packets() {
    let env = TestEnv::new();
    let terminal = Terminal::start(env.qecho("demo --pcap -"));
    terminal.screen.says("cannot write packets to a terminal");
    terminal.screen.says("hint: add `| wireshark -k -i -`");
}
