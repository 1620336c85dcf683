//! `qecho client` against other people's servers.

use super::{Case, ECHO_SERVER, Talk};
use crate::setup::OPENSSL;

const MESSAGE: &str = "this-is-a-message";
const CLIENT: &str = "qecho client -m this-is-a-message";

const TALKS: &[Talk] = &[
    (
        "qecho client says that a server ended the stream without an echo",
        "fin_only_server.py",
        CLIENT,
        |client| client.fails(&["peer closed the stream without echoing 17 of 17 bytes"]),
    ),
    (
        "qecho client gets its echo from an aioquic server with ALPN echo",
        ECHO_SERVER,
        CLIENT,
        |client| client.succeeds(&[MESSAGE]),
    ),
    (
        "qecho client falls back to no ALPN, and says so",
        "true_echo_server.py",
        CLIENT,
        |client| client.succeeds(&[MESSAGE])?.complains("ALPN"),
    ),
    (
        "qecho client without ALPN is refused by a server that wants one",
        ECHO_SERVER,
        "qecho client -m a --alpn none",
        |client| client.fails(&["no_application_protocol"]),
    ),
    (
        "qecho client notices an echo that differs",
        "wrong_server.py --alpn echo",
        CLIENT,
        |client| client.fails(&["byte 0 differs"]),
    ),
    (
        "qecho client does not wait for ever for a server that is silent",
        "sink_server.py --alpn echo",
        "qecho client -m a --timeout 3s",
        |client| client.fails(&["no echo within 3 s"]),
    ),
    (
        "qecho client names the code of a stream that was reset",
        "reset_server.py --alpn echo",
        CLIENT,
        |client| client.fails(&["reset the stream with code 9"]),
    ),
    (
        "qecho client names the reason of a server that closed",
        "early_close_server.py --alpn echo",
        CLIENT,
        |client| client.fails(&["going away"]),
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = TALKS.iter().map(Case::talk).collect();
    let echo = "gets its echo from examples/python";
    for (name, server, client) in [
        (format!("{echo} over a stream"), "", "--over stream"),
        (
            format!("{echo} stream by stream"),
            "",
            "--over stream-per-message",
        ),
        (format!("{echo} over uni streams"), "", "--over uni"),
        (format!("{echo} in DATAGRAM frames"), "", "--over datagram"),
        (format!("without ALPN {echo}"), "--no-alpn", "--alpn none"),
    ] {
        let case = Case::new(format!("qecho client {name}"), move |env| {
            let server = env.server(&format!("examples/python/echo_server.py {server}"))?;
            let output = env.client(&server, &format!("{CLIENT} -m 日本語 {client}"))?;
            output.succeeds(&[MESSAGE, "日本語"])?;
            server.ends_well()
        });
        cases.push(case.with(&OPENSSL));
    }
    cases
}
