//! The environment of one case: a home of its own, a deadline, and ways to start servers and
//! clients. What is started is written as one would type it, with spaces between the words.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::home::Home;
use xtask::{clock, setup, workspace};

use super::child::{Child, Output, Transcript};

/// Makes key.pem and cert.pem as the text of examples/python says.
const EXAMPLE_CERTIFICATE: &str = "openssl req -x509 -newkey ec -pkeyopt \
    ec_paramgen_curve:P-256 -nodes -days 13 -keyout key.pem -out cert.pem -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 \
    -addext basicConstraints=critical,CA:FALSE";

/// Folder, deadline and transcript of one case, which its processes share.
#[derive(Debug)]
pub(crate) struct TestEnv {
    home: Home,
    binary: PathBuf,
    limit: Duration,
    deadline: Cell<Instant>,
    /// Lines of all processes.
    pub(super) transcript: Transcript,
}

/// Server that listens on 127.0.0.1.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) child: Child,
    /// Port, for a command line.
    pub(super) port: String,
    /// File of the certificates to trust.
    ca: String,
}

impl TestEnv {
    /// Makes the environment of a case that must end within `limit`: an empty folder in which
    /// nobody's own settings are found.
    pub(crate) fn new(name: &str, binary: &Path, limit: Duration) -> Result<Self> {
        Ok(Self {
            home: Home::new(name)?,
            binary: binary.to_path_buf(),
            limit,
            deadline: Cell::new(clock::now() + limit),
            transcript: Transcript::default(),
        })
    }

    /// Gives those who are started from now on as much time as if the case began now.
    pub(super) fn begin_again(&self) {
        self.deadline.set(clock::now() + self.limit);
    }

    /// Returns the folder in which all processes run.
    pub(super) fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// Starts a server on a free port: `qecho server`, a script of interop/peers or the one in
    /// examples/python.
    pub(super) fn server(&self, line: &str) -> Result<Server> {
        let (program, arguments) = split(line);
        let mut command = self.command(program);
        let mut ca = self.ca();
        if program == "qecho" {
            // With --cert it knows no CA; then it is the one of `qecho cert`.
            command.args(&arguments);
            command.args(["--format", "json", "--listen", "127.0.0.1:0"]);
        } else if program.contains('/') {
            self.run(EXAMPLE_CERTIFICATE)?.exits(0)?;
            command.args(["--port", "0", "--cert", "cert.pem", "--key", "key.pem"]);
            command.args(&arguments);
            ca = self
                .folder()
                .join("cert.pem")
                .to_string_lossy()
                .into_owned();
        } else {
            // Without --cert it makes a certificate of its own, and says where.
            if !arguments.contains(&"--cert") {
                command.args(["--write-cert", "peer-ca.pem"]);
            }
            command.args(&arguments);
        }
        self.listening(&label(program, &arguments), command, &ca)
    }

    /// Starts `qecho relay` to a server, in whose place it stands from now on.
    pub(super) fn relay(&self, server: &Server, arguments: &str) -> Result<Server> {
        let mut command = Command::new(&self.binary);
        command
            .args(["relay", "--format", "json", "--listen", "127.0.0.1:0"])
            .args(["--to", &format!("127.0.0.1:{}", server.port)])
            .args(arguments.split_whitespace());
        self.listening("qecho relay", command, &server.ca)
    }

    /// Starts a server of other make on a port of 127.0.0.1, with the files that
    /// `qecho cert` made, and waits until it says `ready`, if anything, and answers.
    pub(super) fn other_server(&self, line: &str, port: &str, ready: &str) -> Result<Server> {
        let child = self.begin(line)?;
        if !ready.is_empty() {
            child.says(ready)?;
        }
        let server = Server {
            child,
            port: port.to_owned(),
            ca: self.ca(),
        };
        let answers = "qecho ping --over vn -n 1 --timeout 100ms";
        while self.client(&server, answers)?.exits(0).is_err() {
            ensure!(!server.child.has_ended(), "{line}: it has ended");
            let in_time = clock::now() < self.deadline.get();
            ensure!(in_time, "{line}: it does not answer");
        }
        Ok(server)
    }

    /// Runs a client of a server, whose certificate it trusts, to its end: `qecho client`, `ping`
    /// or `bench`, a script of interop/peers or the one in examples/python.
    pub(super) fn client(&self, server: &Server, line: &str) -> Result<Output> {
        let (program, arguments) = split(line);
        let Server { port, ca, .. } = server;
        let mut command = self.command(program);
        let (place, port) = (format!("localhost:{port}"), port.as_str());
        let rest = match arguments.split_first() {
            Some((what, rest)) if program == "qecho" => {
                command.args([what, place.as_str(), "--ca", ca]);
                rest
            }
            _ if program.ends_with(".mjs") => {
                command.arg(setup::node_modules()).args([port, ca]);
                &[]
            }
            _ => {
                command.args(["localhost", "--port", port, "--ca", ca]);
                &arguments
            }
        };
        command.args(rest);
        self.start(&label(program, &arguments), command)?.finish()
    }

