//! The environment of one test: folders in which nobody's own settings are found, servers
//! and relays on free ports, and what they have written.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Once, atomic::AtomicBool},
};

use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGQUIT};
use signal_hook::flag::register_conditional_shutdown;
use tempfile::TempDir;

use crate::{
    cmd::{Cmd, Output, Process},
    transcript::LIMIT,
};

/// The folders that one test's processes live in.
#[derive(Debug)]
pub(crate) struct TestEnv(TempDir);

/// A server or relay that has said where it listens.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    /// Its first line.
    pub(crate) listening: Value,
}

/// Lets Ctrl-C and Ctrl-\ end what is started, also if the tests were started to ignore them, as a
/// script's `cargo test &` is: what a process catches is as usual again for those that it starts.
fn keys_end_commands() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [SIGINT, SIGQUIT] {
            let always = Arc::new(AtomicBool::new(true));
            let caught = register_conditional_shutdown(signal, 128 + signal, always);
            caught.expect("it can be caught");
        }
    });
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        keys_end_commands();
        let env = Self(tempfile::tempdir().expect("there is room for a folder"));
        fs::create_dir(env.home()).expect("the folder takes folders");
        env
    }

    /// Makes an environment with a server in it.
    pub(crate) fn with_server(arguments: &str) -> (Self, Server) {
        let env = Self::new();
        let server = env.server(arguments);
        (env, server)
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

    /// Prepares a command whose folders are all of this environment.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let home = self.home();
        for (variable, folder) in [
            ("HOME", ""),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("CAROOT", "caroot"),
            ("QECHO_HOME", "qecho"),
        ] {
            command.env(variable, home.join(folder));
        }
        command
            .env_remove("SSLKEYLOGFILE")
            .env_remove("CLICOLOR")
            .env_remove("CLICOLOR_FORCE")
            .env("TERM", "xterm")
            // Words are looked for; tests of colours take it away.
            .env("NO_COLOR", "1")
            .current_dir(&home);
        command
    }

    /// Prepares `qecho` with its arguments, one for each word.
    pub(crate) fn qecho(&self, arguments: impl AsRef<str>) -> Cmd {
        let mut command = self.command(env!("CARGO_BIN_EXE_qecho"));
        command.args(arguments.as_ref().split_whitespace());
        Cmd::new(command)
    }

    /// Starts a server on a free port and waits until it listens.
    pub(crate) fn server(&self, arguments: &str) -> Server {
        self.await_server(self.qecho(format!(
            "server --format json --listen localhost:0 {arguments}"
        )))
    }

    /// Starts a server that writes for people on a free port, waits until its banner is whole,
    /// and returns the port.
    pub(crate) fn text_server(&self, arguments: &str) -> (Process, u16) {
        let server = self.qecho(format!("server --listen localhost:0 {arguments}"));
        let server = server.start();
        server.stdout.says("\n\n");
        let port = port(server.stdout.line(1).trim());
        (server, port)
    }

    /// Starts a relay on a free port and waits until it is ready.
    pub(crate) fn relay(&self, to: &str, arguments: &str) -> Server {
        self.await_server(self.qecho(format!(
            "relay --format json --listen localhost:0 --to {to} {arguments}"
        )))
    }

    /// Starts a server and waits for its first line, which must be JSON.
    pub(crate) fn await_server(&self, cmd: Cmd) -> Server {
        let process = cmd.start();
        let line = process.stdout.line(0);
        Server::new(process, &line)
    }

    /// Prepares a client of a server, with its arguments, one for each word.
    pub(crate) fn client(&self, server: &Server, arguments: impl AsRef<str>) -> Cmd {
        let arguments = arguments.as_ref();
        self.qecho(format!("client {} {arguments}", server.place()))
    }
}

impl Server {
    /// Makes a server of a process and the line in which it has said where it listens.
    pub(crate) fn new(process: Process, line: &str) -> Self {
        let listening = serde_json::from_str(line).expect("the line is JSON");
        Self { process, listening }
    }

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

    /// Ends the server, which must end well.
    #[track_caller]
    pub(crate) fn ends(self) -> Output {
        self.process.terminate();
        let done = self.process.done();
        done.exits(0);
        done
    }

    /// Ends the server, which must end well, and returns its last line.
    #[track_caller]
    pub(crate) fn ends_well(self) -> Value {
        self.ends().last_event()
    }
}

/// A UDP port of 127.0.0.1 on which nobody listens, and which nobody else can take.
#[derive(Debug)]
pub(crate) struct VacantPort(UdpSocket);

impl VacantPort {
    pub(crate) fn keep() -> Self {
        let socket = socket();
        // A socket that is connected hears nobody else: to all others the system
        // says that the port is closed.
        socket
            .connect("127.0.0.1:9")
            .expect("loopback has all ports");
        Self(socket)
    }

    pub(crate) fn number(&self) -> u16 {
        address(&self.0).port()
    }
}

/// Returns a socket on a free port, which waits for a datagram as long as a test may.
pub(crate) fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    socket
        .set_read_timeout(Some(LIMIT))
        .expect("a socket has a timeout");
    socket
}

pub(crate) fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("it is bound")
}

/// Returns the port of an address in its usual form.
pub(crate) fn port(address: &str) -> u16 {
    let (_, port) = address.rsplit_once(':').expect("a port follows a colon");
    port.parse().expect("a port is a number")
}

/// Reads a file of text, which must be there.
#[track_caller]
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("it was written")
}

/// Reads a file of JSON, which must be there.
#[track_caller]
pub(crate) fn read_json(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&read(path)).expect("it is JSON")
}

/// Checks that a text in JSON has these words.
#[track_caller]
pub(crate) fn assert_contains(text: &Value, words: &str) {
    let found = text.as_str().is_some_and(|text| text.contains(words));
    assert!(found, "no {words:?} in {text}");
}
