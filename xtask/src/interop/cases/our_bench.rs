//! `qecho bench` against other people's servers.

use anyhow::Result;

use super::{Case, Stage};

pub(super) const CASES: &[Case] = &[
    Case::short(
        "qecho bench gets every byte of its messages back from an aioquic server",
        |stage| all_come(stage, &["-s", "1..3k", "--connections", "2"]),
    ),
    Case::short(
        "qecho bench gets every byte back from an aioquic server stream by stream",
        |stage| all_come(stage, &["--over", "stream-per-message", "--rate", "100"]),
    ),
    Case::short(
        "qecho bench gets its DATAGRAM frames back from an aioquic server",
        |stage| all_come(stage, &["--over", "datagram"]),
    ),
    Case::short(
        "qecho bench connects to an aioquic server again and again",
        |stage| all_come(stage, &["--over", "handshake"]),
    ),
];

fn all_come(stage: &Stage, load: &[&str]) -> Result<()> {
    let server = stage.peer_server("true_echo_server.py", &["--alpn", "echo"])?;
    let mut arguments = vec!["-n", "40", "--format", "json"];
    arguments.extend(load);
    let bounds = ["--fail-if", "lost>0", "--fail-if", "unanswered>0"];
    arguments.extend(bounds);
    let bench = stage.qecho_bench(&server, &arguments)?;
    bench
        .exits(0)?
        .prints(r#""messages":40"#)?
        .prints(r#""errors":[]"#)?;
    server.ends_well()
}
