//! Other people's clients against `qecho server`.

use anyhow::Result;

use super::{Case, Talk, TestEnv};
use crate::setup::{NGTCP2_CLIENT, OPENSSL, QUICHE_CLIENT};

const ECHO: &str = "echo: \"Grüße, 日本語\"";

const TALKS: &[Talk] = &[
    (
        "aioquic client without ALPN gets its echo",
        "qecho server",
        "message_client.py --alpn none",
        |client| client.succeeds(&["connected, ALPN none", ECHO]),
    ),
    (
        "aioquic client with ALPN echo gets its echo",
        "qecho server",
        "message_client.py --alpn echo",
        |client| client.succeeds(&["connected, ALPN echo", "done"]),
    ),
    (
        "aioquic client with an unknown ALPN is refused with 0x178",
        "qecho server",
        "message_client.py --alpn nonsense",
        |client| client.fails(&["0x178"]),
    ),
    (
        "aioquic client gets its echo after a Retry",
        "qecho server --retry always",
        "message_client.py",
        |client| client.succeeds(&["done"]),
    ),
    (
        "aioquic client that reads to the end of the stream is done",
        "qecho server --end after-message",
        "until_end_client.py -m this-is-a-message -m another --together",
        |client| client.succeeds(&["done"]),
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = TALKS.iter().map(Case::talk).collect();
    cases.extend([
        Case::talk(&(
            "quiche client on BoringSSL gets its echo with the CA that the server prints",
            "qecho server",
            "boringssl_client.mjs",
            |client| client.succeeds(&[ECHO]),
        ))
        .with(&QUICHE_CLIENT),
        aioquic("verifies a certificate of qecho cert", verifies_a_leaf),
        aioquic("holds a CA to its name constraints", verifies_a_ca).with(&OPENSSL),
        Case::talk(&(
            "aioquic client whose event loop is blocked for 45 s gets its echo",
            "qecho server",
            "blocked_client.py --block 45",
            |client| client.succeeds(&["echo after the block", "done"]),
        ))
        .long(),
        aioquic(
            "that breaks off at any byte leaves the server alive",
            |env| {
                let server = env.server("qecho server")?;
                let abuser = env.client(&server, "abusive_client.py --alpn echo")?;
                abuser.exits(0)?;
                let client = env.client(&server, "message_client.py")?;
                client.succeeds(&["done"]).map(drop)
            },
        ),
        example("gets its echo over a stream", "--over stream"),
        example("without ALPN gets its echo", "--over stream --alpn none"),
        example("gets its echo over a unidirectional stream", "--over uni"),
        example("gets its echo in a DATAGRAM frame", "--over datagram"),
        aioquic("that comes again has its 0-RTT echoed", sends_early_data),
        Case::new("ngtcp2 client (GnuTLS) completes its handshake", |env| {
            let server = env.server("qecho server --alpn any")?;
            let port = &server.port;
            let quiet = "--no-quic-dump --no-http-dump";
            let line = format!("gtlsclient {quiet} 127.0.0.1 {port} https://localhost:{port}/");
            let client = env.begin(&line)?;
            client.says("QUIC handshake has completed").map(drop)
        })
        .with(&NGTCP2_CLIENT),
    ]);
    cases
}

fn aioquic(does: &str, run: fn(&TestEnv) -> Result<()>) -> Case {
    Case::new(format!("aioquic client {does}"), run)
}

fn sends_early_data(env: &TestEnv) -> Result<()> {
    for (switch, words) in [("on", "0-RTT accepted"), ("off", "0-RTT not allowed")] {
        let server = env.server(&format!("qecho server --early-data {switch}"))?;
        let client = env.client(&server, "early_data_client.py --alpn echo")?;
        client.succeeds(&[words, "done"])?;
        server.ends_well()?;
    }
    Ok(())
}

fn verifies_a_leaf(env: &TestEnv) -> Result<()> {
    for (names, exit) in [
        ("localhost 127.0.0.1 ::1", 0),
        ("localhost --short-lived --ed25519", 0),
        ("other.test", 1),
    ] {
        let new = format!("qecho cert new {names} --cert-file c.pem --key-file k.pem");
        env.run(&new)?.exits(0)?;
        let server = env.server("qecho server --cert c.pem --key k.pem")?;
        env.client(&server, "message_client.py")?.exits(exit)?;
        server.ends_well()?;
    }
    Ok(())
}

fn verifies_a_ca(env: &TestEnv) -> Result<()> {
    let refused = "permitted subtree violation";
    for (limits, exit, words) in [("localhost", 0, ""), ("other.test", 1, refused)] {
        let root = format!("home/qecho/{limits}");
        let new = format!("qecho cert ca new --name-constraints {limits} --ca-root {root}");
        env.run(&new)?.exits(0)?;
        // What a thief of the key does.
        let leaf = format!(
            "openssl req -x509 -nodes -subj /O=thief -days 9 \
             -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
             -CA {root}/rootCA.pem -CAkey {root}/rootCA-key.pem \
             -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
             -out c.pem -keyout k.pem"
        );
        env.run(&leaf)?.exits(0)?;
        let server = env.server("qecho server --cert c.pem --key k.pem")?;
        let line = format!("message_client.py --ca {root}/rootCA.pem");
        env.client(&server, &line)?.exits(exit)?.complains(words)?;
        server.ends_well()?;
    }
    Ok(())
}

fn example(name: &str, arguments: &'static str) -> Case {
    Case::new(format!("examples/python client {name}"), move |env| {
        let server = env.server("qecho server")?;
        let messages = "-m this-is-a-message -m 日本語";
        let line = format!("examples/python/echo_client.py {messages} {arguments}");
        let client = env.client(&server, &line)?;
        client.succeeds(&["echo: \"日本語\" 9 bytes", "done"])?;
        server.ends_well()
    })
}
