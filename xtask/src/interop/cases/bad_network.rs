//! The cases of the public QUIC interop suite that want a bad network, on `qecho relay`:
//! `qecho` and aioquic against each other, and `qecho` against itself.
//!
//! The suite fetches files of random bytes; here they are echoed, which loads both ways at once.
//! Its bursts are at most three datagrams long where ours would be exactly three: none are asked
//! for here, so that rarely more than three are lost in a row.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Case, ECHO_SERVER, TestEnv};
use crate::interop::env::Server;

/// Path of the suite's simulator.
const PATH: &str = "--delay 15ms --rate 10mbit --queue 25";
/// Time for a handshake or an echo.
const PATIENCE: &str = "--timeout 60s";
/// Attempts at a handshake. Where 30 % is lost, one connection of some 250 takes longer than that (10 of 3,000
/// in simulation, and three that gave up), and so one run of ten connections in 25.
/// Two attempts would fail together once in 600 runs; three do once in 15,000. A stack
/// that cannot do it fails them all.
const ATTEMPTS: u32 = 3;

/// Case of the suite.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    /// Options of the relay: its path, and what makes it bad.
    path: &'static str,
    bad: &'static str,
    load: Load,
    /// Tells whether the relay did enough for the scenario to mean anything.
    happened: fn(&Value) -> bool,
    /// Events that the qlog of `qecho server` must have: words of one, and how many of it at
    /// least.
    events: &'static [(&'static [&'static str], usize)],
}

/// Load of a scenario.
#[derive(Clone, Copy)]
enum Load {
    /// So many connections at the same time, with a message of 1 KiB on each.
    Connections(u32),
    /// So many bytes on one stream.
    Bytes(usize),
    /// So many streams of 32 bytes on one connection.
    Streams(u32),
}

/// Client and server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pair {
    QechoAioquic,
    AioquicQecho,
    QechoQecho,
}

const PAIRS: [(Pair, &str); 3] = [
    (Pair::QechoAioquic, "qecho client, aioquic server"),
    (Pair::AioquicQecho, "aioquic client, qecho server"),
    (Pair::QechoQecho, "qecho client, qecho server"),
];

const HANDSHAKE_LOSS: Scenario = Scenario {
    name: "handshakeloss, 10 connections complete while 30 % is lost",
    path: PATH,
    bad: "--loss 30%",
    load: Load::Connections(10),
    happened: |counts| both_ways(counts, "lost", 1),
    events: &[],
};

const REBIND_PORT: Scenario = Scenario {
    name: "rebind-port, 10 MiB come back while the client's port changes",
    path: PATH,
    bad: "--rebind-port every 2s",
    load: Load::Bytes(10 << 20),
    happened: |counts| counts["rebinds"].as_u64() > Some(2),
    events: &[
        (&["packet_sent", "path_challenge"], 1),
        (&["packet_received", "path_response"], 1),
    ],
};

