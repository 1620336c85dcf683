//! `qecho ping` of HTTP/3 servers, which echo nothing: any QUIC server will do.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{Case, Stage};
use crate::interop::stage::Server;
use crate::setup::{CADDY, NGTCP2_SERVER};

/// Port 0 is no choice here: neither server tells which port it has got.
const FREE: &str = "127.0.0.1:0";
/// Ports that a server is started on, until it has one to itself.
const PORTS_MAX: u32 = 3;

pub(super) const CASES: &[Case] = &[
    Case::short(
        "qecho ping gets its answers from ngtcp2's server",
        |stage| {
            stage.certificate()?;
            let server = on_a_free_port(|port| {
                let quiet = ["--quiet", "127.0.0.1", port, "k.pem", "c.pem"];
                stage.other_server("gtlsserver", &quiet, port, None)
            })?;
            all_ways(stage, &server, 2)
        },
    )
    .with(&NGTCP2_SERVER),
    Case::short("qecho ping gets its answers from caddy", |stage| {
        stage.certificate()?;
        let server = on_a_free_port(|port| {
            let settings = format!(
                "{{\n admin off\n auto_https off\n}}\n\
                 https://localhost:{port} {{\n bind 127.0.0.1\n tls c.pem k.pem\n respond \"hello\"\n}}\n"
            );
            fs::write(stage.folder().join("Caddyfile"), settings).context("cannot write a file")?;
            let run = ["run", "--config", "Caddyfile", "--adapter", "caddyfile"];
            stage.other_server("caddy", &run, port, Some("serving initial"))
        })?;
        all_ways(stage, &server, 3)
    })
    .with(&CADDY),
];

/// Pings a server that lists so many versions at least.
fn all_ways(stage: &Stage, server: &Server, versions_min: usize) -> Result<()> {
    let three = ["-n", "3", "-i", "0.05", "--alpn", "h3", "--over"];
    let ping = |way: &[&str], words: &[&str]| {
        let ping = stage.qecho_ping(server, &[&three[..], way].concat())?;
        let ping = ping.exits(0)?.prints("3 sent, 3 received, 0 lost (0%)")?;
        words
            .iter()
            .try_fold(ping, |ping, words| ping.prints(words))
    };
    let listed = ping(&["vn"], &[])?;
    let lists = listed.stdout().lines();
    for list in lists.filter_map(|line| line.split_once(", versions ")) {
        // Beside those that it speaks a server lists a reserved one, each time
        // another and elsewhere (RFC 9000 §6.3).
        let versions: Vec<&str> = list.1.split(", ").collect();
        ensure!(versions.contains(&"1"), "{versions:?} has no version 1");
        ensure!(versions.len() >= versions_min, "{versions:?} are too few");
    }
    ping(&["frame"], &["less ack delay min "])?;
    ping(
        &["handshake"],
        &["first reply    min ", "confirmed      min "],
    )?;
    let resumed = ["handshake", "--resume", "--early-data"];
    ping(&resumed, &["resumed handshake", "0-RTT accepted"]).map(drop)
}

/// Starts a server on a port that nobody has just now; if somebody else takes it first,
/// on another.
fn on_a_free_port(start: impl Fn(&str) -> Result<Server>) -> Result<Server> {
    let mut started = start(&free_port()?);
    for _ in 1..PORTS_MAX {
        started = started.or_else(|_| start(&free_port()?));
    }
    started
}

/// Returns a port that nobody has just now.
fn free_port() -> Result<String> {
    let socket = std::net::UdpSocket::bind(FREE)?;
    Ok(socket.local_addr()?.port().to_string())
}
