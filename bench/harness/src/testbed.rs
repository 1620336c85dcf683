//! The testbed, where servers and generators meet: a folder with a certificate, and a core for each side.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::process::{self, Group};
use xtask::workspace::{self, Profile};

use crate::build;
use crate::catalogue::{Peer, Recipe};
use crate::workload::Workload;

/// Time for a server to say where it listens.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Time that a generator has beyond that of measuring: thousands of handshakes with a slow server.
const GENERATOR_LIMIT: Duration = Duration::from_secs(90);
const CERTIFICATE_LIMIT: Duration = Duration::from_secs(10);

/// Folder and cores that all measurements share.
#[derive(Debug)]
pub(crate) struct Testbed {
    folder: PathBuf,
    server_core: String,
    generator_core: String,
}

/// Server that listens; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    group: Group,
    /// Relay before it, if there is one.
    relay: Option<Group>,
    /// Address that clients send to: the relay's if there is one.
    address: SocketAddr,
}

impl Testbed {
    /// Builds the program of this workspace, and lets it make a certificate for everybody.
    pub(crate) fn prepare(cores: [usize; 2]) -> Result<Self> {
        eprintln!("building qecho");
        Profile::Dist.build()?;
        let folder = workspace::target().join("peers/testbed");
        workspace::empty(&folder)?;
        let [server_core, generator_core] = cores.map(|core| core.to_string());
        let testbed = Self {
            folder,
            server_core,
            generator_core,
        };
        let mut certificate = testbed.command(&Profile::Dist.binary());
        certificate.args(["cert", "new", "localhost", "127.0.0.1", "--short-lived"]);
        process::answer(certificate, CERTIFICATE_LIMIT)?;
        Ok(testbed)
    }

    /// Starts a server on its core, and waits until it listens; the path to it has the same
    /// chances in the same round.
    pub(crate) fn start(&self, peer: &Peer, workload: &Workload, round: usize) -> Result<Server> {
        let mut command = self.command(Path::new("taskset"));
        command.args(["--cpu-list", &self.server_core]);
        command.args(build::command_line(peer));
        command.args(["--listen", "127.0.0.1:0", "--cert", "localhost+1.pem"]);
        command.args(["--key", "localhost+1-key.pem"]);
        // Ours finds out by itself what the path carries, and always takes DATAGRAM frames.
        if !matches!(peer.recipe, Recipe::Qecho) {
            let receive = workload.server_payload_max;
            let send = receive.min(peer.payload_max);
            command.args(["--receive-payload-max", &receive.to_string()]);
            command.args(["--send-payload-max", &send.to_string()]);
            command.args(workload.datagrams.then_some("--datagrams"));
        }
        let log = self.folder.join(format!("{}.log", peer.name));
        command
            .args(peer.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log)?);
        let mut group = Group::spawn(&mut command)?;
        let address = listening(group.stdout()?)
            .with_context(|| format!("it does not listen: {}", last_line(&log)))?;
        let mut server = Server {
            group,
            relay: None,
            address,
        };
        if !workload.path.is_empty() {
            self.relay(&mut server, workload.path, round)?;
        }
        Ok(server)
    }

    /// Puts a bad path before a server. It has the generator's core: what it costs is not the
    /// server's.
    fn relay(&self, server: &mut Server, path: &str, seed: usize) -> Result<()> {
        let mut command = self.command(Path::new("taskset"));
        command
            .args(["--cpu-list", &self.generator_core])
            .arg(Profile::Dist.binary())
            .args(["relay", "--listen", "127.0.0.1:0"])
            .args(["--to", &server.address.to_string()])
            .args(["--seed", &seed.to_string()])
            .args(path.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut group = Group::spawn(&mut command)?;
        server.address = listening(group.stdout()?).context("the relay does not listen")?;
        server.relay = Some(group);
        Ok(())
    }

    /// Puts load on a server from the other core; returns the generator's report.
    pub(crate) fn load(
        &self,
        generator: Vec<OsString>,
        server: &Server,
        arguments: &[&str],
        seconds: f64,
    ) -> Result<Value> {
        let mut command = self.command(Path::new("taskset"));
        command.args(["--cpu-list", &self.generator_core]);
        command.args(generator);
        command
            .arg(server.address.to_string())
            .args(["--ca", "home/ca/rootCA.pem", "--format", "json"])
            .args(["--server-pid", &server.group.id().to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .args(arguments);
        let limit = GENERATOR_LIMIT + Duration::from_secs_f64(seconds);
        let (ended, report, error) = process::capture(command, limit)?;
        let first = error.lines().next().map(str::to_owned);
        let complaint = || first.unwrap_or_else(|| format!("the generator: {ended}"));
        serde_json::from_str(report.trim()).with_context(complaint)
    }

    /// Makes a command that sees the testbed's folders only.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env("QECHO_HOME", self.folder.join("home"))
            .env_remove("SSLKEYLOGFILE");
        command
    }
}

/// Waits for the line that ends with the address; what follows is read, too.
fn listening(stdout: ChildStdout) -> Result<SocketAddr> {
    let (sender, receiver) = mpsc::channel();
    process::read_lines(stdout, move |line| {
        // Nobody may be waiting any more.
        let _ = address_in(line).map(|address| sender.send(address));
    });
    let address = receiver.recv_timeout(START_LIMIT);
    address.context("it has not said where")
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_whitespace();
    words.find(|word| ["listening", "relaying"].contains(word))?;
    words.next()?.parse().ok()
}

fn last_line(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().last().unwrap_or("it says nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_their_line_from_ours_and_from_a_relay_s() {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 4433)));
        assert_eq!(address_in("listening 127.0.0.1:4433"), address);
        assert_eq!(address_in("  listening    127.0.0.1:4433"), address);
        let relay = "relaying 127.0.0.1:4433 → 127.0.0.1:9";
        assert_eq!(address_in(relay), address);
        assert_eq!(address_in("qecho 0.1.0 echo server"), None);
    }
}
