//! `qecho ping` of HTTP/3 servers, which echo nothing: any QUIC server will do.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{Case, TestEnv};
use crate::interop::env::Server;
use crate::setup::{CADDY, NGTCP2_SERVER};

/// Port 0 is no choice here: neither server tells which port it has got.
const FREE: &str = "127.0.0.1:0";
/// Ports that a server is started on, until it has one to itself.
const PORTS_MAX: u32 = 3;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("qecho ping gets its answers from ngtcp2's server", |env| {
            env.certificate()?;
            let server = on_a_free_port(|port| {
                let line = format!("gtlsserver --quiet 127.0.0.1 {port} k.pem c.pem");
                env.other_server(&line, port, "")
            })?;
            all_ways(env, &server, 2)
        })
        .with(&NGTCP2_SERVER),
        Case::new("qecho ping gets its answers from caddy", |env| {
            env.certificate()?;
            let server = on_a_free_port(|port| {
                let site = "bind 127.0.0.1\n tls c.pem k.pem\n respond \"hello\"";
                let settings = format!(
                    "{{\n admin off\n auto_https off\n}}\nhttps://localhost:{port} {{\n {site}\n}}\n"
                );
                let file = env.folder().join("Caddyfile");
                fs::write(file, settings).context("cannot write a file")?;
                let line = "caddy run --config Caddyfile --adapter caddyfile";
                env.other_server(line, port, "serving initial")
            })?;
            all_ways(env, &server, 3)
        })
        .with(&CADDY),
    ]
}

/// Pings a server that lists so many versions at least.
fn all_ways(env: &TestEnv, server: &Server, versions_min: usize) -> Result<()> {
    let ping = |way: &str| {
        let line = format!("qecho ping -n 3 -i 0.05 --alpn h3 --over {way}");
        let all_came = "3 sent, 3 received, 0 lost (0%)";
        env.client(server, &line)?.succeeds(&[all_came])
    };
    let listed = ping("vn")?;
    let lists = listed.stdout.lines();
    for list in lists.filter_map(|line| line.split_once(", versions ")) {
        // Beside those that it speaks a server lists a reserved one, each time
        // another and elsewhere (RFC 9000 §6.3).
        let versions: Vec<&str> = list.1.split(", ").collect();
        ensure!(versions.contains(&"1"), "{versions:?} has no version 1");
        ensure!(versions.len() >= versions_min, "{versions:?} are too few");
    }
    ping("frame")?.prints("less ack delay min ")?;
    let confirmed = ping("handshake")?.prints("first reply    min ")?;
    confirmed.prints("confirmed      min ")?;
    let resumed = ping("handshake --resume --early-data")?.prints("resumed handshake")?;
    resumed.prints("0-RTT accepted").map(drop)
}

/// Starts a server on a port that nobody has just now; if somebody else takes it first,
/// on another.
fn on_a_free_port(start: impl Fn(&str) -> Result<Server>) -> Result<Server> {
    let attempt = || {
        let socket = std::net::UdpSocket::bind(FREE)?;
        let port = socket.local_addr()?.port().to_string();
        drop(socket);
        start(&port)
    };
    let mut started = attempt();
    for _ in 1..PORTS_MAX {
        started = started.or_else(|_| attempt());
    }
    started
}
