//! Captures that go on in a new file when one is full, as tshark reads them.

use std::fs;

use rustix::process::Signal;

use crate::{
    captured::{Capture, mode},
    cmd::Process,
    env::{Server, TestEnv},
    pcap::listening,
    rows::Rows,
    tshark::{self, Seen},
};

const LIMIT: u64 = 256 << 10;
/// Attempts to find a moment in which a file is neither new nor full.
const TRIES_MAX: u32 = 100;
const LIMITED: &str = "--pcap-limit 256KiB";

const REPEATED: &str = r#"frame.comment contains "repeated""#;
const NEVER_SENT: &str = r#"frame.comment contains "never sent""#;

/// Checks both files of a capture, and that there were more.
#[track_caller]
fn both_are_sound<'a>(env: &'a TestEnv, name: &str) -> [Capture<'a>; 2] {
    let both = [name.to_owned(), format!("{name}.1")].map(|name| Capture::new(env, &name));
    for capture in &both {
        let length = fs::metadata(&capture.path).expect("it is there").len();
        assert!(length <= LIMIT, "{length}");
        assert_eq!(mode(&capture.path), 0o600);
        assert!(capture.is_sound() > 5);
    }
    let files = fs::read_dir(env.path("")).expect("it is a folder");
    let names = files.map(|file| file.expect("it is there").file_name());
    let of_capture = names.filter(|file| file.to_string_lossy().starts_with(name));
    assert_eq!(of_capture.count(), 2);
    both
}

/// Echoes so many messages over a connection that stays.
fn converse(client: &mut Process, messages: std::ops::Range<usize>) {
    for number in messages {
        client.types(format!("message-{number}-\n").as_bytes());
        client.stdout.line_with(&format!("message-{number}-"));
    }
}

fn bulk(env: &TestEnv, server: &Server) {
    let client = env.client(server, "--verify");
    client.run_with(&vec![b'x'; 1_000_000]).exits(0);
}

/// Writes a capture without the packets that pass a filter.
fn without<'a>(env: &'a TestEnv, capture: &Capture<'_>, filter: &str) -> Capture<'a> {
    let rest = Capture::new(env, "rest.pcapng");
    let mut command = tshark::reader(env, &capture.path);
    command.arg("-w").arg(&rest.path);
    command.args(["-Y", &format!("!({filter})")]);
    let output = command.output().expect("tshark is here");
    assert!(output.status.success(), "{output:?}");
    rest
}

#[test]
fn a_connection_that_spans_files_opens_in_each() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "server.pcapng");
    let server = listening(&env, "localhost:0", &capture, LIMITED);
    let client = env.client(&server, "--over stream-per-message");
    let mut client = client.start();
    // More than a packet number of one byte can count.
    converse(&mut client, 0..300);
    bulk(&env, &server);
    converse(&mut client, 300..310);
    bulk(&env, &server);
    converse(&mut client, 310..320);
    client.done().exits(0);
    server.ends_well();
    let [newest, _] = both_are_sound(&env, "server.pcapng");
    assert_eq!(newest.streamed("message-319-"), 2);
    assert!(newest.fields(REPEATED, "frame.number").len() > 4);
    // From both ends, and one more after each key update.
    let synthetic = newest.fields(NEVER_SENT, "frame.number");
    assert!((2..20).contains(&synthetic.len()), "{synthetic:?}");
    for needed in [REPEATED, NEVER_SENT] {
        let rest = without(&env, &newest, needed);
        assert!(!rest.faults().is_empty(), "without {needed}");
    }
}

/// Reads a file by `qecho trace`; returns what it shows.
fn traced(env: &TestEnv, capture: &Capture<'_>) -> String {
    let done = env.qecho("trace --detail frames").arg(&capture.path).ok();
    assert_eq!(done.stderr, "", "nothing stays closed");
    done.stdout.clone()
}

#[test]
fn both_files_together_show_each_packet_that_passed_and_show_it_once() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "server.pcapng");
    let more = format!("{LIMITED} --trace=frames");
    let server = listening(&env, "localhost:0", &capture, &more);
    let client = env.client(&server, "--update-keys --over stream-per-message");
    let mut client = client.start();
    converse(&mut client, 0..5);
    // In the midst of these the file is full.
    let other = env.client(&server, "--verify");
    other.run_with(&vec![b'x'; 160_000]).exits(0);
    converse(&mut client, 5..20);
    client.done().exits(0);
    let done = server.ends();
    let [newest, oldest] = both_are_sound(&env, "server.pcapng");
    assert!(!newest.fields(NEVER_SENT, "frame.number").is_empty());
    let live = Rows::of_lines(&done.stderr);
    let (first, second) = (traced(&env, &oldest), traced(&env, &newest));
    let [first_rows, second_rows] = [&first, &second].map(|text| Rows::of_lines(text));
    assert!(second_rows.processed.len() > 20);
    assert_eq!(first_rows.datagrams + second_rows.datagrams, live.datagrams);
    let mut shown = first_rows.processed;
    shown.extend(second_rows.processed);
    for packet in &live.processed {
        let at = shown.iter().position(|seen| seen == packet);
        let at = at.unwrap_or_else(|| panic!("neither file has {packet:?}"));
        shown.swap_remove(at);
    }
    // What came when the server had dropped its keys is open to whoever reads.
    for late in &shown {
        let is_it = |(row, _): &(Seen, String)| row.packet_type == late.packet_type;
        assert!(late.came && live.dropped.iter().any(is_it), "{late:?}");
    }
    let dropped = first_rows.dropped.len() + second_rows.dropped.len();
    assert_eq!(dropped + shown.len(), live.dropped.len());
    // What became of the first packets is not to be seen in the second file.
    let lines = |text: &str, words: &str| text.matches(words).count();
    if lines(&done.stderr, "lost: ") == 0 {
        assert_eq!(lines(&second, "lost: "), 0, "{second}");
    }
    let updates = lines(&done.stderr, "key update");
    assert!(updates > 0);
    let told = lines(&first, "key update") + lines(&second, "key update");
    assert_eq!(told, updates);
}

