//! `qecho bench` against other people's servers.

use super::{Case, ECHO_SERVER};

pub(super) fn cases() -> Vec<Case> {
    [
        (
            "gets every byte of its messages back from an aioquic server",
            "-s 1..3k --connections 2",
        ),
        (
            "gets every byte back from an aioquic server stream by stream",
            "--over stream-per-message --rate 100",
        ),
        (
            "gets its DATAGRAM frames back from an aioquic server",
            "--over datagram",
        ),
        (
            "connects to an aioquic server again and again",
            "--over handshake",
        ),
    ]
    .map(|(name, load)| {
        Case::new(format!("qecho bench {name}"), move |env| {
            let server = env.server(ECHO_SERVER)?;
            let bounds = "--fail-if lost>0 --fail-if unanswered>0";
            let bench = format!("qecho bench -n 40 --format json {load} {bounds}");
            let output = env.client(&server, &bench)?;
            output.succeeds(&[r#""messages":40"#, r#""errors":[]"#])?;
            server.ends_well()
        })
    })
    .into()
}
