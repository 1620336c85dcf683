//! Runs scripts against a client.

use std::{io, time::Duration};

use qecho_packet::close::INTERNAL_ERROR;
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

    /// Says why a later visit of a run may be another client's, if that may be: then nobody is
    /// accused by what two visits show.
    fn doubt(&self) -> Option<String> {
        None
    }

    /// Ends what the client does, as its run has been judged; returns how its program has
    /// crashed, if that can be told.
    fn dismiss(&mut self) -> Option<Crash> {
        None
    }
}

/// A program that has ended as programs do that crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The end that it has each time, such as `SIGSEGV`.
    pub how: String,
    /// Its own words on it, if it had any.
    pub said: Option<String>,
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
    /// The end of its program if something ordinary goes wrong, once that has been tried.
    usual_ends: Option<Vec<String>>,
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
            usual_ends: None,
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

    /// Takes a program's crash into account, unless it ends like that whenever its connection is
    /// closed by an error: many a program leaves its errors to a panic.
    fn judge_crash(&mut self, finding: &mut Finding, crash: Crash) {
        if self.usual_ends().contains(&crash.how) {
            return;
        }
        let said = crash
            .said
            .map_or(String::new(), |said| format!(" ({said})"));
        finding.seen += &format!("; its program has crashed: {}{said}", crash.how);
        finding.verdict = Verdict::Crashed;
    }

    /// Returns how the program ends when its connection is closed by an error, before and after
    /// the handshake.
    fn usual_ends(&mut self) -> &[String] {
        if self.usual_ends.is_none() {
            let ends = [false, true].map(|is_open| self.end_after_error(is_open));
            let ends = ends.into_iter().flatten().map(|crash| crash.how);
            self.usual_ends = Some(ends.collect());
        }
        self.usual_ends.as_deref().unwrap_or_default()
    }

    fn end_after_error(&mut self, is_open: bool) -> Option<Crash> {
        let mut run = Run::new(Peer::Client(&mut self.subject), &mut self.connections);
        if let Ok(mut connection) = run.serve(|_| {}) {
            if is_open {
                connection.open();
            }
            connection.endpoint_mut().close(false, INTERNAL_ERROR, "");
            let patience = connection.patience;
            connection.settle(patience / 8);
        }
        self.subject.dismiss()
    }
}

impl<S: ClientSubject> Target for ClientProber<S> {
    fn run(&mut self, requirement: &'static Requirement) -> Finding {
        let peer = Peer::Client(&mut self.subject);
        let mut finding = Run::new(peer, &mut self.connections).of(requirement);
        let is_absent = finding.verdict == Verdict::NotReached && finding.packets.is_empty();
        self.absences = if is_absent { self.absences + 1 } else { 0 };
        if let Some(crash) = self.subject.dismiss()
            && !is_absent
        {
            self.judge_crash(&mut finding, crash);
        }
        finding
    }

    fn look(&mut self) -> Liveness {
        if self.has_connected {
            return match self.absences < ABSENCES_MAX {
                true => Liveness::Alive,
                false => Liveness::Gone("the client does not come any more".to_owned()),
            };
        }
        let served = self.serve();
        self.subject.dismiss();
        match served {
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
