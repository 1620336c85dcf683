//! Files and pipes that take nothing: neither packets nor the end of a process wait for them.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::Command,
};

use rustix::process::Signal;

use crate::env::{Server, TestEnv};

/// Handshakes whose secrets are more than a pipe holds.
const HANDSHAKES: usize = 150;

fn named_pipe(env: &TestEnv) -> PathBuf {
    let path = env.path("key.log");
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo starts").success());
    path
}

/// Opens a named pipe, of which nothing is read.
fn open_unread(path: &PathBuf) -> File {
    let options = OpenOptions::new().read(true).write(true).open(path);
    options.expect("it is there")
}

fn handshakes(env: &TestEnv, place: &str) -> crate::cmd::Cmd {
    env.qecho(format!(
        "bench {place} --over handshake -n {HANDSHAKES} --timeout 20s --format json"
    ))
}

#[test]
fn a_key_log_that_nobody_reads_holds_up_neither_clients_nor_the_end_of_their_server() {
    let env = TestEnv::new();
    let path = named_pipe(&env);
    let _unread = open_unread(&path);
    let server = env.server(&format!("--keylog {}", path.display()));
    let done = handshakes(&env, &server.place()).ok();
    assert_eq!(done.last_event()["messages"], HANDSHAKES, "{done:#?}");
    env.client(&server, "-m a").ok();
    let done = server.ends();
    done.complains("warning: TLS secrets that are not in ");
}

#[test]
fn a_server_starts_and_ends_although_its_key_log_is_never_read() {
    let env = TestEnv::new();
    let path = named_pipe(&env);
    let server = env.server(&format!("--keylog {}", path.display()));
    env.client(&server, "-m a").ok();
    let done = server.ends();
    done.complains("nobody reads the named pipe ");
    done.complains(": 5 of 5; it was read or written too slowly");
}

#[test]
fn a_reader_that_comes_late_gets_every_secret() {
    let env = TestEnv::new();
    let path = named_pipe(&env);
    let server = env.server("");
    let server_place = server.place();
    let mut client = env
        .qecho(format!("client {server_place}"))
        .env("SSLKEYLOGFILE", &path)
        .start();
    client.echoes("before\n");
    let mut lines = BufReader::new(File::open(&path).expect("the client opens it")).lines();
    let first = lines.next().expect("there are secrets").expect("a line");
    assert!(first.starts_with("CLIENT_HANDSHAKE_TRAFFIC_SECRET "));
    let done = client.done();
    done.exits(0);
    assert!(!done.stderr.contains("warning"), "{done:#?}");
    assert_eq!(lines.count(), 4);
}

#[test]
fn a_capture_into_a_named_pipe_waits_for_its_reader_and_says_so() {
    let env = TestEnv::new();
    let path = named_pipe(&env);
    let server = env.qecho(format!(
        "server --format json --listen localhost:0 --pcap {}",
        path.display()
    ));
    let server = server.start();
    server
        .stderr
        .says("waiting until somebody reads the named pipe ");
    let mut reader = File::open(&path).expect("the server opens it");
    let line = server.stdout.line(0);
    let server = Server::new(server, &line);
    env.client(&server, "-m a").ok();
    server.ends();
    let mut capture = Vec::new();
    reader.read_to_end(&mut capture).expect("it is whole");
    // The section header and the secrets of pcapng.
    assert_eq!(capture[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    assert!(capture.windows(4).any(|bytes| bytes == b"KSLT"));
}

#[test]
fn a_capture_whose_reader_goes_is_told_once_and_the_server_goes_on() {
    let env = TestEnv::new();
    let path = named_pipe(&env);
    // It is read already when the server begins.
    let reader = open_unread(&path);
    let server = env.server(&format!("--pcap {}", path.display()));
    drop(reader);
    env.client(&server, "-m a").ok();
    let said = format!(
        "warning: nobody reads {} any more; packets are not captured",
        path.display()
    );
    server.process.stderr.says(&said);
    env.client(&server, "-m b").ok();
    let done = server.ends();
    assert_eq!(done.stderr.matches("warning").count(), 1, "{done:#?}");
}

#[test]
fn a_limit_of_a_capture_into_a_named_pipe_is_refused_before_anybody_reads() {
    let env = TestEnv::new();
    let path = named_pipe(&env);
    let typed = format!("demo --pcap {} --pcap-limit 1M", path.display());
    let done = env.qecho(typed).run();
    done.exits(2).complains("--pcap-limit is for regular files");
    assert!(!done.stderr.contains("waiting"), "{done:#?}");
}

#[test]
fn no_command_waits_for_the_reader_of_its_key_log() {
    let env = TestEnv::new();
    let path = named_pipe(&env);
    let _unread = open_unread(&path);
    let server = env.server("");
    let keylog = format!("--keylog {}", path.display());
    let said = "warning: TLS secrets that are not in ";
    let done = handshakes(&env, &server.place()).args(&keylog).ok();
    assert_eq!(done.last_event()["messages"], HANDSHAKES, "{done:#?}");
    done.complains(said);
    let place = server.place();
    let ping = env.qecho(format!("ping {place} --over handshake -n 2 -i 0.01"));
    ping.args(&keylog).ok().complains(said);
    env.client(&server, format!("-m a {keylog}"))
        .ok()
        .complains(said);
}

#[test]
fn a_ping_whose_output_nobody_reads_ends_when_it_is_asked_to() {
    let (env, server) = TestEnv::with_server("");
    let ping = env.qecho(format!("ping {} -i 0 --format json", server.place()));
    let (ping, stdout) = ping.start_unread();
    // It goes on without its reader.
    while !is_blocked(ping.id()) {
        std::thread::yield_now();
    }
    ping.signal(Signal::TERM);
    let done = ping.done();
    done.exits(143)
        .complains("ended without the rest of its output");
    drop(stdout);
}

/// Tells whether the first thread of a process waits for room in a pipe.
fn is_blocked(process: u32) -> bool {
    let path = format!("/proc/{process}/wchan");
    std::fs::read_to_string(path).is_ok_and(|waits| waits.contains("pipe"))
}
