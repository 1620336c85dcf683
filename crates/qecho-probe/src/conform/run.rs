//! One fresh run of one requirement against one peer.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    rc::Rc,
};

use qecho_peer::{
    endpoint::{Behaviour, ClientConfig, Endpoint, ServerConfig},
    script::Probe,
};

use super::{ClientSubject, Connection, Finding, Requirement, Subject, Verdict, record::Log};

/// What a script came to; an `Err` is a finding that ends it early, by `?`: not reached, or not
/// applicable.
pub type Judged = Result<Finding, Finding>;

/// One fresh run of one requirement against one peer: it makes connections.
pub struct Run<'s> {
    peer: Peer<'s>,
    /// Numbers the connections of all runs, so that no two are the same.
    connections: &'s mut u64,
    log: Rc<RefCell<Log>>,
}

/// The endpoint that is tested, in its role.
pub(super) enum Peer<'s> {
    Server(&'s mut dyn Subject),
    Client(&'s mut dyn ClientSubject),
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}

impl<'s> Run<'s> {
    pub(super) fn new(peer: Peer<'s>, connections: &'s mut u64) -> Self {
        Self {
            peer,
            connections,
            log: Rc::default(),
        }
    }

    /// Connects, or waits for a client that does, until the handshake is confirmed.
    ///
    /// # Errors
    /// The requirement was not reached, and why.
    pub fn open(&mut self) -> Result<Connection, Finding> {
        self.open_behaving(|_| {})
    }

    /// The same, with changes in what this side does by itself.
    ///
    /// # Errors
    /// The requirement was not reached, and why.
    pub fn open_behaving(
        &mut self,
        change: impl FnOnce(&mut Behaviour),
    ) -> Result<Connection, Finding> {
        let connection = match self.peer {
            Peer::Server(_) => self.client(|config| change(&mut config.behaviour)),
            Peer::Client(_) => self.serve(|config| change(&mut config.behaviour)),
        };
        connection?.confirmed()
    }

    /// Connects with changed settings, and waits until the handshake is confirmed.
    ///
    /// # Errors
    /// The requirement was not reached, and why.
    pub fn open_with(
        &mut self,
        change: impl FnOnce(&mut ClientConfig),
    ) -> Result<Connection, Finding> {
        self.client(change)?.confirmed()
    }

    /// Begins a connection with changed settings; its first packets leave with the first step.
    /// For what lies in the handshake.
    ///
    /// # Errors
    /// The requirement was not reached, as this host has no socket to give.
    pub fn client(
        &mut self,
        change: impl FnOnce(&mut ClientConfig),
    ) -> Result<Connection, Finding> {
        let Peer::Server(subject) = &mut self.peer else {
            return Err(not_reached("clients come by themselves"));
        };
        let network = subject.network();
        let network = network.map_err(|error| not_reached(error.to_string()))?;
        let mut config = subject.config();
        *self.connections += 1;
        config.seed = config.seed.wrapping_add(*self.connections);
        change(&mut config);
        let mut probe = Probe::client(network, config);
        probe.patience = subject.patience();
        Ok(Connection::new(probe, Rc::clone(&self.log)))
    }

    /// Waits for a client, and serves it with changed settings from its first datagram on.
    ///
    /// # Errors
    /// The requirement was not reached, as no client came.
    pub fn serve(&mut self, change: impl FnOnce(&mut ServerConfig)) -> Result<Connection, Finding> {
        let Peer::Client(subject) = &mut self.peer else {
            return Err(not_reached("servers do not come by themselves"));
        };
        let network = subject.network();
        let network = network.map_err(|error| not_reached(error.to_string()))?;
        let mut config = subject.config();
        *self.connections += 1;
        config.seed = config.seed.wrapping_add(*self.connections);
        change(&mut config);
        let mut probe = Probe::server(network, config);
        let patience = subject.patience();
        probe.patience = patience;
        let mut connection = Connection::new(probe, Rc::clone(&self.log));
        let has_come = |endpoint: &Endpoint| !endpoint.record().datagrams.is_empty();
        match connection.wait_for(has_come, patience) {
            true => Ok(connection),
            false => Err(not_reached("no client has come")),
        }
    }

    /// Runs the script of a requirement.
    pub(super) fn of(mut self, requirement: &Requirement) -> Finding {
        let judged = match requirement.script {
            Some(script) => {
                // What a peer sends may find a mistake here: it is not the peer's.
                let attempt = AssertUnwindSafe(|| script(&mut self));
                let judged = panic::catch_unwind(attempt);
                judged.unwrap_or_else(|_| Err(not_reached("this script failed: qecho's own fault")))
            }
            None => Err(not_reached("nobody has written how to try it")),
        };
        self.finish(judged)
    }

    /// Gives the packets of all connections, which are over, to what the run came to.
    fn finish(self, judged: Judged) -> Finding {
        let finding = judged.unwrap_or_else(|finding| finding);
        self.log.borrow_mut().finish(finding)
    }
}

fn not_reached(why: impl Into<String>) -> Finding {
    Finding::new(Verdict::NotReached, why)
}
