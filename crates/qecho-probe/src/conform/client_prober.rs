//! Runs scripts against a client.

use std::{io, time::Duration};

use qecho_peer::{endpoint::ServerConfig, network::Network, script::Opened};

use super::{
    Finding, Liveness, Requirement, Run, Target, Verdict, connection::opened_words, run::Peer,
};

/// A client that is tested, which comes by itself, once for each run.
pub trait ClientSubject {
    /// Waits until the client comes again; returns a network to it, which begins with its first
    /// datagram.
    ///
    /// # Errors
    /// If it does not come in time.
    fn network(&mut self) -> io::Result<Box<dyn Network>>;

    /// Returns the settings of a server that behaves well: certificate, application protocols,
    /// and a seed that is the same each time.
    fn config(&self) -> ServerConfig;

    /// Returns the time for which answers are awaited.
    fn patience(&self) -> Duration;

    /// Waits.
    fn pause(&mut self, time: Duration);
}

/// Tries requirements on a client by their scripts.
///
/// A first handshake, in which nothing is odd, shows whether the client comes at all and trusts
/// the server. After that nobody looks whether it lives, since a client ends by itself.
#[derive(Debug)]
pub struct ClientProber<S> {
    subject: S,
    /// Clients that were waited for.
    connections: u64,
    has_connected: bool,
    /// Runs since the client came last.
    absences: u32,
}

/// Runs to which a client need not come until it is taken for gone.
const ABSENCES_MAX: u32 = 2;

impl<S: ClientSubject> ClientProber<S> {
    /// Makes one for a client.
    pub fn new(subject: S) -> Self {
        Self {
            subject,
            connections: 0,
            has_connected: false,
            absences: 0,
        }
    }

    /// Serves the client once, and tells what became of it.
    ///
    /// # Errors
    /// If it does not come, in words.
    pub fn serve(&mut self) -> Result<Opened, String> {
        let mut run = Run::new(Peer::Client(&mut self.subject), &mut self.connections);
        let connection = run.serve(|_| {});
        let mut connection = connection.map_err(|finding| finding.seen)?;
        let opened = connection.open();
        match connection.endpoint().tls_error() {
            Some(error) if opened != Opened::Confirmed => Err(error.to_string()),
            _ => Ok(opened),
        }
    }
}

impl<S: ClientSubject> Target for ClientProber<S> {
    fn run(&mut self, requirement: &'static Requirement) -> Finding {
        let peer = Peer::Client(&mut self.subject);
        let finding = Run::new(peer, &mut self.connections).of(requirement);
        let is_absent = finding.verdict == Verdict::NotReached && finding.packets.is_empty();
        self.absences = if is_absent { self.absences + 1 } else { 0 };
        finding
    }

    fn look(&mut self) -> Liveness {
        if self.has_connected {
            return match self.absences < ABSENCES_MAX {
                true => Liveness::Alive,
                false => Liveness::Gone("the client does not come any more".to_owned()),
            };
        }
        match self.serve() {
            Ok(Opened::Confirmed) => {
                self.has_connected = true;
                Liveness::Alive
            }
            Ok(other) => Liveness::Gone(opened_words(&other)),
            Err(why) => Liveness::Gone(why),
        }
    }

    fn pause(&mut self, time: Duration) {
        self.subject.pause(time);
    }
}
