//! The trace and tshark see the same: every packet that the engine processed
//! has the same number, type and frames in both.

use std::{
    net::SocketAddr,
    panic::{catch_unwind, resume_unwind},
    path::PathBuf,
    time::Duration,
};

use qecho_netsim::{
    link::Conditions,
    relay::{self, Relay},
};

use crate::{
    cmd::{Cmd, Output},
    env::{self, Server, TestEnv},
    rows::Rows,
    tshark::{self, Seen},
};

/// An end whose packets are captured and traced in every way.
struct End<'a> {
    env: &'a TestEnv,
    name: &'static str,
}

impl<'a> End<'a> {
    fn new(env: &'a TestEnv, name: &'static str) -> Self {
        Self { env, name }
    }

    fn path(&self, what: &str) -> PathBuf {
        self.env.path(&format!("{}-{what}", self.name))
    }

    fn watching(&self, launch: Cmd) -> Cmd {
        launch
            .arg("--trace=frames")
            .arg("--pcap")
            .arg(self.path("capture"))
            .arg("--qlog")
            .arg(self.path("qlog"))
    }

    /// Checks that tshark, the lines on stderr, the qlog files and the capture
    /// as we read it tell the same; returns what the lines say.
    #[track_caller]
    fn agrees(&self, stderr: &str) -> Rows {
        let datagrams = tshark::datagrams(self.env, &self.path("capture"));
        let count = datagrams.len();
        let theirs: Vec<Seen> = datagrams.into_iter().flatten().collect();
        let live = Rows::of_lines(stderr);
        agree(&theirs, count, &live, "the lines");
        let qlog = Rows::of_qlog(&self.path("qlog"));
        agree(&theirs, count, &qlog, "qlog");
        for (one, other) in [(&live, &qlog), (&qlog, &live)] {
            let lacks = |seen: &&Seen| !other.processed.contains(seen);
            let only: Vec<_> = one.processed.iter().filter(lacks).collect();
            assert!(only.is_empty(), "either the lines or qlog lack {only:?}");
        }
        assert_eq!(live.processed.len(), qlog.processed.len());
        assert_eq!(live.dropped.len(), qlog.dropped.len());
        let read = self
            .env
            .qecho("trace --detail frames")
            .arg(self.path("capture"))
            .ok();
        agree(&theirs, count, &Rows::of_lines(&read.stdout), "the file");
        live
    }
}

/// Compares what tshark has opened with what was processed.
#[track_caller]
fn agree(theirs: &[Seen], datagrams: usize, ours: &Rows, whose: &str) {
    assert_eq!(ours.datagrams, datagrams, "datagrams, by {whose}");
    let mut theirs: Vec<Seen> = theirs.iter().map(comparable).collect();
    for row in &ours.processed {
        let mut row = comparable(row);
        if row.packet_type == "Stateless Reset" {
            // To whoever does not know its token, it looks like any other.
            row.packet_type = "1-RTT";
        }
        let at = theirs.iter().position(|seen| *seen == row);
        // A packet that was changed may lead tshark astray: it takes the number
        // that it reads from it for true, and the next are closed to it. So are
        // packets that a network which disturbs their order brings after a key
        // update and that were sealed before it.
        let astray = |seen: &Seen| {
            (seen.came, seen.packet_type) == (row.came, row.packet_type) && seen.frames.is_empty()
        };
        let mut reasons = ours.dropped.iter().map(|(_, why)| why);
        let is_disturbed =
            reasons.any(|why| is_change(why) || (ours.key_updates > 0 && is_duplicate(why)));
        let at = at.or_else(|| theirs.iter().position(|seen| is_disturbed && astray(seen)));
        let Some(at) = at else {
            let like = theirs.iter().filter(|seen| seen.number == row.number);
            let like: Vec<_> = like.collect();
            panic!("{whose}: {row:?} is not among tshark's: {like:#?}");
        };
        theirs.swap_remove(at);
    }
    // What is left was not processed, for a reason that is told.
    for seen in theirs {
        let told = ours.dropped.iter().any(|(row, _)| {
            (row.came, row.packet_type) == (seen.came, seen.packet_type)
                && (row.number.is_none() || row.number == seen.number)
        });
        let open = seen.number.is_some() || !seen.frames.is_empty();
        assert!(
            told || !open,
            "{whose} lacks {seen:?}, which tshark has opened"
        );
    }
}

/// Tells whether a packet was dropped because it was changed on its way.
fn is_change(why: &str) -> bool {
    why.contains("its key does not fit") || why == "decryption_failure"
}

/// Tells whether a packet was dropped because it came twice.
fn is_duplicate(why: &str) -> bool {
    why.contains("it has come before") || why == "duplicate"
}

