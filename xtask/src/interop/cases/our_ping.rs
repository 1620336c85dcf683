//! `qecho ping` of other people's servers.

use anyhow::{Result, ensure};

use super::{Case, Stage};

const THREE: [&str; 4] = ["-n", "3", "-i", "0.05"];
const ALL_CAME: &str = "3 sent, 3 received, 0 lost (0%)";

pub(super) const CASES: &[Case] = &[
    Case::short(
        "qecho ping over a stream is answered by an aioquic server that echoes",
        |stage| echoes(stage, "stream"),
    ),
    Case::short(
        "qecho ping over DATAGRAM frames is answered by an aioquic server that echoes",
        |stage| echoes(stage, "datagram"),
    ),
    Case::short(
        "qecho ping over frames is acknowledged by an aioquic server that echoes nothing",
        |stage| {
            any_server(
                stage,
                "frame",
                &["less the peer's ack delay", "less ack delay min "],
            )
        },
    ),
    Case::short(
        "qecho ping over handshakes is confirmed by an aioquic server that echoes nothing",
        |stage| {
            any_server(
                stage,
                "handshake",
                &["first reply    min ", "confirmed      min "],
            )
        },
    ),
    Case::short(
        "qecho ping learns the versions of an aioquic server",
        |stage| any_server(stage, "vn", &["versions 1, 2"]),
    ),
    Case::short(
        "qecho ping sends 0-RTT to an aioquic server that takes it",
        |stage| {
            let server =
                stage.peer_server("true_echo_server.py", &["--alpn", "echo", "--early-data"])?;
            let resumed = ["--over", "handshake", "--resume", "--early-data"];
            let ping = stage.qecho_ping(&server, &[&THREE[..], &resumed].concat())?;
            let ping = ping.exits(0)?.prints(ALL_CAME)?;
            let accepted = ping.stdout().matches("0-RTT accepted, echoed ").count();
            ensure!(accepted == 2, "{accepted} of 2 were accepted");
            server.ends_well()
        },
    ),
    Case::short(
        "qecho ping of a server that echoes nothing loses everything",
        |stage| {
            let server = stage.peer_server("sink_server.py", &["--alpn", "echo"])?;
            let arguments = [&THREE[..], &["--timeout", "3s"]].concat();
            let ping = stage.qecho_ping(&server, &arguments)?;
            ping.exits(1)?
                .prints("3 sent, 0 received, 3 lost (100%)")
                .map(drop)
        },
    ),
];

fn echoes(stage: &Stage, way: &str) -> Result<()> {
    let server = stage.peer_server("true_echo_server.py", &["--alpn", "echo"])?;
    let arguments = [&THREE[..], &["--over", way]].concat();
    let ping = stage.qecho_ping(&server, &arguments)?;
    ping.exits(0)?.prints(ALL_CAME)?;
    server.ends_well()
}

fn any_server(stage: &Stage, way: &str, words: &[&str]) -> Result<()> {
    let server = stage.peer_server("sink_server.py", &["--alpn", "h3"])?;
    let arguments = [&THREE[..], &["--alpn", "h3", "--over", way]].concat();
    let ping = stage.qecho_ping(&server, &arguments)?;
    let ping = ping.exits(0)?.prints(ALL_CAME)?;
    let all = words
        .iter()
        .try_fold(ping, |ping, words| ping.prints(words));
    all.map(drop)?;
    server.ends_well()
}
