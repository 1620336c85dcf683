//! The cases of the public QUIC interop suite that want a bad network, on `qecho relay`:
//! `qecho` and aioquic against each other, and `qecho` against itself.
//!
//! The suite fetches files of random bytes; here they are echoed, which loads both ways at once.
//! Its bursts are at most three datagrams long where ours would be exactly three: none are asked
//! for here, so that rarely more than three are lost in a row.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Case, Stage};
use crate::interop::stage::Server;

/// The line of the suite's simulator.
const LINE: [&str; 6] = ["--delay", "15ms", "--rate", "10mbit", "--queue", "25"];
/// The same, and as long as by a satellite.
const LONG_LINE: [&str; 6] = ["--delay", "750ms", "--rate", "10mbit", "--queue", "25"];
/// What a handshake or an echo may take.
const PATIENCE: &str = "60s";
/// Where 30 % is lost, one connection of some 250 takes longer than that (10 of 3,000
/// in simulation, and three that gave up), and so one trial of ten connections in 25.
/// Two attempts would fail together once in 600 runs; three do once in 15,000. A stack
/// that cannot do it fails them all.
const ATTEMPTS: u32 = 3;

/// One case of the suite.
struct Trial {
    line: [&'static str; 6],
    /// What makes the line bad.
    relay: &'static [&'static str],
    load: Load,
    /// What the relay must have done for the trial to mean anything.
    happened: fn(&Value) -> bool,
    /// What the qlog of `qecho server` must tell beside the echo: words of one
    /// event, and how many such events there are at least.
    told: &'static [(&'static [&'static str], usize)],
}

/// What is asked for in a trial.
enum Load {
    /// So many connections at the same time, with a message of 1 KiB on each.
    Connections(u32),
    /// So many bytes on one stream.
    Bytes(usize),
    /// So many streams of 32 bytes on one connection.
    Streams(u32),
}

/// Who is the client, and who is the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pair {
    QechoAioquic,
    AioquicQecho,
    QechoQecho,
}

const HANDSHAKE_LOSS: Trial = Trial {
    line: LINE,
    relay: &["--loss", "30%"],
    load: Load::Connections(10),
    happened: |counts| both_ways(counts, |way| way["lost"].as_u64() > Some(0)),
    told: &[],
};

const HANDSHAKE_CORRUPTION: Trial = Trial {
    line: LINE,
    relay: &["--corrupt", "30%"],
    load: Load::Connections(10),
    happened: |counts| both_ways(counts, |way| way["corrupted"].as_u64() > Some(0)),
    told: &[],
};

const TRANSFER_LOSS: Trial = Trial {
    line: LINE,
    relay: &["--loss", "2%"],
    load: Load::Bytes(2 << 20),
    happened: |counts| both_ways(counts, |way| way["lost"].as_u64() > Some(10)),
    told: &[],
};

const TRANSFER_CORRUPTION: Trial = Trial {
    line: LINE,
    relay: &["--corrupt", "2%"],
    load: Load::Bytes(2 << 20),
    happened: |counts| both_ways(counts, |way| way["corrupted"].as_u64() > Some(10)),
    told: &[],
};

const BLACKHOLE: Trial = Trial {
    line: LINE,
    relay: &["--blackhole", "5s/2s"],
    load: Load::Bytes(10 << 20),
    happened: |counts| both_ways(counts, |way| way["blackholed"].as_u64() > Some(0)),
    told: &[],
};

const LONG_RTT: Trial = Trial {
    line: LONG_LINE,
    relay: &[],
    load: Load::Bytes(1 << 10),
    happened: |_| true,
    // The ClientHello, again and again before the first answer can be there.
    told: &[(
        &["packet_received", "\"initial\"", "\"crypto\",\"offset\":0"],
        2,
    )],
};