#[test]
fn a_bulk_echo_fills_files_at_the_client_too() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "client.pcapng");
    let server = env.server("");
    let client = env.client(&server, format!("--verify {LIMITED}"));
    let done = capture.of(client).run_with(&vec![b'x'; 3_000_000]);
    done.exits(0);
    assert!(!done.stderr.contains("warning"), "{done:#?}");
    both_are_sound(&env, "client.pcapng");
}

#[test]
fn what_fits_is_in_one_file() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "demo.pcapng");
    capture.of(env.qecho(format!("demo {LIMITED}"))).ok();
    capture.is_sound();
    assert_eq!(capture.streamed("Hello, QUIC!"), 4);
    assert!(!env.path("demo.pcapng.1").exists());
    assert!(capture.fields("frame.comment", "frame.number").is_empty());
}

#[test]
fn both_files_are_good_when_the_process_is_killed() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "server.pcapng");
    let server = listening(&env, "localhost:0", &capture, LIMITED);
    let mut client = env.client(&server, "").start();
    client.types(&vec![b'x'; 1_000_000]);
    let aside = Capture::new(&env, "server.pcapng.1");
    let mut typed = 1_000_000;
    for _ in 0..TRIES_MAX {
        let is_echoed = |bytes: &[u8]| bytes.len() + 50_000 > typed;
        client.stdout.until("echo", is_echoed);
        // Killed between two files it would leave one of them empty or missing.
        server.process.halt();
        if aside.length() > LIMIT - 10_000 && capture.length() > 50_000 {
            break;
        }
        server.process.signal(Signal::CONT);
        client.types(&[b'x'; 100_000]);
        typed += 100_000;
    }
    server.process.signal(Signal::KILL);
    server.process.done();
    both_are_sound(&env, "server.pcapng");
}

#[test]
fn a_link_stays_and_an_older_file_aside_is_replaced() {
    let env = TestEnv::new();
    let target = env.path("target.pcapng");
    fs::write(env.path("target.pcapng.1"), "older").expect("the folder takes files");
    let link = Capture::new(&env, "link");
    fs::write(&target, "older").expect("the folder takes files");
    std::os::unix::fs::symlink(&target, &link.path).expect("the folder takes links");
    let server = listening(&env, "localhost:0", &link, LIMITED);
    bulk(&env, &server);
    server.ends_well();
    both_are_sound(&env, "target.pcapng");
    assert_eq!(fs::read_link(&link.path).expect("a link"), target);
}

#[test]
fn a_file_that_cannot_be_put_aside_ends_the_capture_alone() {
    let env = TestEnv::new();
    let capture = Capture::new(&env, "server.pcapng");
    fs::create_dir(env.path("server.pcapng.1")).expect("the folder takes folders");
    let server = listening(&env, "localhost:0", &capture, LIMITED);
    bulk(&env, &server);
    let done = server.ends();
    let lines = done.stderr.lines();
    let warned = lines.filter(|line| line.starts_with("warning"));
    assert_eq!(warned.count(), 1, "{done:#?}");
    done.complains("server.pcapng ends too early: cannot go on in a new file: Is a directory");
    assert!(capture.is_sound() > 50);
}

#[test]
fn limits_that_mean_nothing_are_refused() {
    let env = TestEnv::new();
    for command in ["demo", "server", "client localhost:1 -m a"] {
        for (typed, reason) in [
            (
                "--pcap a --pcap-limit ten",
                "it is no size; write for instance 500k",
            ),
            ("--pcap a --pcap-limit 64k", "it must be at least 256KiB"),
            ("--pcap-limit 1M", "--pcap <FILE>"),
        ] {
            let done = env.qecho(format!("{command} {typed}")).run();
            done.exits(2).complains(reason);
        }
        let done = env.qecho(format!("{command} --pcap - {LIMITED}")).run();
        let reason = "what goes to stdout has no --pcap-limit";
        done.fails(2, reason, Some("--pcap FILE"));
        let typed = format!("{command} --pcap /dev/null {LIMITED}");
        let done = env.qecho(&typed).run();
        done.fails(2, "/dev/null: --pcap-limit is for regular files", None);
    }
    assert!(!env.home().join("a").exists());
}
