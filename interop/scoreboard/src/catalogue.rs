//! The stacks that are judged, and how each is had, started and named.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fs, iter};

use anyhow::{Context, Result};
use bench_harness::package::{self, Package};
use qecho_probe::conform::Side;
use xtask::setup::{CADDY, NGTCP2_CLIENT, NGTCP2_SERVER, Program};
use xtask::{process, setup, workspace};

use crate::ground::Ground;

const QUESTION_LIMIT: Duration = Duration::from_secs(10);

/// Endpoint of somebody's stack.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    recipe: Recipe,
    pub(crate) alpn: &'static str,
    /// Program that was run and its settings, for the page.
    pub(crate) program: &'static str,
    /// Whether it is among those that are tried again and again for steadiness.
    pub(crate) is_for_steadiness: bool,
}

/// Source that a stack comes from.
#[derive(Clone, Copy, Debug)]
enum Recipe {
    /// Program of this workspace.
    Qecho,
    /// Package in `bench/peers`, with arguments beside those that all of them take.
    Package(Package, &'static [&'static str]),
    /// Script on aioquic, from the root.
    Aioquic(&'static str, &'static [&'static str]),
    /// Programs of Debian's packages.
    Ngtcp2,
    Caddy,
}

/// Stacks in the order of the page.
pub(crate) const STACKS: &[Stack] = &[
    Stack {
        name: "qecho",
        side: Side::Server,
        recipe: Recipe::Qecho,
        program: "`qecho server` as it comes",
        ..Stack::ANY
    },
    Stack {
        name: "quinn",
        side: Side::Server,
        recipe: Recipe::Package(package::QUINN, &[]),
        program: "`bench/peers/quinn`: rustls, quinn's own settings but for the idle timeout",
        is_for_steadiness: true,
        ..Stack::ANY
    },
    Stack {
        name: "s2n-quic",
        side: Side::Server,
        recipe: Recipe::Package(package::S2N_QUIC, &[]),
        program: "`bench/peers/s2n-quic`: its rustls provider, windows of 1 MiB a stream and \
                  4 MiB a connection, 100 streams",
        is_for_steadiness: true,
        ..Stack::ANY
    },
    Stack {
        name: "quiche",
        side: Side::Server,
        recipe: Recipe::Package(package::QUICHE, LARGE_PAYLOADS),
        program: "`bench/peers/quiche`: BoringSSL, an event loop of ours that answers unknown \
                  versions; 100 bidirectional streams, no unidirectional ones",
        is_for_steadiness: true,
        ..Stack::ANY
    },
    Stack {
        name: "tquic",
        side: Side::Server,
        recipe: Recipe::Package(package::TQUIC, LARGE_PAYLOADS),
        program: "`bench/peers/tquic`: BoringSSL, an event loop of ours, 100 bidirectional streams",
        ..Stack::ANY
    },
    Stack {
        name: "msquic",
        side: Side::Server,
        recipe: Recipe::Package(package::MSQUIC, &[]),
        program: "`bench/peers/msquic`: quictls, windows of 1 MiB a stream and 4 MiB a \
                  connection, 100 bidirectional streams",
        ..Stack::ANY
    },
    Stack {
        name: "aioquic",
        side: Side::Server,
        recipe: Recipe::Aioquic(
            "bench/peers/aioquic/server.py",
            &["--send-payload-max=1200"],
        ),
        program: "`bench/peers/aioquic/server.py`: aioquic's own packets of 1,200 bytes",
        is_for_steadiness: true,
        ..Stack::ANY
    },
    Stack {
        name: "ngtcp2",
        side: Side::Server,
        recipe: Recipe::Ngtcp2,
        alpn: "h3",
        program: "`gtlsserver` of Debian 12, on GnuTLS, as it comes",
        is_for_steadiness: true,
    },
    Stack {
        name: "caddy",
        side: Side::Server,
        recipe: Recipe::Caddy,
        alpn: "h3",
        program: "`caddy` of Debian 12, on quic-go, with one site",
        ..Stack::ANY
    },
    Stack {
        name: "qecho",
        side: Side::Client,
        recipe: Recipe::Qecho,
        program: "`qecho client`, one message",
        ..Stack::ANY
    },
    Stack {
        name: "quinn",
        side: Side::Client,
        recipe: Recipe::Package(package::QUINN, &[]),
        program: "`bench/peers/quinn`, `client-quinn`: rustls, quinn's own settings, one message",
        ..Stack::ANY
    },
    Stack {
        name: "s2n-quic",
        side: Side::Client,
        recipe: Recipe::Package(package::S2N_QUIC, &[]),
        program: "`bench/peers/s2n-quic`, `client-s2n-quic`: its rustls provider, its own \
                  settings, one message",
        ..Stack::ANY
    },
    Stack {
        name: "quiche",
        side: Side::Client,
        recipe: Recipe::Package(package::QUICHE, &[]),
        program: "`bench/peers/quiche`, `client-quiche`: BoringSSL, an event loop of ours, one \
                  message",
        ..Stack::ANY
    },
    Stack {
        name: "aioquic",
        side: Side::Client,
        recipe: Recipe::Aioquic("interop/peers/message_client.py", &[]),
        program: "`interop/peers/message_client.py`, one message",
        ..Stack::ANY
    },
    Stack {
        name: "ngtcp2",
        side: Side::Client,
        recipe: Recipe::Ngtcp2,
        alpn: "h3",
        program: "`gtlsclient` of Debian 12, on GnuTLS, one request",
        ..Stack::ANY
    },
];

/// As their users have it who set nothing: all that there can be.
const LARGE_PAYLOADS: &[&str] = &["--receive-payload-max", "65527"];

impl Stack {
    const ANY: Self = Self {
        name: "",
        side: Side::Server,
        recipe: Recipe::Qecho,
        alpn: "echo",
        program: "",
        is_for_steadiness: false,
    };

    /// Returns its name among servers and clients: `aioquic client`.
    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.name, self.side)
    }

    /// Brings it onto this machine; returns its version.
    ///
    /// # Errors
    /// It cannot be had here.
    pub(crate) fn obtain(&self) -> Result<String> {
        match self.recipe {
            Recipe::Qecho => package::locked_version(&workspace::root(), "qecho"),
            Recipe::Package(package, _) => package.build(),
            Recipe::Aioquic(..) => setup::make_python().and_then(|()| setup::aioquic_version()),
            Recipe::Ngtcp2 => match self.side {
                Side::Server => debian("ngtcp2-server", NGTCP2_SERVER),
                Side::Client => debian("ngtcp2-client", NGTCP2_CLIENT),
            },
            Recipe::Caddy => debian("caddy", CADDY),
        }
    }

    /// Returns what starts it as a server on a port of 127.0.0.1.
    ///
    /// # Errors
    /// A file of settings cannot be written.
    pub(crate) fn server(&self, ground: &Ground, port: u16) -> Result<Vec<OsString>> {
        let (certificate, key) = (ground.certificate(), ground.key());
        let words: Vec<OsString> = match self.recipe {
            Recipe::Qecho => vec![ground.qecho().into(), "server".into()],
            Recipe::Package(package, more) => {
                let program = iter::once(package.binary("peer").into());
                program.chain(more.iter().map(Into::into)).collect()
            }
            Recipe::Aioquic(script, more) => {
                let program = [setup::python(), workspace::root().join(script)];
                let program = program.map(OsString::from).into_iter();
                program.chain(more.iter().map(Into::into)).collect()
            }
            Recipe::Ngtcp2 => {
                let mut words = words(&format!("gtlsserver --quiet 127.0.0.1 {port}"));
                words.extend([key.into(), certificate.into()]);
                return Ok(words);
            }
            Recipe::Caddy => return caddy(ground, port),
        };
        let listen = format!("127.0.0.1:{port}");
        let rest = [
            "--listen".into(),
            listen.into(),
            "--cert".into(),
            certificate.into(),
        ];
        let key = ["--key".into(), key.into()];
        Ok(words.into_iter().chain(rest).chain(key).collect())
    }

    /// Returns what runs it as a client once, with places for host, port, CA and protocol.
    pub(crate) fn client(&self, ground: &Ground) -> Vec<OsString> {
        match self.recipe {
            Recipe::Qecho => {
                let mut words =
                    words("qecho client {host}:{port} --ca {ca} --alpn {alpn} -m hello");
                words[0] = ground.qecho().into();
                words
            }
            Recipe::Package(package, more) => {
                let mut words = words("client {host}:{port} {ca} {alpn}");
                words[0] = package.binary("client").into();
                words.extend(more.iter().map(Into::into));
                words
            }
            Recipe::Aioquic(script, more) => {
                let mut words = words("python script {host} --port {port} --ca {ca} --alpn {alpn}");
                words[0] = setup::python().into();
                words[1] = workspace::root().join(script).into();
                words.extend(more.iter().map(Into::into));
                words
            }
            Recipe::Ngtcp2 => words(
                "gtlsclient --quiet --exit-on-all-streams-close {host} {port} \
                 https://localhost:{port}/",
            ),
            Recipe::Caddy => Vec::new(),
        }
    }
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// Brings a program of Debian; returns its version as Debian has it.
fn debian(name: &str, program: Program) -> Result<String> {
    setup::obtain(&[program])?;
    let mut question = Command::new("dpkg-query");
    question.args(["--show", "--showformat", "${Version}", name]);
    process::answer(question, QUESTION_LIMIT)
}

fn caddy(ground: &Ground, port: u16) -> Result<Vec<OsString>> {
    let shown = |path: &Path| path.display().to_string();
    let tls = format!(
        "tls {} {}",
        shown(&ground.certificate()),
        shown(&ground.key())
    );
    let settings = format!(
        "{{\n admin off\n auto_https off\n}}\nhttps://localhost:{port} {{\n bind 127.0.0.1\n \
         {tls}\n respond \"hello\"\n}}\n"
    );
    let file = ground.folder().join(format!("Caddyfile-{port}"));
    fs::write(&file, settings).context("cannot write caddy's settings")?;
    let mut line = words("caddy run --adapter caddyfile --config");
    line.push(file.into());
    Ok(line)
}
