//! The stage of one case: a home of its own, a deadline, and ways to start the players.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::peer::{Done, Peer, Transcript};
use crate::{clock, setup, workspace};

/// What the players of one case share.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: PathBuf,
    binary: PathBuf,
    limit: Duration,
    deadline: Cell<Instant>,
    transcript: Transcript,
}

/// A server that listens on 127.0.0.1.
#[derive(Debug)]
pub(crate) struct Server {
    peer: Peer,
    port: String,
    /// The certificates to trust.
    ca: String,
}

impl Stage {
    /// Makes an empty folder in which nobody's own settings are found.
    pub(crate) fn new(name: &str) -> Result<Self> {
        Self::set(name, &workspace::release_binary(), Duration::ZERO)
    }

    /// Makes the stage of a case that must end within `limit`.
    pub(super) fn set(name: &str, binary: &Path, limit: Duration) -> Result<Self> {
        let unfit = |char: char| !char.is_ascii_alphanumeric();
        let folder = workspace::target()
            .join("interop")
            .join(name.replace(unfit, "-"));
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(folder.join("home"))
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let binary = binary.to_path_buf();
        let deadline = Cell::new(clock::now() + limit);
        Ok(Self {
            folder,
            binary,
            limit,
            deadline,
            transcript: Transcript::default(),
        })
    }

    /// Gives those who are started from now on as much time as if the case began now.
    pub(super) fn begin_again(&self) {
        self.deadline.set(clock::now() + self.limit);
    }

    /// Lets a command see the stage's folders only, in place of the person's.
    pub(crate) fn move_in(&self, command: &mut Command) {
        let home = self.folder.join("home");
        for (variable, folder) in [
            ("HOME", ""),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_STATE_HOME", "state"),
            ("CAROOT", "caroot"),
            ("QECHO_HOME", "qecho"),
        ] {
            command.env(variable, home.join(folder));
        }
        command
            .env_remove("SSLKEYLOGFILE")
            .current_dir(&self.folder);
    }

    /// Starts `qecho server` on a free port.
    pub(super) fn qecho_server(&self, arguments: &[&str]) -> Result<Server> {
        let mut command = Command::new(&self.binary);
        command
            .args(["server", "--format", "json", "--listen", "127.0.0.1:0"])
            .args(arguments);
        // With --cert it knows no CA; then it is the one of `qecho cert`.
        self.server("qecho server", command, &self.ca())
    }

    /// Returns where the CA of `qecho cert` lies.
    fn ca(&self) -> String {
        let file = self.folder.join("home/qecho/ca/rootCA.pem");
        file.to_string_lossy().into_owned()
    }

    /// Runs `qecho cert` to its end.
    pub(super) fn qecho_cert(&self, arguments: &[&str]) -> Result<Done> {
        let mut command = Command::new(&self.binary);
        command.arg("cert").args(arguments);
        self.start("qecho cert", command)?.finish()
    }

    /// Runs `qecho client` against a server, trusting that server's certificate.
    pub(super) fn qecho_client(&self, server: &Server, arguments: &[&str]) -> Result<Done> {
        self.qecho("client", server, arguments)
    }

    /// Runs `qecho ping` of a server, trusting that server's certificate.
    pub(super) fn qecho_ping(&self, server: &Server, arguments: &[&str]) -> Result<Done> {
        self.qecho("ping", server, arguments)
    }

    /// Runs `qecho bench` against a server, trusting that server's certificate.
    pub(super) fn qecho_bench(&self, server: &Server, arguments: &[&str]) -> Result<Done> {
        self.qecho("bench", server, arguments)
    }

    /// Starts `qecho relay` to a server, in whose place it stands from now on.
    pub(super) fn qecho_relay(&self, server: &Server, arguments: &[&str]) -> Result<Server> {
        let mut command = Command::new(&self.binary);
        command
            .args(["relay", "--format", "json", "--listen", "127.0.0.1:0"])
            .args(["--to", &format!("127.0.0.1:{}", server.port)])
            .args(arguments);
        self.server("qecho relay", command, &server.ca)
    }