const SUITE: [Scenario; 9] = [
    HANDSHAKE_LOSS,
    Scenario {
        name: "handshakecorruption, 10 connections complete while 30 % is changed",
        bad: "--corrupt 30%",
        happened: |counts| both_ways(counts, "corrupted", 1),
        ..HANDSHAKE_LOSS
    },
    Scenario {
        name: "transferloss, 2 MiB come back while 2 % is lost",
        bad: "--loss 2%",
        load: Load::Bytes(2 << 20),
        happened: |counts| both_ways(counts, "lost", 11),
        ..HANDSHAKE_LOSS
    },
    Scenario {
        name: "transfercorruption, 2 MiB come back while 2 % is changed",
        bad: "--corrupt 2%",
        load: Load::Bytes(2 << 20),
        happened: |counts| both_ways(counts, "corrupted", 11),
        ..HANDSHAKE_LOSS
    },
    Scenario {
        name: "blackhole, 10 MiB come back although nothing passes for 2 s",
        bad: "--blackhole 5s/2s",
        load: Load::Bytes(10 << 20),
        happened: |counts| both_ways(counts, "blackholed", 1),
        ..HANDSHAKE_LOSS
    },
    Scenario {
        name: "longrtt, a connection completes at 1.5 s",
        // As long as by a satellite.
        path: "--delay 750ms --rate 10mbit --queue 25",
        bad: "",
        load: Load::Bytes(1 << 10),
        happened: |_| true,
        // The ClientHello, again and again before the first answer can be there.
        events: &[(
            &["packet_received", r#""initial""#, r#""crypto","offset":0"#],
            2,
        )],
    },
    REBIND_PORT,
    Scenario {
        name: "rebind-addr, 10 MiB come back while the client's address changes",
        bad: "--rebind-address every 2s",
        ..REBIND_PORT
    },
    Scenario {
        name: "multiplexing, 1,999 streams come back on one connection",
        path: PATH,
        bad: "",
        load: Load::Streams(1_999),
        // `qecho bench` looks first who is there, by a connection of its own.
        happened: |counts| counts["clients"].as_u64() <= Some(2),
        events: &[(&["packet_sent", "max_streams"], 1)],
    },
];

/// Not of the suite: ten times as much. Servers hold clients to their address until the handshake
/// is confirmed (RFC 9000 §9): on a busy machine that takes half a second, so the first change has
/// to come later.
const REBIND_PORT_OFTEN: Scenario = Scenario {
    name: "100 MB come back while the client's port changes all the time",
    path: "--delay 1ms --rate 100mbit --queue 200",
    bad: "--rebind-port every 2s",
    load: Load::Bytes(100_000_000),
    events: &[],
    ..REBIND_PORT
};

const REBIND_ADDRESS_OFTEN: Scenario = Scenario {
    name: "100 MB come back while the client's address changes all the time",
    bad: "--rebind-address every 2s",
    ..REBIND_PORT_OFTEN
};

/// Returns the scenarios of the suite for each pair, and ours for `qecho` alone.
pub(super) fn cases() -> Vec<Case> {
    let case = |name: String, scenario: Scenario, pair: Pair| {
        Case::new(name, move |env| run(env, &scenario, pair)).long()
    };
    let of_suite = SUITE.into_iter().flat_map(|scenario| {
        let name = move |pair: &str| format!("{}: {pair}", scenario.name);
        PAIRS.map(|(pair, words)| case(name(words), scenario, pair))
    });
    let ours = [REBIND_PORT_OFTEN, REBIND_ADDRESS_OFTEN]
        .map(|scenario| case(scenario.name.to_owned(), scenario, Pair::QechoQecho));
    of_suite.chain(ours).collect()
}

/// Tells whether something happened to so many datagrams there and so many back.
fn both_ways(counts: &Value, what: &str, least: u64) -> bool {
    let mut ways = ["up", "down"].iter();
    ways.all(|way| counts[way][what].as_u64() >= Some(least))
}

fn run(env: &TestEnv, scenario: &Scenario, pair: Pair) -> Result<()> {
    let attempts = match scenario.load {
        Load::Connections(_) => ATTEMPTS,
        Load::Bytes(_) | Load::Streams(_) => 1,
    };
    for _ in 1..attempts {
        if attempt(env, scenario, pair).is_ok() {
            return Ok(());
        }
        // What failed has taken more than half of the time.
        env.begin_again();
    }
    attempt(env, scenario, pair)
}

fn attempt(env: &TestEnv, scenario: &Scenario, pair: Pair) -> Result<()> {
    let server = env.server(match (pair, scenario.events) {
        (Pair::QechoAioquic, _) => ECHO_SERVER,
        (_, []) => "qecho server",
        (_, _) => "qecho server --qlog qlog",
    })?;
    let relay = env.relay(&server, &format!("{} {}", scenario.path, scenario.bad))?;
    match pair {
        Pair::AioquicQecho => theirs(env, &relay, scenario.load)?,
        Pair::QechoAioquic | Pair::QechoQecho => ours(env, &relay, scenario.load)?,
    }
    let counts = relay.counts()?;
    let happened = (scenario.happened)(&counts);
    ensure!(happened, "the relay did too little: {counts}");
    if pair == Pair::QechoAioquic {
        return server.ends_well();
    }
    let counted = server.counts()?["connections"].as_u64();
    let expected = connections(scenario.load, pair);
    ensure!(
        counted == Some(expected),
        "the server counted {counted:?} connections in place of {expected}"
    );
    check_events(env, scenario.events)
}

/// Lets `qecho` do what is asked for.
fn ours(env: &TestEnv, server: &Server, load: Load) -> Result<()> {
    let bench = match load {
        Load::Bytes(bytes) => {
            let client = env.client_of(server, bytes, PATIENCE)?.exits(0)?;
            return client.prints(" bytes came back identical").map(drop);
        }
        Load::Connections(count) => {
            format!("--over handshake --connections {count} -n {count} -s 1024")
        }
        Load::Streams(count) => {
            format!("--over stream-per-message -s 32 -n {count} --in-flight 1000")
        }
    };
    let bench = format!("qecho bench {bench} {PATIENCE}");
    env.client(server, &bench)?.exits(0).map(drop)
}

/// Lets aioquic do what is asked for.
fn theirs(env: &TestEnv, server: &Server, load: Load) -> Result<()> {
    let load = match load {
        Load::Connections(count) => format!("--connections {count} --size 1024"),
        Load::Bytes(bytes) => format!("--streams 1 --size {bytes}"),
        Load::Streams(count) => format!("--streams {count} --size 32"),
    };
    let client = env.client(server, &format!("transfer_client.py --alpn echo {load}"))?;
    client.succeeds(&["done"]).map(drop)
}

/// Returns how many connections the server counts.
fn connections(load: Load, pair: Pair) -> u64 {
    // `qecho bench` looks first who is there, by a handshake that it waits to be confirmed:
    // however much is lost, the server counts it.
    let look = u64::from(pair == Pair::QechoQecho);
    match load {
        Load::Connections(count) => u64::from(count) + look,
        Load::Streams(_) => 1 + look,
        Load::Bytes(_) => 1,
    }
}

/// Expects events in the qlog files of `qecho server`, if any are wanted.
fn check_events(env: &TestEnv, wanted: &[(&[&str], usize)]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut qlog = String::new();
    for file in fs::read_dir(env.folder().join("qlog")).context("there is no qlog folder")? {
        qlog += &fs::read_to_string(file?.path())?;
    }
    for (words, least) in wanted {
        let fits = |line: &&str| words.iter().all(|word| line.contains(word));
        let events = qlog.lines().filter(fits).count();
        ensure!(
            events >= *least,
            "the server's qlog has {events} events with {words:?}, expected {least}"
        );
    }
    Ok(())
}
