//! `amplificationlimit` of the public QUIC interop suite, on `qecho relay`: before a server has
//! heard twice from a client it sends at most three times what came (RFC 9000 §8.1).

use anyhow::{Context, Result, ensure};

use super::{Case, Stage};
use crate::interop::stage::Server;

/// The suite's server has 7,500 bytes of certificates: more than three times a ClientHello.
const NAMES: usize = 400;
const LINE: [&str; 6] = ["--delay", "15ms", "--rate", "10mbit", "--queue", "25"];

pub(super) const CASES: &[Case] = &[
    Case::short(
        "amplificationlimit: qecho client, aioquic server",
        |stage| {
            let server = |stage: &Stage| stage.peer_server_with_cert("true_echo_server.py");
            play(stage, server, ours)
        },
    ),
    Case::short(
        "amplificationlimit: aioquic client, qecho server",
        |stage| play(stage, our_server, theirs),
    ),
    Case::short("amplificationlimit: qecho client, qecho server", |stage| {
        play(stage, our_server, ours)
    }),
];

fn play(
    stage: &Stage,
    server: fn(&Stage) -> Result<Server>,
    client: fn(&Stage, &Server, exit: i32) -> Result<()>,
) -> Result<()> {
    let names: Vec<String> = (0..NAMES)
        .map(|number| format!("n{number}.example.test"))
        .collect();
    let mut new = vec!["new", "localhost", "127.0.0.1"];
    new.extend(names.iter().map(String::as_str));
    new.extend(["--cert-file", "c.pem", "--key-file", "k.pem"]);
    stage.qecho_cert(&new)?.exits(0)?;

    let server = server(stage)?;
    // Of what the client sends only the first datagram ever comes through.
    let relay = stage.qecho_relay(&server, &[&LINE[..], &["--up", "drop=2-1000"]].concat())?;
    client(stage, &relay, 1)?;
    let counts = relay.counts()?;
    let bytes = |way: &str, what: &str| counts[way][what].as_u64().context("it is a number");
    let came = bytes("up", "bytes_delivered")?;
    let sent = bytes("down", "bytes_received")?;
    ensure!(sent <= 3 * came, "{sent} bytes for {came}");
    ensure!(sent > 2 * came, "{sent} bytes are too few to show anything");

    // As in the suite: the next six are dropped.
    let relay = stage.qecho_relay(&server, &[&LINE[..], &["--up", "drop=2-7"]].concat())?;
    client(stage, &relay, 0)?;
    let dropped = relay.counts()?["up"]["dropped"].as_u64();
    ensure!(dropped == Some(6), "{dropped:?} datagrams were dropped");
    server.ends_well()
}

fn our_server(stage: &Stage) -> Result<Server> {
    stage.qecho_server(&["--cert", "c.pem", "--key", "k.pem"])
}

fn ours(stage: &Stage, server: &Server, exit: i32) -> Result<()> {
    // Long enough for what is repeated when nobody answers.
    let timeout = if exit == 0 { "30s" } else { "4s" };
    stage
        .qecho_client(server, &["-m", "hello", "--timeout", timeout])?
        .exits(exit)
        .map(drop)
}

fn theirs(stage: &Stage, server: &Server, exit: i32) -> Result<()> {
    let limit = if exit == 0 { "30" } else { "4" };
    let arguments = ["--alpn", "echo", "--limit", limit];
    stage
        .peer_client("transfer_client.py", server, &arguments)?
        .exits(exit)
        .map(drop)
}
