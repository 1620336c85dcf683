//! `qecho ping` of other people's servers.

use anyhow::ensure;

use super::{Case, ECHO_SERVER, Talk};

const ALL_CAME: &str = "3 sent, 3 received, 0 lost (0%)";
/// Server that any QUIC client can ping: it echoes nothing.
const SINK: &str = "sink_server.py --alpn h3";

const TALKS: &[Talk] = &[
    (
        "qecho ping over a stream is answered by an aioquic server that echoes",
        ECHO_SERVER,
        "qecho ping -n 3 -i 0.05 --over stream",
        |ping| ping.succeeds(&[ALL_CAME]),
    ),
    (
        "qecho ping over DATAGRAM frames is answered by an aioquic server that echoes",
        ECHO_SERVER,
        "qecho ping -n 3 -i 0.05 --over datagram",
        |ping| ping.succeeds(&[ALL_CAME]),
    ),
    (
        "qecho ping over frames is acknowledged by an aioquic server that echoes nothing",
        SINK,
        "qecho ping -n 3 -i 0.05 --alpn h3 --over frame",
        |ping| ping.succeeds(&[ALL_CAME, "less the peer's ack delay", "less ack delay min "]),
    ),
    (
        "qecho ping over handshakes is confirmed by an aioquic server that echoes nothing",
        SINK,
        "qecho ping -n 3 -i 0.05 --alpn h3 --over handshake",
        |ping| ping.succeeds(&[ALL_CAME, "first reply    min ", "confirmed      min "]),
    ),
    (
        "qecho ping learns the versions of an aioquic server",
        SINK,
        "qecho ping -n 3 -i 0.05 --alpn h3 --over vn",
        |ping| ping.succeeds(&[ALL_CAME, "versions 1, 2"]),
    ),
    (
        "qecho ping sends 0-RTT to an aioquic server that takes it",
        "true_echo_server.py --alpn echo --early-data",
        "qecho ping -n 3 -i 0.05 --over handshake --resume --early-data",
        |ping| {
            let ping = ping.succeeds(&[ALL_CAME])?;
            let accepted = ping.stdout.matches("0-RTT accepted, echoed ").count();
            ensure!(accepted == 2, "{accepted} of 2 were accepted");
            Ok(ping)
        },
    ),
    (
        "qecho ping of a server that echoes nothing loses everything",
        "sink_server.py --alpn echo",
        "qecho ping -n 3 -i 0.05 --timeout 3s",
        |ping| ping.exits(1)?.prints("3 sent, 0 received, 3 lost (100%)"),
    ),
];

pub(super) fn cases() -> Vec<Case> {
    TALKS.iter().map(Case::talk).collect()
}