const REBIND_PORT: Trial = Trial {
    line: LINE,
    relay: &["--rebind-port", "every", "2s"],
    load: Load::Bytes(10 << 20),
    happened: |counts| counts["rebinds"].as_u64() > Some(2),
    told: &[
        (&["packet_sent", "path_challenge"], 1),
        (&["packet_received", "path_response"], 1),
    ],
};

const REBIND_ADDRESS: Trial = Trial {
    relay: &["--rebind-address", "every", "2s"],
    ..REBIND_PORT
};

/// Not of the suite: ten times as much, and faster.
const REBIND_PORT_OFTEN: Trial = Trial {
    line: ["--delay", "1ms", "--rate", "400mbit", "--queue", "200"],
    relay: &["--rebind-port", "every", "400ms"],
    load: Load::Bytes(100_000_000),
    told: &[],
    ..REBIND_PORT
};

const REBIND_ADDRESS_OFTEN: Trial = Trial {
    relay: &["--rebind-address", "every", "400ms"],
    ..REBIND_PORT_OFTEN
};

const MULTIPLEXING: Trial = Trial {
    line: LINE,
    relay: &[],
    load: Load::Streams(1_999),
    // `qecho bench` looks first who is there, by a connection of its own.
    happened: |counts| counts["clients"].as_u64() <= Some(2),
    told: &[(&["packet_sent", "max_streams"], 1)],
};

/// Makes the three cases of each trial.
macro_rules! cases {
    ($($name:literal: $trial:ident;)*) => { &[$(
        Case::long(concat!($name, ": qecho client, aioquic server"), |stage| {
            play(stage, &$trial, Pair::QechoAioquic)
        }),
        Case::long(concat!($name, ": aioquic client, qecho server"), |stage| {
            play(stage, &$trial, Pair::AioquicQecho)
        }),
        Case::long(concat!($name, ": qecho client, qecho server"), |stage| {
            play(stage, &$trial, Pair::QechoQecho)
        }),
    )*
        Case::long(
            "100 MB come back while the client's port changes all the time",
            |stage| play(stage, &REBIND_PORT_OFTEN, Pair::QechoQecho),
        ),
        Case::long(
            "100 MB come back while the client's address changes all the time",
            |stage| play(stage, &REBIND_ADDRESS_OFTEN, Pair::QechoQecho),
        ),
    ] };
}

pub(super) const CASES: &[Case] = cases! {
    "handshakeloss, 10 connections complete while 30 % is lost": HANDSHAKE_LOSS;
    "handshakecorruption, 10 connections complete while 30 % is changed": HANDSHAKE_CORRUPTION;
    "transferloss, 2 MiB come back while 2 % is lost": TRANSFER_LOSS;
    "transfercorruption, 2 MiB come back while 2 % is changed": TRANSFER_CORRUPTION;
    "blackhole, 10 MiB come back although nothing passes for 2 s": BLACKHOLE;
    "longrtt, a connection completes at 1.5 s": LONG_RTT;
    "rebind-port, 10 MiB come back while the client's port changes": REBIND_PORT;
    "rebind-addr, 10 MiB come back while the client's address changes": REBIND_ADDRESS;
    "multiplexing, 1,999 streams come back on one connection": MULTIPLEXING;
};

fn both_ways(counts: &Value, happened: fn(&Value) -> bool) -> bool {
    ["up", "down"].iter().all(|way| happened(&counts[way]))
}

fn play(stage: &Stage, trial: &Trial, pair: Pair) -> Result<()> {
    let attempts = match trial.load {
        Load::Connections(_) => ATTEMPTS,
        Load::Bytes(_) | Load::Streams(_) => 1,
    };
    let mut outcome = attempt(stage, trial, pair);
    for _ in 1..attempts {
        outcome = outcome.or_else(|_| {
            // What failed has taken more than half of the time.
            stage.begin_again();
            attempt(stage, trial, pair)
        });
    }
    outcome
}

