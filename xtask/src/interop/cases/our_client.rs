//! `qecho client` against other people's servers.

use anyhow::Result;

use super::{Case, Stage};
use crate::setup::OPENSSL;

const MESSAGE: &str = "this is a message";

pub(super) const CASES: &[Case] = &[
    Case::short(
        "qecho client says that a server ended the stream without an echo",
        |stage| {
            let server = stage.peer_server("fin_only_server.py", &[])?;
            let client = stage.qecho_client(&server, &["-m", MESSAGE])?;
            client
                .exits(1)?
                .complains("peer closed the stream without echoing 17 of 17 bytes")
                .map(drop)
        },
    ),
    Case::short(
        "qecho client gets its echo from an aioquic server with ALPN echo",
        |stage| {
            let server = stage.peer_server("true_echo_server.py", &["--alpn", "echo"])?;
            stage
                .qecho_client(&server, &["-m", MESSAGE])?
                .exits(0)?
                .prints(MESSAGE)?;
            server.ends_well()
        },
    ),
    Case::short("qecho client falls back to no ALPN, and says so", |stage| {
        let server = stage.peer_server("true_echo_server.py", &[])?;
        let client = stage.qecho_client(&server, &["-m", MESSAGE])?;
        client.exits(0)?.prints(MESSAGE)?.complains("ALPN")?;
        server.ends_well()
    }),
    Case::short(
        "qecho client without ALPN is refused by a server that wants one",
        |stage| {
            let server = stage.peer_server("true_echo_server.py", &["--alpn", "echo"])?;
            stage
                .qecho_client(&server, &["-m", MESSAGE, "--alpn", "none"])?
                .exits(1)?
                .complains("no_application_protocol")?;
            server.ends_well()
        },
    ),
    Case::short(
        "qecho client gets its echo from examples/python over a stream",
        |stage| example(stage, &[], &["--over", "stream"]),
    )
    .with(&OPENSSL),
    Case::short(
        "qecho client gets its echo from examples/python stream by stream",
        |stage| example(stage, &[], &["--over", "stream-per-message"]),
    )
    .with(&OPENSSL),
    Case::short(
        "qecho client gets its echo from examples/python over uni streams",
        |stage| example(stage, &[], &["--over", "uni"]),
    )
    .with(&OPENSSL),
    Case::short(
        "qecho client gets its echo from examples/python in DATAGRAM frames",
        |stage| example(stage, &[], &["--over", "datagram"]),
    )
    .with(&OPENSSL),
    Case::short(
        "qecho client without ALPN gets its echo from examples/python",
        |stage| example(stage, &["--no-alpn"], &["--alpn", "none"]),
    )
    .with(&OPENSSL),
    Case::short("qecho client notices an echo that differs", |stage| {
        let server = stage.peer_server("wrong_server.py", &["--alpn", "echo"])?;
        stage
            .qecho_client(&server, &["-m", MESSAGE])?
            .exits(1)?
            .complains("byte 0 differs")
            .map(drop)
    }),
    Case::short(
        "qecho client does not wait for ever for a server that is silent",
        |stage| {
            let server = stage.peer_server("sink_server.py", &["--alpn", "echo"])?;
            let arguments = ["-m", MESSAGE, "--timeout", "3s"];
            let client = stage.qecho_client(&server, &arguments)?;
            client.exits(1)?.complains("no echo within 3 s").map(drop)
        },
    ),
    Case::short(
        "qecho client names the code of a stream that was reset",
        |stage| {
            let server = stage.peer_server("reset_server.py", &["--alpn", "echo"])?;
            stage
                .qecho_client(&server, &["-m", MESSAGE])?
                .exits(1)?
                .complains("reset the stream with code 9")
                .map(drop)
        },
    ),
    Case::short(
        "qecho client names the reason of a server that closed",
        |stage| {
            let server = stage.peer_server("early_close_server.py", &["--alpn", "echo"])?;
            stage
                .qecho_client(&server, &["-m", MESSAGE])?
                .exits(1)?
                .complains("going away")
                .map(drop)
        },
    ),
];

fn example(stage: &Stage, server: &[&str], client: &[&str]) -> Result<()> {
    let server = stage.example_server(server)?;
    let messages = ["-m", MESSAGE, "-m", "日本語"];
    let client = stage.qecho_client(&server, &[&messages[..], client].concat())?;
    client.exits(0)?.prints(MESSAGE)?.prints("日本語")?;
    server.ends_well()
}
