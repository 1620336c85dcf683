//! The ground on which stacks are judged: the program of this workspace, a home of their own, a
//! certificate for everybody, and servers on ports that nobody else has.

use std::ffi::OsString;
use std::fs::File;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use xtask::home::Home;
use xtask::process::{self, Group};
use xtask::workspace::Profile;

use crate::catalogue::Stack;

/// Time for a certificate to be made.
const CERTIFICATE_LIMIT: Duration = Duration::from_secs(30);
/// Handshakes that are tried with a server that has been started, and the time for each.
const LOOKS_MAX: u32 = 60;
const LOOK_LIMIT: Duration = Duration::from_secs(10);
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// Runs a server again whenever it ends: one that has crashed takes no further verdict with it.
const AGAIN: &str = r#"while :; do "$@"; sleep 0.2; done"#;

/// Program, home and certificate that all trials share.
#[derive(Debug)]
pub(crate) struct Ground {
    qecho: PathBuf,
    home: Home,
}

/// Server that listens; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    /// Address that clients send to.
    pub(crate) address: String,
    _groups: Vec<Group>,
}

impl Ground {
    /// Builds the program, unless one is given, and makes a certificate in `target/interop/NAME`.
    ///
    /// # Errors
    /// One of both fails.
    pub(crate) fn prepare(name: &str, binary: Option<&Path>) -> Result<Self> {
        let qecho = match binary {
            Some(binary) => binary.to_owned(),
            None => {
                eprintln!("building qecho");
                Profile::Release.build()?;
                Profile::Release.binary()
            }
        };
        let home = Home::new(name)?;
        let ground = Self { qecho, home };
        let mut certificate = ground.command(ground.qecho());
        certificate.args(["cert", "new", "localhost", "127.0.0.1", "--short-lived"]);
        certificate.args(["--cert-file", "cert.pem", "--key-file", "key.pem"]);
        process::answer(certificate, CERTIFICATE_LIMIT)?;
        Ok(ground)
    }

    /// Returns the program that judges.
    pub(crate) fn qecho(&self) -> &Path {
        &self.qecho
    }

    /// Returns the folder in which everybody runs.
    pub(crate) fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// Returns the file of the certificate chain.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder().join("cert.pem")
    }

    /// Returns the file of its key.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder().join("key.pem")
    }

    /// Returns the file of the CA that signed it.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder().join("home/qecho/ca/rootCA.pem")
    }

    /// Makes a command that sees this ground only.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        self.home.confine(&mut command);
        command
    }

    /// Starts a server, behind a relay if there are arguments for one, and waits until a
    /// handshake with it succeeds. `name` names its log.
    ///
    /// # Errors
    /// It takes no handshake.
    pub(crate) fn serve(&self, stack: &Stack, relay: &[&str], name: &str) -> Result<Server> {
        let port = free_port()?;
        let mut groups = vec![self.start(stack.server(self, port)?, name)?];
        let mut address = format!("127.0.0.1:{port}");
        if !relay.is_empty() {
            let listen = format!("127.0.0.1:{}", free_port()?);
            let mut words: Vec<OsString> = vec![self.qecho.clone().into(), "relay".into()];
            words.extend(["--listen", &listen, "--to", &address].map(Into::into));
            words.extend(relay.iter().map(Into::into));
            groups.push(self.start(words, &format!("{name}-relay"))?);
            address = listen;
        }
        let server = Server {
            address,
            _groups: groups,
        };
        self.wait_for(stack, &server)?;
        Ok(server)
    }

    fn start(&self, words: Vec<OsString>, name: &str) -> Result<Group> {
        let log = self.folder().join(format!("{name}.log"));
        let log = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
        let mut command = self.command(Path::new("sh"));
        command.args(["-c", AGAIN, "sh"]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Group::spawn(command.stderr(log))
    }

    fn wait_for(&self, stack: &Stack, server: &Server) -> Result<()> {
        let mut said = String::new();
        for _ in 0..LOOKS_MAX {
            let mut ping = self.command(&self.qecho);
            ping.args(["ping", "-n", "1", "--over", "handshake"]);
            ping.args(["--alpn", stack.alpn, "--timeout", "2s"]);
            ping.arg("--ca").arg(self.ca()).arg(&server.address);
            let (ended, _, error) = process::capture(ping, LOOK_LIMIT)?;
            if ended.is_success() {
                return Ok(());
            }
            said = error;
            thread::sleep(LOOK_PAUSE);
        }
        bail!("it takes no handshake: {}", said.trim())
    }
}

/// Returns a port that nobody has just now.
fn free_port() -> Result<u16> {
    let socket = UdpSocket::bind("127.0.0.1:0").context("there is no free port")?;
    Ok(socket.local_addr()?.port())
}