fn attempt(stage: &Stage, trial: &Trial, pair: Pair) -> Result<()> {
    let qlog: &[&str] = match trial.told {
        [] => &[],
        _ => &["--qlog", "qlog"],
    };
    let server = match pair {
        Pair::QechoAioquic => stage.peer_server("true_echo_server.py", &["--alpn", "echo"])?,
        Pair::AioquicQecho | Pair::QechoQecho => stage.qecho_server(qlog)?,
    };
    let conditions = [&trial.line[..], trial.relay].concat();
    let relay = stage.qecho_relay(&server, &conditions)?;
    match pair {
        Pair::AioquicQecho => theirs(stage, &relay, &trial.load)?,
        Pair::QechoAioquic | Pair::QechoQecho => ours(stage, &relay, &trial.load)?,
    }
    let counts = relay.counts()?;
    ensure!((trial.happened)(&counts), "the relay did too little");
    match pair {
        Pair::QechoAioquic => server.ends_well()?,
        Pair::AioquicQecho | Pair::QechoQecho => {
            let connections = server.counts()?["connections"].as_u64();
            let expected = trial.load.connections(pair);
            ensure!(
                connections == Some(expected),
                "the server counted {connections:?} connections in place of {expected}"
            );
            check_told(stage, trial.told)?;
        }
    }
    Ok(())
}

/// Lets `qecho` do what is asked for.
fn ours(stage: &Stage, server: &Server, load: &Load) -> Result<()> {
    match load {
        Load::Connections(count) => {
            let count = count.to_string();
            let many = ["--connections", &count, "-n", &count, "-s", "1024"];
            let handshakes = ["--over", "handshake", "--timeout", PATIENCE];
            stage
                .qecho_bench(server, &[&handshakes[..], &many].concat())?
                .exits(0)
                .map(drop)
        }
        Load::Bytes(bytes) => {
            let arguments = ["--timeout", PATIENCE];
            stage
                .qecho_client_of(server, *bytes, &arguments)?
                .exits(0)?
                .prints(&format!("ok: {bytes} bytes came back identical"))
                .map(drop)
        }
        Load::Streams(count) => {
            let count = count.to_string();
            let streams = ["--over", "stream-per-message", "-s", "32", "-n", &count];
            let many = ["--in-flight", "1000", "--timeout", PATIENCE];
            stage
                .qecho_bench(server, &[&streams[..], &many].concat())?
                .exits(0)
                .map(drop)
        }
    }
}

/// Lets aioquic do what is asked for.
fn theirs(stage: &Stage, server: &Server, load: &Load) -> Result<()> {
    let (option, count, size) = match load {
        Load::Connections(count) => ("--connections", *count, 1 << 10),
        Load::Bytes(bytes) => ("--streams", 1, *bytes),
        Load::Streams(count) => ("--streams", *count, 32),
    };
    let (count, size) = (count.to_string(), size.to_string());
    let arguments = ["--alpn", "echo", option, &count, "--size", &size];
    stage
        .peer_client("transfer_client.py", server, &arguments)?
        .exits(0)?
        .prints("done")
        .map(drop)
}

impl Load {
    /// Returns how many connections the server counts.
    fn connections(&self, pair: Pair) -> u64 {
        let asked = match self {
            Self::Connections(count) => u64::from(*count),
            Self::Bytes(_) | Self::Streams(_) => 1,
        };
        match self {
            // `qecho bench` looks first who is there, by a handshake that it waits to be
            // confirmed: however much is lost, the server counts it.
            Self::Connections(_) | Self::Streams(_) if pair == Pair::QechoQecho => asked + 1,
            _ => asked,
        }
    }
}

/// Expects events in the qlog files of `qecho server`, if any are wanted.
fn check_told(stage: &Stage, wanted: &[(&[&str], usize)]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut qlog = String::new();
    for file in fs::read_dir(stage.folder().join("qlog")).context("there is no qlog folder")? {
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
