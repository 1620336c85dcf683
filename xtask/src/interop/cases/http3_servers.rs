//! `qecho ping` of HTTP/3 servers, which echo nothing: any QUIC server will do.

use std::fs;

use anyhow::{Context, Result};

use super::{Case, Stage};
use crate::interop::stage::Server;
use crate::setup::{CADDY, NGTCP2_SERVER};

/// Port 0 is no choice here: neither server tells which port it has got.
const FREE: &str = "127.0.0.1:0";

pub(super) const CASES: &[Case] = &[
    Case::short(
        "qecho ping gets its answers from ngtcp2's server",
        |stage| {
            let port = free_port()?;
            stage.certificate()?;
            let quiet = ["--quiet", "127.0.0.1", &port, "k.pem", "c.pem"];
            let server = stage.other_server("gtlsserver", &quiet, &port, None)?;
            // Its reserved versions change from run to run.
            all_ways(stage, &server, &[", versions 0x", " (reserved), 1\n"])
        },
    )
    .with(&NGTCP2_SERVER),
    Case::short("qecho ping gets its answers from caddy", |stage| {
        let port = free_port()?;
        stage.certificate()?;
        let settings = format!(
            "{{\n admin off\n auto_https off\n persist_config off\n}}\n\
             https://localhost:{port} {{\n tls c.pem k.pem\n respond \"hello\"\n}}\n"
        );
        fs::write(stage.folder().join("Caddyfile"), settings).context("cannot write a file")?;
        let run = ["run", "--config", "Caddyfile", "--adapter", "caddyfile"];
        let server = stage.other_server("caddy", &run, &port, Some("serving initial"))?;
        all_ways(stage, &server, &["versions 1, 2"])
    })
    .with(&CADDY),
];

fn all_ways(stage: &Stage, server: &Server, versions: &[&str]) -> Result<()> {
    let three = ["-n", "3", "-i", "0.05", "--alpn", "h3", "--over"];
    for (way, words) in [
        ("vn", versions),
        ("frame", &["less ack delay min "]),
        ("handshake", &["first reply    min ", "confirmed      min "]),
    ] {
        let ping = stage.qecho_ping(server, &[&three[..], &[way]].concat())?;
        let ping = ping.exits(0)?.prints("3 sent, 3 received, 0 lost (0%)")?;
        words
            .iter()
            .try_fold(ping, |ping, words| ping.prints(words))?;
    }
    let resumed = ["handshake", "--resume", "--early-data"];
    let ping = stage.qecho_ping(server, &[&three[..], &resumed].concat())?;
    ping.exits(0)?.prints("resumed handshake").map(drop)
}

/// Returns a port that nobody has just now.
fn free_port() -> Result<String> {
    let socket = std::net::UdpSocket::bind(FREE)?;
    Ok(socket.local_addr()?.port().to_string())
}