    fn qecho(&self, what: &str, server: &Server, arguments: &[&str]) -> Result<Done> {
        let mut command = Command::new(&self.binary);
        command.args([
            what,
            &format!("localhost:{}", server.port),
            "--ca",
            &server.ca,
        ]);
        command.args(arguments);
        self.start(&format!("qecho {what}"), command)?.finish()
    }

    /// Runs `qecho client` like that, to verify the echo of so many bytes of a pipe.
    pub(super) fn qecho_client_of(
        &self,
        server: &Server,
        bytes: usize,
        arguments: &[&str],
    ) -> Result<Done> {
        let pipe = format!("head -c {bytes} /dev/urandom | \"$0\" client --verify \"$@\"");
        let place = format!("localhost:{}", server.port);
        let mut command = Command::new("sh");
        command.args(["-c", &pipe]).arg(&self.binary);
        command.args([&place, "--ca", &server.ca]).args(arguments);
        self.start("qecho client", command)?.finish()
    }

    /// Runs `qecho trace`.
    pub(super) fn qecho_trace(&self, arguments: &[&str]) -> Result<Done> {
        let mut command = Command::new(&self.binary);
        command.arg("trace").args(arguments);
        self.start("qecho trace", command)?.finish()
    }

    /// Starts one of the servers in interop/peers, with a certificate of its own making.
    pub(super) fn peer_server(&self, script: &str, arguments: &[&str]) -> Result<Server> {
        let mut command = self.python(&format!("interop/peers/{script}"));
        command
            .arg("--write-cert")
            .arg(self.folder.join("peer-ca.pem"))
            .args(arguments);
        self.server(script, command, "")
    }

    /// Starts such a server with the files that `qecho cert` made: c.pem and k.pem.
    pub(super) fn peer_server_with_cert(&self, script: &str) -> Result<Server> {
        let mut command = self.python(&format!("interop/peers/{script}"));
        command.args(["--alpn", "echo", "--cert", "c.pem", "--key", "k.pem"]);
        self.server(script, command, &self.ca())
    }

    /// Makes c.pem and k.pem for localhost.
    pub(super) fn certificate(&self) -> Result<()> {
        let files = ["--cert-file", "c.pem", "--key-file", "k.pem"];
        let new = [&["new", "localhost", "127.0.0.1"][..], &files].concat();
        self.qecho_cert(&new)?.exits(0).map(drop)
    }

    /// Starts a server of other make on a port of 127.0.0.1, with the files that
    /// `qecho cert` made, and waits until it says so or else until it answers.
    pub(super) fn other_server(
        &self,
        program: &str,
        arguments: &[&str],
        port: &str,
        ready: Option<&str>,
    ) -> Result<Server> {
        let peer = self.begin(program, arguments)?;
        if let Some(words) = ready {
            peer.says(words)?;
        }
        let server = Server {
            peer,
            port: port.to_owned(),
            ca: self.ca(),
        };
        let answers = ["--over", "vn", "-n", "1", "--timeout", "100ms"];
        while self.qecho_ping(&server, &answers)?.exits(0).is_err() {
            ensure!(!server.peer.has_ended(), "{program} has ended");
            ensure!(
                clock::now() < self.deadline.get(),
                "{program} does not answer"
            );
        }
        Ok(server)
    }

    /// Runs one of the clients in interop/peers.
    pub(super) fn peer_client(
        &self,
        script: &str,
        server: &Server,
        arguments: &[&str],
    ) -> Result<Done> {
        self.python_client(&format!("interop/peers/{script}"), server, arguments)
    }

    /// Runs one of the clients in interop/peers that are for Node.
    pub(super) fn node_client(&self, script: &str, server: &Server) -> Result<Done> {
        let mut command = Command::new("node");
        command
            .arg(workspace::root().join("interop/peers").join(script))
            .arg(setup::node_modules())
            .args([&server.port, &server.ca]);
        self.start(script, command)?.finish()
    }