/// Leaves out what tshark cannot know: it stops at a frame of an extension.
fn comparable(seen: &Seen) -> Seen {
    let mut seen = seen.clone();
    let extension = |frame: &String| frame == tshark::IMMEDIATE_ACK;
    if let Some(at) = seen.frames.iter().position(extension) {
        seen.frames.truncate(at);
    }
    seen
}

/// A server that is watched, and what its clients are to be told.
struct Watched<'a> {
    end: End<'a>,
    server: Server,
}

impl<'a> Watched<'a> {
    fn start(env: &'a TestEnv, arguments: &str) -> Self {
        let end = End::new(env, "server");
        let typed = format!("server --format json {arguments}");
        let server = env.await_server(end.watching(env.qecho(&typed)));
        Self { end, server }
    }

    #[track_caller]
    fn ends(self) -> Rows {
        let done = self.server.ends();
        self.end.agrees(&done.stderr)
    }
}

/// Runs a watched client; both ends must agree with tshark.
#[track_caller]
fn both_agree(server_arguments: &str, client_arguments: &str, input: Option<&[u8]>) -> [Rows; 2] {
    let env = TestEnv::new();
    let server = Watched::start(&env, server_arguments);
    let client = End::new(&env, "client");
    let host = match server_arguments.contains("[::1]") {
        true => "[::1]",
        false => "127.0.0.1",
    };
    let port = server.server.port();
    let typed = format!("client {host}:{port} {client_arguments}");
    let launch = client.watching(env.qecho(&typed));
    let done: Output = match input {
        None => launch.run(),
        Some(input) => launch.run_with(input),
    };
    done.exits(0);
    [client.agrees(&done.stderr), server.ends()]
}

fn count(rows: &Rows, wanted: impl Fn(&Seen) -> bool) -> usize {
    rows.processed.iter().filter(|seen| wanted(seen)).count()
}

fn has(name: &'static str) -> impl Fn(&Seen) -> bool {
    move |seen| seen.frames.iter().any(|frame| frame.starts_with(name))
}

#[test]
fn every_way_of_echoing_is_seen_alike() {
    for (way, frame) in [
        ("stream", "STREAM"),
        ("stream-per-message", "STREAM"),
        ("uni", "STREAM"),
        ("datagram", "DATAGRAM"),
    ] {
        let typed = format!("--over {way} -m one -m two -m three");
        for rows in both_agree("--listen localhost:0", &typed, None) {
            assert!(count(&rows, has(frame)) >= 6, "{way}");
        }
    }
}

#[test]
fn a_bulk_echo_over_ipv6_is_seen_alike() {
    let bytes = vec![b'x'; 300_000];
    for rows in both_agree("--listen [::1]:0", "--verify", Some(&bytes)) {
        assert!(count(&rows, has("STREAM")) > 400);
    }
}

#[test]
fn large_packets_are_seen_alike() {
    let bytes = vec![b'x'; 8_000_000];
    let typed = "--verify --udp-payload-max route";
    for rows in both_agree("--listen localhost:0", typed, Some(&bytes)) {
        let is_large = |frame: &String| {
            let length = frame.rsplit_once('+').map(|(_, length)| length.parse());
            frame.starts_with("STREAM") && matches!(length, Some(Ok(9_000..65_535)))
        };
        let large = count(&rows, |seen| seen.frames.iter().any(is_large));
        assert!(large > 10, "{large}");
    }
}

#[test]
fn a_retry_is_seen_alike() {
    let [client, server] = both_agree("--listen localhost:0 --retry always", "-m a", None);
    for rows in [&client, &server] {
        assert_eq!(count(rows, |seen| seen.packet_type == "Retry"), 1);
    }
    let (first, why) = &server.dropped[0];
    assert_eq!(first.packet_type, "Initial");
    assert!(why.contains("answered with Retry"), "{why}");
}

#[test]
fn a_key_update_is_seen_alike() {
    let typed = "--update-keys -m one -m two -m three";
    let env = TestEnv::new();
    let server = Watched::start(&env, "--listen localhost:0");
    let client = End::new(&env, "client");
    let launch = client.watching(env.client(&server.server, typed));
    let done = launch.run();
    done.exits(0).complains("key update 1");
    client.agrees(&done.stderr);
    server.ends();
}

#[test]
fn version_negotiation_is_seen_alike_by_a_server() {
    let env = TestEnv::new();
    let server = Watched::start(&env, "--listen 127.0.0.1:0");
    let socket = env::socket();
    let mut probe = vec![0; 1_200];
    // A version that is reserved for this (RFC 9000 §15), two connection IDs.
    probe[..7].copy_from_slice(&[0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1]);
    probe[14] = 8;
    let to = ("127.0.0.1", server.server.port());
    socket.send_to(&probe, to).expect("loopback takes it");
    let mut answer = [0; 100];
    socket.recv(&mut answer).expect("the server answers");
    let rows = server.ends();
    let negotiations = count(&rows, |seen| seen.packet_type == "Version Negotiation");
    assert_eq!(negotiations, 1);
    assert_eq!(rows.dropped.len(), 1);
    assert!(rows.dropped[0].1.contains("version"), "{rows:?}");
}

