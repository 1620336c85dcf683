//! Clients that show a certificate, ours and other people's.

use anyhow::{Result, ensure};

use super::{Case, Stage};
use crate::setup::NGTCP2_CLIENT;

const OURS: [&str; 4] = ["--cert", "me.pem", "--key", "me-key.pem"];
const ASKS: [&str; 2] = ["--client-ca", "home/qecho/ca/rootCA.pem"];

pub(super) const CASES: &[Case] = &[
    Case::short(
        "aioquic client is let in by its certificate, and not without, nor by a session",
        |stage| {
            make_certificate(stage, &["--client"])?;
            let server = stage.qecho_server(&ASKS)?;
            let client = |more: &[&str]| stage.peer_client("message_client.py", &server, more);
            client(&OURS)?
                .exits(0)?
                .prints("done, sessions to resume: 0")?;
            client(&[])?
                .exits(1)?
                .complains("the client sent no certificate")?;
            server.ends_well()?;
            // The same client does get sessions where nobody asks for a certificate.
            let server = stage.qecho_server(&[])?;
            let client = stage.peer_client("message_client.py", &server, &[])?;
            let none = client.exits(0)?.stdout().contains("sessions to resume: 0");
            ensure!(!none, "no session where there should be some");
            server.ends_well()
        },
    ),
    Case::short(
        "aioquic client is refused with a certificate that is for servers",
        |stage| {
            make_certificate(stage, &[])?;
            let server = stage.qecho_server(&ASKS)?;
            let client = stage.peer_client("message_client.py", &server, &OURS)?;
            client.exits(1)?.complains("is not meant for a client")?;
            server.ends_well()
        },
    ),
    Case::short(
        "ngtcp2 client (GnuTLS) is let in by its certificate, and not without",
        |stage| {
            make_certificate(stage, &["--client"])?;
            // Nobody waits for a client that speaks HTTP.
            let any = ["--alpn", "any", "--messages", "always", "--drain", "100ms"];
            let server = stage.qecho_server(&[&ASKS[..], &any].concat())?;
            let url = format!("https://localhost:{}/", server.port());
            let quiet = ["--no-quic-dump", "--no-http-dump"];
            let place = ["127.0.0.1", server.port(), &url];
            let client =
                |shown: &[&str]| stage.begin("gtlsclient", &[&quiet[..], shown, &place].concat());
            let _let_in = client(&["--cert=me.pem", "--key=me-key.pem"])?;
            server.says("\"connected\"")?;
            let _refused = client(&[])?;
            server.says("the client sent no certificate")?;
            server.ends_well()
        },
    )
    .with(&NGTCP2_CLIENT),
    Case::short(
        "qecho client shows its certificate to an aioquic server that asks, and echoes without",
        |stage| {
            make_certificate(stage, &["--client"])?;
            let server = stage.peer_server("asking_server.py", &["--alpn", "echo"])?;
            for (shown, names) in [(&OURS[..], r#"["ada.test"]"#), (&[], "null")] {
                let client = stage.qecho_client(&server, &[&["-m", "a"], shown].concat())?;
                client.exits(0)?.prints("a")?;
                server.says(&format!(r#""names": {names}"#))?;
            }
            server.ends_well()
        },
    ),
];

/// Makes a certificate of `qecho cert`'s CA, in `me.pem`.
fn make_certificate(stage: &Stage, more: &[&str]) -> Result<()> {
    let new = ["new", "ada.test", "--cert-file", "me.pem"];
    let key = ["--key-file", "me-key.pem"];
    let made = stage.qecho_cert(&[&new[..], &key, more].concat())?;
    made.exits(0).map(drop)
}
