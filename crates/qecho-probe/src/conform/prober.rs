//! Runs scripts against a peer.

use std::{io, time::Duration};

use qecho_peer::{endpoint::ClientConfig, network::Network, script::Opened};

use super::{Finding, Liveness, Requirement, Run, Target, connection::opened_words, run::Peer};

/// A server that is tested: all that it takes to reach it.
pub trait Subject {
    /// Returns a fresh network to it, from a local port of its own.
    ///
    /// # Errors
    /// If the system has none to give.
    fn network(&mut self) -> io::Result<Box<dyn Network>>;

    /// Returns the settings of a client that behaves well: server name, application protocols,
    /// trust, and a seed that is the same each time.
    fn config(&self) -> ClientConfig;

    /// Returns the time for which answers are awaited.
    fn patience(&self) -> Duration;

    /// Waits.
    fn pause(&mut self, time: Duration);

    /// Returns what the system last said of the network made last, in words, as `nobody listens
    /// there`.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// Tries requirements on a server by their scripts.
#[derive(Debug)]
pub struct Prober<S> {
    subject: S,
    /// Connections that were begun.
    connections: u64,
}

impl<S: Subject> Prober<S> {
    /// Makes one for a server.
    pub fn new(subject: S) -> Self {
        Self {
            subject,
            connections: 0,
        }
    }

    /// Connects once, and tells what became of it.
    ///
    /// # Errors
    /// If the system has no socket to give, in words.
    pub fn connect(&mut self) -> Result<Opened, String> {
        let mut run = Run::new(Peer::Server(&mut self.subject), &mut self.connections);
        let connection = run.client(|_| {});
        let mut connection = connection.map_err(|finding| finding.seen)?;
        Ok(connection.open())
    }
}

impl<S: Subject> Target for Prober<S> {
    fn run(&mut self, requirement: &'static Requirement) -> Finding {
        let peer = Peer::Server(&mut self.subject);
        Run::new(peer, &mut self.connections).of(requirement)
    }

    fn look(&mut self) -> Liveness {
        match self.connect() {
            Ok(Opened::Confirmed) => Liveness::Alive,
            Ok(other) => {
                let trouble = self.subject.trouble();
                Liveness::Gone(trouble.unwrap_or_else(|| opened_words(&other)))
            }
            Err(why) => Liveness::Gone(why),
        }
    }

    fn pause(&mut self, time: Duration) {
        self.subject.pause(time);
    }
}
