//! Clients that show a certificate, ours and other people's.

use anyhow::{Result, ensure};

use super::{Case, TestEnv};
use crate::setup::NGTCP2_CLIENT;

const ASKS: &str = "qecho server --client-ca home/qecho/ca/rootCA.pem";
const SHOWS: &str = "message_client.py --cert me.pem --key me-key.pem";
const FOR_CLIENTS: &str = "--client";

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "aioquic client is let in by its certificate, and not without, nor by a session",
            |env| {
                make_certificate(env, FOR_CLIENTS)?;
                let server = env.server(ASKS)?;
                let client = env.client(&server, SHOWS)?;
                client.succeeds(&["done, sessions to resume: 0"])?;
                let client = env.client(&server, "message_client.py")?;
                client.fails(&["the client sent no certificate"])?;
                server.ends_well()?;
                // The same client does get sessions where nobody asks for a certificate.
                let server = env.server("qecho server")?;
                let client = env.client(&server, "message_client.py")?.exits(0)?;
                let none = client.stdout.contains("sessions to resume: 0");
                ensure!(!none, "no session where there should be some");
                server.ends_well()
            },
        ),
        Case::new(
            "aioquic client is refused with a certificate that is for servers",
            |env| {
                make_certificate(env, "")?;
                let server = env.server(ASKS)?;
                let client = env.client(&server, SHOWS)?;
                client.fails(&["is not meant for a client"])?;
                server.ends_well()
            },
        ),
        Case::new(
            "ngtcp2 client (GnuTLS) is let in by its certificate, and not without",
            |env| {
                make_certificate(env, FOR_CLIENTS)?;
                // Nobody waits for a client that speaks HTTP.
                let any = "--alpn any --messages always --drain 100ms";
                let server = env.server(&format!("{ASKS} {any}"))?;
                let port = &server.port;
                let client = |shown: &str| {
                    let options = format!("--no-quic-dump --no-http-dump {shown}");
                    let place = format!("127.0.0.1 {port} https://localhost:{port}/");
                    env.begin(&format!("gtlsclient {options} {place}"))
                };
                let _let_in = client("--cert=me.pem --key=me-key.pem")?;
                server.child.says("\"connected\"")?;
                let _refused = client("")?;
                server.child.says("the client sent no certificate")?;
                server.ends_well()
            },
        )
        .with(&NGTCP2_CLIENT),
        Case::new(
            "qecho client shows its certificate to an aioquic server that asks, and echoes without",
            |env| {
                make_certificate(env, FOR_CLIENTS)?;
                let server = env.server("asking_server.py --alpn echo")?;
                let shown = "--cert me.pem --key me-key.pem";
                for (shown, names) in [(shown, r#"["ada.test"]"#), ("", "null")] {
                    let client = env.client(&server, &format!("qecho client -m a {shown}"))?;
                    client.succeeds(&["a"])?;
                    server.child.says(&format!(r#""names": {names}"#))?;
                }
                server.ends_well()
            },
        ),
    ]
}

/// Makes a certificate of `qecho cert`'s CA, in `me.pem`.
fn make_certificate(env: &TestEnv, more: &str) -> Result<()> {
    let files = "--cert-file me.pem --key-file me-key.pem";
    let new = format!("qecho cert new ada.test {files} {more}");
    env.run(&new)?.exits(0).map(drop)
}