#[test]
fn version_negotiation_is_seen_alike_by_a_client() {
    let env = TestEnv::new();
    let socket = env::socket();
    let port = env::address(&socket).port();
    let client = End::new(&env, "client");
    let typed = format!("client 127.0.0.1:{port} -m a");
    let running = client.watching(env.qecho(&typed)).start();
    let mut first = [0; 2_000];
    let (_, from) = socket.recv_from(&mut first).expect("the client begins");
    // Byte 5 counts the destination connection ID, and what follows the source.
    let destination = 6..6 + usize::from(first[5]);
    let source = destination.end + 1..destination.end + 1 + usize::from(first[destination.end]);
    let mut answer = vec![0x80, 0, 0, 0, 0, source.len() as u8];
    answer.extend(&first[source]);
    answer.push(destination.len() as u8);
    answer.extend(&first[destination]);
    answer.extend([0x0a, 0x1a, 0x2a, 0x3a]);
    socket.send_to(&answer, from).expect("loopback takes it");
    let done = running.done();
    done.exits(1);
    let rows = client.agrees(&done.stderr);
    let negotiations = count(&rows, |seen| seen.packet_type == "Version Negotiation");
    assert_eq!(negotiations, 1);
}

/// A relay to a server in this process, which the test can disturb.
fn relay_to(server: &Server, conditions: Conditions) -> Relay {
    let to = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let mut config = relay::Config::new(to, 7);
    config.up = conditions.clone();
    config.down = conditions;
    Relay::start(&config).expect("a port is free")
}

/// Echoes through a bad network; returns what the client and the server say.
///
/// Where packets are missing, changed or late, tshark guesses by what the ciphertext
/// looks like, which is random: once in some thousand runs it is wrong in a way that
/// is not foreseen here. It is not twice in a row. Whatever else fails, fails at once.
fn through(conditions: &Conditions) -> [Rows; 2] {
    catch_unwind(|| once_through(conditions)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>();
        match words.is_some_and(|words| words.contains("tshark")) {
            true => once_through(conditions),
            false => resume_unwind(panic),
        }
    })
}

fn once_through(conditions: &Conditions) -> [Rows; 2] {
    let env = TestEnv::new();
    let server = Watched::start(&env, "--listen 127.0.0.1:0");
    let relay = relay_to(&server.server, conditions.clone());
    let client = End::new(&env, "client");
    let typed = format!("client {} --verify", relay.addresses()[0]);
    let launch = client.watching(env.qecho(&typed));
    let done = launch.run_with(&vec![b'x'; 300_000]);
    done.exits(0)
        .complains("lost: ")
        .complains("(again: ")
        .complains("RFC 9002 §6.1.1");
    let rows = [client.agrees(&done.stderr), server.ends()];
    relay.stop().expect("it ran");
    rows
}

#[test]
fn loss_reordering_and_duplicates_are_seen_alike() {
    let rows = through(&Conditions {
        delay: Duration::from_millis(3),
        jitter: Duration::from_millis(4),
        loss: 0.05,
        reorder: 0.05,
        duplicate: 0.05,
        ..Conditions::default()
    });
    for rows in rows {
        let mut reasons = rows.dropped.iter().map(|(_, why)| why);
        assert!(reasons.any(|why| why.contains("it has come before")));
    }
}

#[test]
fn what_was_changed_on_its_way_is_seen_alike() {
    let rows = through(&Conditions {
        delay: Duration::from_millis(3),
        loss: 0.02,
        corrupt: 0.05,
        ..Conditions::default()
    });
    for rows in rows {
        let mut reasons = rows.dropped.iter().map(|(_, why)| why);
        assert!(reasons.any(|why| why.contains("its key does not fit")));
    }
}

#[test]
fn a_client_that_gets_another_port_is_seen_alike() {
    let env = TestEnv::new();
    let server = Watched::start(&env, "--listen 127.0.0.1:0");
    let relay = relay_to(&server.server, Conditions::default());
    let client = End::new(&env, "client");
    let place = relay.addresses()[0];
    let typed = format!("client {place}");
    let mut running = client.watching(env.qecho(&typed)).start();
    running.echoes("before");
    relay.rebind();
    running.echoes("after");
    let done = running.done();
    done.exits(0);
    client.agrees(&done.stderr);
    relay.stop().expect("it ran");
    let done = server.server.ends();
    done.exits(0).complains("moved from 127.0.0.1:");
    let rows = server.end.agrees(&done.stderr);
    assert!(count(&rows, has("PATH_RESPONSE")) >= 1);
}
