//! A home of its own for each test, in which nobody's own settings are found.

use std::{
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Done, Launch, Running};

/// The folders that one test's processes live in.
#[derive(Debug)]
pub(crate) struct Stage(TempDir);

/// A server that has said where it listens.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Running,
    /// Its first line.
    pub(crate) listening: Value,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let stage = Self(tempfile::tempdir().expect("there is room for a folder"));
        fs::create_dir(stage.home()).expect("the folder takes folders");
        stage
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Returns the path of a file beside the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file beside the home.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the folder takes files");
        path
    }

    /// Prepares a command whose folders are all the stage's.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let home = self.home();
        for (variable, folder) in [
            ("HOME", ""),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CONFIG_HOME", "config"),
            ("CAROOT", "caroot"),
            ("QECHO_HOME", "qecho"),
        ] {
            command.env(variable, home.join(folder));
        }
        command
            .env_remove("SSLKEYLOGFILE")
            .env_remove("NO_COLOR")
            .current_dir(&home);
        command
    }

    /// Prepares `qecho` with its arguments, one for each word.
    pub(crate) fn qecho(&self, arguments: &str) -> Launch {
        let mut command = self.command(env!("CARGO_BIN_EXE_qecho"));
        command.args(arguments.split_whitespace());
        Launch::new(command)
    }

    /// Starts a server on a free port and waits until it listens.
    pub(crate) fn server(&self, arguments: &str) -> Server {
        self.await_server(self.qecho(&format!(
            "server --format json --listen localhost:0 {arguments}"
        )))
    }

    /// Starts a server and waits for its first line, which must be JSON.
    pub(crate) fn await_server(&self, launch: Launch) -> Server {
        let process = launch.start();
        let line = process.stdout.line(0);
        let listening = serde_json::from_str(&line).expect("the first line is JSON");
        Server { process, listening }
    }

    /// Prepares a client of a server, with its arguments, one for each word.
    pub(crate) fn client(&self, server: &Server, arguments: &str) -> Launch {
        self.qecho(&format!("client {} {arguments}", server.place()))
    }
}

impl Server {
    /// Returns what a client is told to reach it. This is no name, which may have two
    /// addresses: a client on a busy machine tries both.
    pub(crate) fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        port(self.listening["addresses"][0].as_str().expect("a text"))
    }

    /// Returns the pin that a client asks for.
    pub(crate) fn pin(&self) -> String {
        let digest = self.listening["spki_sha256"].as_str().expect("a text");
        format!("sha256:{digest}")
    }

    /// Waits for an event that a server with `--messages always` tells of.
    pub(crate) fn event(&self, name: &str) -> Value {
        let line = self
            .process
            .stdout
            .line_with(&format!(r#""event":"{name}""#));
        serde_json::from_str(&line).expect("every line is JSON")
    }

    /// Ends the server, which must end well, and returns its last line.
    pub(crate) fn ends_well(self) -> Value {
        self.process.terminate();
        let done = self.process.done();
        done.exits(0);
        last_event(&done)
    }
}

/// A UDP port of 127.0.0.1 on which nobody listens, and which nobody else can take.
#[derive(Debug)]
pub(crate) struct VacantPort(UdpSocket);

impl VacantPort {
    pub(crate) fn keep() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
        // A socket that is connected hears nobody else: to all others the system
        // says that the port is closed.
        socket
            .connect("127.0.0.1:9")
            .expect("loopback has all ports");
        Self(socket)
    }

    pub(crate) fn number(&self) -> u16 {
        self.0.local_addr().expect("it is bound").port()
    }
}

/// Returns the port of an address in its usual form.
pub(crate) fn port(address: &str) -> u16 {
    let (_, port) = address.rsplit_once(':').expect("a port follows a colon");
    port.parse().expect("a port is a number")
}

/// Returns every line of the output as the JSON object that it must be.
pub(crate) fn events(done: &Done) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).expect("every line is JSON");
    done.stdout.lines().map(parse).collect()
}

/// Returns the last of the output's events.
pub(crate) fn last_event(done: &Done) -> Value {
    events(done).pop().expect("there is an event")
}