    /// Runs `qecho client` to verify the echo of so many bytes of a pipe.
    pub(super) fn client_of(&self, server: &Server, bytes: usize, more: &str) -> Result<Output> {
        let pipe = format!("head -c {bytes} /dev/urandom | \"$0\" client --verify \"$@\"");
        let place = format!("localhost:{}", server.port);
        let mut command = Command::new("sh");
        command.args(["-c", &pipe]).arg(&self.binary);
        command.args([&place, "--ca", &server.ca]);
        command.args(more.split_whitespace());
        self.start("qecho client", command)?.finish()
    }

    /// Makes c.pem and k.pem for localhost.
    pub(super) fn certificate(&self) -> Result<()> {
        let line = "qecho cert new localhost 127.0.0.1 --cert-file c.pem --key-file k.pem";
        self.run(line)?.exits(0).map(drop)
    }

    /// Runs any program to its end.
    pub(super) fn run(&self, line: &str) -> Result<Output> {
        self.begin(line)?.finish()
    }

    /// Starts any program.
    pub(super) fn begin(&self, line: &str) -> Result<Child> {
        let (program, arguments) = split(line);
        self.begin_with(program, &arguments)
    }

    /// Starts any program with arguments that may have spaces.
    pub(super) fn begin_with(&self, program: &str, arguments: &[&str]) -> Result<Child> {
        let mut command = self.command(program);
        command.args(arguments);
        self.start(&label(program, arguments), command)
    }

    /// Returns where the CA of `qecho cert` lies.
    fn ca(&self) -> String {
        let file = self.folder().join("home/qecho/ca/rootCA.pem");
        file.to_string_lossy().into_owned()
    }

    /// Makes the command of a program: ours, a script, or one that is on the PATH.
    fn command(&self, program: &str) -> Command {
        let is_path = program.contains('/');
        let folder = if is_path { "" } else { "interop/peers" };
        let script = workspace::root().join(folder).join(program);
        let interpreter = match program.rsplit_once('.') {
            Some((_, "py")) => setup::python(),
            Some((_, "mjs")) => "node".into(),
            _ if program == "qecho" => return Command::new(&self.binary),
            _ => return Command::new(program),
        };
        let mut command = Command::new(interpreter);
        command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn start(&self, label: &str, mut command: Command) -> Result<Child> {
        self.home.confine(&mut command);
        Child::start(label, command, self.deadline.get(), &self.transcript)
    }

    /// Starts a server and waits for the line that says where it listens.
    fn listening(&self, label: &str, command: Command, ca: &str) -> Result<Server> {
        let child = self.start(label, command)?;
        let line = child.says("{\"event\":")?;
        let listening: Value = serde_json::from_str(&line)
            .with_context(|| format!("{label}: its first line is no JSON"))?;
        let port = port(&listening).with_context(|| format!("{label}: no port in {line}"))?;
        Ok(Server {
            child,
            port: port.to_string(),
            ca: listening["ca"].as_str().unwrap_or(ca).to_owned(),
        })
    }
}

impl Server {
    /// Asks the server to end, and expects that it does so with 0.
    pub(super) fn ends_well(self) -> Result<()> {
        self.child.stop()?.exits(0).map(drop)
    }

    /// Ends one of ours like that, and returns what it counted.
    pub(super) fn counts(self) -> Result<Value> {
        let output = self.child.stop()?.exits(0)?;
        let line = output.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).with_context(|| format!("{line:?} is no JSON"))
    }
}

/// Returns the program of a line and its arguments.
fn split(line: &str) -> (&str, Vec<&str>) {
    let mut words = line.split_whitespace();
    (words.next().unwrap_or_default(), words.collect())
}

/// Returns the name of a process in the transcript.
fn label(program: &str, arguments: &[&str]) -> String {
    match (program, arguments) {
        ("qecho", [command, ..]) => format!("qecho {command}"),
        _ => program.rsplit('/').next().unwrap_or(program).to_owned(),
    }
}

/// Reads `port` (the Python peers) or the first of `addresses` (ours).
fn port(listening: &Value) -> Option<u16> {
    let theirs = || u16::try_from(listening["port"].as_u64()?).ok();
    let ours = || {
        let address: SocketAddr = listening["addresses"][0].as_str()?.parse().ok()?;
        Some(address.port())
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
