//! Runs scripts against a peer.

use std::{io, time::Duration};

use qecho_peer::{
    endpoint::{ClientConfig, Ended},
    network::Network,
    script::Opened,
};

use super::{
    Finding, Liveness, Requirement, Run, Target, Verdict, connection::opened_words, run::Peer,
};

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

    /// Tells whether that is that nobody listens; any other trouble is not the server's.
    fn is_refused(&self) -> bool {
        false
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
        let mut finding = Run::new(peer, &mut self.connections).of(requirement);
        if finding.verdict.speaks_against()
            && !self.subject.is_refused()
            && let Some(trouble) = self.subject.trouble()
        {
            finding.verdict = Verdict::NotReached;
            finding.seen += &format!("; but the system said: {trouble}");
        }
        finding
    }

    fn look(&mut self) -> Liveness {
        match self.connect() {
            Ok(Opened::Confirmed) => Liveness::Alive,
            Ok(Opened::Silent | Opened::Ended(Ended::TimedOut)) => {
                let trouble = self.subject.trouble();
                let why = trouble.unwrap_or_else(|| opened_words(&Opened::Silent));
                match self.subject.is_refused() {
                    true => Liveness::Gone(why),
                    false => Liveness::Silent(why),
                }
            }
            Ok(other) => Liveness::Refusing(opened_words(&other)),
            Err(why) => Liveness::Unable(why),
        }
    }

    fn pause(&mut self, time: Duration) {
        self.subject.pause(time);
    }
}

#[cfg(test)]
mod tests {
    use qecho_peer::tls;

    use super::*;
    use crate::conform::{
        Side,
        requirement::{must, rfc},
    };

    /// No server, for want of sockets.
    struct NoSockets;

    impl Subject for NoSockets {
        fn network(&mut self) -> io::Result<Box<dyn Network>> {
            Err(io::Error::other("no socket left"))
        }

        fn config(&self) -> ClientConfig {
            ClientConfig::new(tls::ClientConfig::new([]), 1)
        }

        fn patience(&self) -> Duration {
            Duration::ZERO
        }

        fn pause(&mut self, _time: Duration) {}

        fn trouble(&self) -> Option<String> {
            Some("no buffers".to_owned())
        }
    }

    #[test]
    fn what_goes_wrong_here_is_not_the_servers_fault() {
        static PANICS: Requirement =
            must("X01", Side::Server, rfc(9000, "1")).script(|_| panic!("a mistake"));
        static ACCUSES: Requirement = must("X02", Side::Server, rfc(9000, "1"))
            .script(|_| Ok(Finding::new(Verdict::Fail, "no answer")));
        let mut prober = Prober::new(NoSockets);
        assert_eq!(prober.look(), Liveness::Unable("no socket left".to_owned()));
        assert_eq!(prober.run(&PANICS).verdict, Verdict::NotReached);
        let accused = prober.run(&ACCUSES);
        assert_eq!(accused.verdict, Verdict::NotReached);
        assert!(accused.seen.ends_with("no buffers"), "{}", accused.seen);
    }
}