    /// Starts the server in examples/python, with a certificate made as its text says.
    pub(super) fn example_server(&self, arguments: &[&str]) -> Result<Server> {
        self.run(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "13",
                "-keyout",
                "key.pem",
                "-out",
                "cert.pem",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ],
        )?
        .exits(0)?;
        let mut command = self.python("examples/python/echo_server.py");
        command
            .args(["--port", "0", "--cert", "cert.pem", "--key", "key.pem"])
            .args(arguments);
        let ca = self.folder.join("cert.pem");
        self.server("echo_server.py", command, &ca.to_string_lossy())
    }

    /// Runs the client in examples/python.
    pub(super) fn example_client(&self, server: &Server, arguments: &[&str]) -> Result<Done> {
        self.python_client("examples/python/echo_client.py", server, arguments)
    }

    /// Runs any program to its end.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> Result<Done> {
        self.begin(program, arguments)?.finish()
    }

    /// Starts any program.
    pub(super) fn begin(&self, program: &str, arguments: &[&str]) -> Result<Peer> {
        let mut command = Command::new(program);
        command.args(arguments);
        self.start(program, command)
    }

    /// Returns the folder in which all players run.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns what all players said.
    pub(super) fn transcript(&self) -> String {
        self.transcript.tail()
    }

    fn python_client(&self, script: &str, server: &Server, arguments: &[&str]) -> Result<Done> {
        let mut command = self.python(script);
        command
            .args(["localhost", "--port", &server.port, "--ca", &server.ca])
            .args(arguments);
        let label = script.rsplit('/').next().unwrap_or(script);
        self.start(label, command)?.finish()
    }

    fn python(&self, script: &str) -> Command {
        let mut command = Command::new(setup::python());
        command
            .arg(workspace::root().join(script))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn start(&self, label: &str, mut command: Command) -> Result<Peer> {
        self.move_in(&mut command);
        Peer::start(label, command, self.deadline.get(), &self.transcript)
    }

    /// Starts a server and waits for the line that says where it listens.
    fn server(&self, label: &str, command: Command, ca: &str) -> Result<Server> {
        let peer = self.start(label, command)?;
        let line = peer.says("{\"event\":")?;
        let listening: Value = serde_json::from_str(&line)
            .with_context(|| format!("{label}: its first line is no JSON"))?;
        let port = port(&listening).with_context(|| format!("{label}: no port in {line}"))?;
        let ca = listening["ca"].as_str().unwrap_or(ca).to_owned();
        ensure!(!ca.is_empty(), "{label}: no CA in {line}");
        Ok(Server {
            peer,
            port: port.to_string(),
            ca,
        })
    }
}

impl Server {
    /// Returns the port, for a command line.
    pub(super) fn port(&self) -> &str {
        &self.port
    }

    /// Waits until the server says some words, and returns their line.
    pub(super) fn says(&self, words: &str) -> Result<String> {
        self.peer.says(words)
    }

    /// Asks the server to end, and expects that it does so with 0.
    pub(super) fn ends_well(self) -> Result<()> {
        self.peer.stop()?.exits(0).map(drop)
    }

    /// Ends one of ours like that, and returns what it counted.
    pub(super) fn counts(self) -> Result<Value> {
        let done = self.peer.stop()?.exits(0)?;
        let line = done.stdout().lines().last().unwrap_or_default();
        serde_json::from_str(line).with_context(|| format!("{line:?} is no JSON"))
    }
}

/// Reads `port` (the Python peers) or the first of `addresses` (ours).
fn port(listening: &Value) -> Option<u16> {
    let theirs = || u16::try_from(listening["port"].as_u64()?).ok();
    let ours = || {
        Some(
            listening["addresses"][0]
                .as_str()?
                .parse::<SocketAddr>()
                .ok()?
                .port(),
        )
    };
    theirs().or_else(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_their_line_and_from_ours() {
        let read = |line: &str| port(&serde_json::from_str(line).expect("it is JSON"));
        assert_eq!(read(r#"{"event":"listening","port":4433}"#), Some(4433));
        let ours = r#"{"event":"listening","addresses":["127.0.0.1:4434","[::1]:4434"]}"#;
        assert_eq!(read(ours), Some(4434));
        assert_eq!(read("{}"), None);
    }
}
