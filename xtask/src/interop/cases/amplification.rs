//! `amplificationlimit` of the public QUIC interop suite, on `qecho relay`: before a server has
//! heard twice from a client it sends at most three times what came (RFC 9000 §8.1).

use anyhow::{Context, Result, ensure};

use super::{Case, TestEnv};

/// Names in the certificate: the suite's server has 7,500 bytes of certificates: more than three times a ClientHello.
const NAMES: usize = 400;
const LINE: &str = "--delay 15ms --rate 10mbit --queue 25";

const OUR_SERVER: &str = "qecho server --cert c.pem --key k.pem";
const THEIR_SERVER: &str = "true_echo_server.py --alpn echo --cert c.pem --key k.pem";
/// `@` stands for a time limit in seconds.
const OUR_CLIENT: &str = "qecho client -m hello --timeout @s";
const THEIR_CLIENT: &str = "transfer_client.py --alpn echo --limit @";

pub(super) fn cases() -> Vec<Case> {
    [
        ("qecho client, aioquic server", OUR_CLIENT, THEIR_SERVER),
        ("aioquic client, qecho server", THEIR_CLIENT, OUR_SERVER),
        ("qecho client, qecho server", OUR_CLIENT, OUR_SERVER),
    ]
    .map(|(pair, client, server)| {
        let name = format!("amplificationlimit: {pair}");
        Case::new(name, move |env| run(env, server, client))
    })
    .into()
}

fn run(env: &TestEnv, server: &str, client: &str) -> Result<()> {
    let names = (0..NAMES).map(|number| format!("n{number}.example.test "));
    let names: String = names.collect();
    let files = "--cert-file c.pem --key-file k.pem";
    let new = format!("qecho cert new localhost 127.0.0.1 {names} {files}");
    env.run(&new)?.exits(0)?;
    let server = env.server(server)?;

    // Of what the client sends only the first datagram ever comes through; 4 s are enough for
    // what is repeated when nobody answers.
    let relay = env.relay(&server, &format!("{LINE} --up drop=2-1000"))?;
    env.client(&relay, &client.replace('@', "4"))?.exits(1)?;
    let counts = relay.counts()?;
    let bytes = |way: &str, what: &str| counts[way][what].as_u64().context("it is a number");
    let came = bytes("up", "bytes_delivered")?;
    let sent = bytes("down", "bytes_received")?;
    ensure!(sent <= 3 * came, "{sent} bytes for {came}");
    ensure!(sent > 2 * came, "{sent} bytes are too few to show anything");

    // As in the suite: the next six are dropped.
    let relay = env.relay(&server, &format!("{LINE} --up drop=2-7"))?;
    env.client(&relay, &client.replace('@', "30"))?.exits(0)?;
    let dropped = relay.counts()?["up"]["dropped"].as_u64();
    ensure!(dropped == Some(6), "{dropped:?} datagrams were dropped");
    server.ends_well()
}
