//! Other people's clients against `qecho server`.

use anyhow::Result;

use super::{Case, Stage};
use crate::setup::{NGTCP2_CLIENT, OPENSSL, QUICHE_CLIENT};

pub(super) const CASES: &[Case] = &[
    Case::short("aioquic client without ALPN gets its echo", |stage| {
        let server = stage.qecho_server(&[])?;
        let client = stage.peer_client("message_client.py", &server, &["--alpn", "none"])?;
        client
            .exits(0)?
            .prints("connected, ALPN none")?
            .prints("echo: \"Grüße, 日本語\"")?;
        server.ends_well()
    }),
    Case::short("aioquic client with ALPN echo gets its echo", |stage| {
        let server = stage.qecho_server(&[])?;
        let client = stage.peer_client("message_client.py", &server, &["--alpn", "echo"])?;
        client
            .exits(0)?
            .prints("connected, ALPN echo")?
            .prints("done")?;
        server.ends_well()
    }),
    Case::short(
        "quiche client on BoringSSL gets its echo with the CA that the server prints",
        |stage| {
            let server = stage.qecho_server(&[])?;
            let client = stage.node_client("boringssl_client.mjs", &server)?;
            client.exits(0)?.prints("echo: \"Grüße, 日本語\"")?;
            server.ends_well()
        },
    )
    .with(&QUICHE_CLIENT),
    Case::short(
        "aioquic client verifies a certificate of qecho cert",
        |stage| {
            let files = ["--cert-file", "c.pem", "--key-file", "k.pem"];
            let served = ["--cert", "c.pem", "--key", "k.pem"];
            for (names, exit) in [
                (&["localhost", "127.0.0.1", "::1"][..], 0),
                (&["localhost", "--short-lived", "--ed25519"], 0),
                (&["other.test"], 1),
            ] {
                let new = [&["new"], names, &files].concat();
                stage.qecho_cert(&new)?.exits(0)?;
                let server = stage.qecho_server(&served)?;
                let client = stage.peer_client("message_client.py", &server, &[])?;
                client.exits(exit)?;
                server.ends_well()?;
            }
            Ok(())
        },
    ),
    Case::short(
        "aioquic client holds a CA to its name constraints",
        |stage| {
            let refused = "permitted subtree violation";
            for (limits, exit, words) in [("localhost", 0, ""), ("other.test", 1, refused)] {
                let root = format!("home/qecho/{limits}");
                let new = ["ca", "new", "--name-constraints", limits];
                stage
                    .qecho_cert(&[&new[..], &["--ca-root", &root]].concat())?
                    .exits(0)?;
                let (ca, key) = (
                    format!("{root}/rootCA.pem"),
                    format!("{root}/rootCA-key.pem"),
                );
                // What a thief of the key does.
                let names = "subjectAltName=DNS:localhost";
                let leaf = "basicConstraints=critical,CA:FALSE";
                let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
                let made = ["req", "-x509", "-nodes", "-subj", "/O=thief", "-days", "9"];
                let signed = [
                    "-CA", &ca, "-CAkey", &key, "-addext", names, "-addext", leaf,
                ];
                let files = ["-out", "c.pem", "-keyout", "k.pem"];
                stage
                    .run("openssl", &[&made[..], &ec, &signed, &files].concat())?
                    .exits(0)?;
                let server = stage.qecho_server(&["--cert", "c.pem", "--key", "k.pem"])?;
                let client = stage.peer_client("message_client.py", &server, &["--ca", &ca])?;
                client.exits(exit)?.complains(words)?;
                server.ends_well()?;
            }
            Ok(())
        },
    )
    .with(&OPENSSL),
    Case::short(
        "aioquic client with an unknown ALPN is refused with 0x178",
        |stage| {
            let server = stage.qecho_server(&[])?;
            let client =
                stage.peer_client("message_client.py", &server, &["--alpn", "nonsense"])?;
            client.exits(1)?.complains("0x178")?;
            server.ends_well()
        },
    ),
    Case::short("aioquic client gets its echo after a Retry", |stage| {
        let server = stage.qecho_server(&["--retry", "always"])?;
        stage
            .peer_client("message_client.py", &server, &[])?
            .exits(0)?
            .prints("done")?;
        server.ends_well()
    }),
    Case::long(
        "aioquic client whose event loop is blocked for 45 s gets its echo",
        |stage| {
            let server = stage.qecho_server(&[])?;
            let client = stage.peer_client("blocked_client.py", &server, &["--block", "45"])?;
            client
                .exits(0)?
                .prints("echo after the block")?
                .prints("done")?;
            server.ends_well()
        },
    ),
    Case::short(
        "aioquic client that reads to the end of the stream is done",
        |stage| {
            let server = stage.qecho_server(&["--end", "after-message"])?;
            let messages = ["-m", "this is a message", "-m", "another", "--together"];
            stage
                .peer_client("until_end_client.py", &server, &messages)?
                .exits(0)?
                .prints("done")?;
            server.ends_well()
        },
    ),
    Case::short(
        "aioquic client that breaks off at any byte leaves the server alive",
        |stage| {
            let server = stage.qecho_server(&[])?;
            stage
                .peer_client("abusive_client.py", &server, &["--alpn", "echo"])?
                .exits(0)?;
            stage
                .peer_client("message_client.py", &server, &[])?
                .exits(0)?
                .prints("done")
                .map(drop)
        },
    ),
    Case::short(
        "examples/python client gets its echo over a stream",
        |stage| example(stage, &["--over", "stream"]),
    ),
    Case::short(
        "examples/python client without ALPN gets its echo",
        |stage| example(stage, &["--over", "stream", "--alpn", "none"]),
    ),
    Case::short(
        "examples/python client gets its echo over a unidirectional stream",
        |stage| example(stage, &["--over", "uni"]),
    ),
    Case::short(
        "examples/python client gets its echo in a DATAGRAM frame",
        |stage| example(stage, &["--over", "datagram"]),
    ),
    Case::short(
        "aioquic client that comes again has its 0-RTT echoed",
        |stage| {
            for (switch, words) in [("on", "0-RTT accepted"), ("off", "0-RTT not allowed")] {
                let server = stage.qecho_server(&["--early-data", switch])?;
                stage
                    .peer_client("early_data_client.py", &server, &["--alpn", "echo"])?
                    .exits(0)?
                    .prints(words)?
                    .prints("done")?;
                server.ends_well()?;
            }
            Ok(())
        },
    ),
    Case::short("ngtcp2 client (GnuTLS) completes its handshake", |stage| {
        let server = stage.qecho_server(&["--alpn", "any"])?;
        let url = format!("https://localhost:{}/", server.port());
        let quiet = ["--no-quic-dump", "--no-http-dump"];
        let client = stage.begin(
            "gtlsclient",
            &[&quiet[..], &["127.0.0.1", server.port(), &url]].concat(),
        )?;
        client.says("QUIC handshake has completed").map(drop)
    })
    .with(&NGTCP2_CLIENT),
];

fn example(stage: &Stage, arguments: &[&str]) -> Result<()> {
    let server = stage.qecho_server(&[])?;
    let messages = ["-m", "this is a message", "-m", "日本語"];
    let client = stage.example_client(&server, &[&messages[..], arguments].concat())?;
    client
        .exits(0)?
        .prints("echo: \"日本語\" 9 bytes")?
        .prints("done")?;
    server.ends_well()
}
