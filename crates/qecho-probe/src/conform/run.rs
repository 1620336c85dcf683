//! One fresh run of one requirement against one peer.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    rc::Rc,
};

use qecho_packet::wire::ConnectionId;
use qecho_peer::{
    endpoint::{Behaviour, ClientConfig, Endpoint, Parameters, ParametersEdit, ServerConfig},
    network::Network,
    script::Probe,
    tls::{self, TlsRule},
};

use super::{
    ClientSubject, Connection, Finding, Requirement, Subject, Verdict, expected::SILENT,
    record::Log, stimulus::OddLevels,
};

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

/// Settings that this side's endpoint has in either role.
pub(super) struct Settings<'c> {
    pub(super) parameters: &'c mut Parameters,
    pub(super) edit_parameters: &'c mut Option<ParametersEdit>,
    pub(super) edit_messages: &'c mut Option<tls::Edit>,
    pub(super) ignored_rules: &'c mut Vec<TlsRule>,
    pub(super) source: &'c mut Option<ConnectionId>,
    pub(super) behaviour: &'c mut Behaviour,
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
        self.begin(|settings| change(settings.behaviour))?
            .confirmed()
    }

    /// Connects, or waits for a client that does, with changed settings.
    ///
    /// # Errors
    /// The requirement was not reached, and why.
    pub(super) fn begin(
        &mut self,
        change: impl FnOnce(Settings<'_>),
    ) -> Result<Connection, Finding> {
        match self.peer {
            Peer::Server(_) => self.client(|config| {
                change(Settings {
                    parameters: &mut config.parameters,
                    edit_parameters: &mut config.edit_parameters,
                    edit_messages: &mut config.tls.edit,
                    ignored_rules: &mut config.tls.ignore,
                    source: &mut config.source,
                    behaviour: &mut config.behaviour,
                });
            }),
            Peer::Client(_) => self.serve(|config| {
                change(Settings {
                    parameters: &mut config.parameters,
                    edit_parameters: &mut config.edit_parameters,
                    edit_messages: &mut config.tls.edit,
                    ignored_rules: &mut config.tls.ignore,
                    source: &mut config.source,
                    behaviour: &mut config.behaviour,
                });
            }),
        }
    }

    /// Tells whether the peer that is tested is a client.
    pub(super) fn is_of_client(&self) -> bool {
        matches!(self.peer, Peer::Client(_))
    }

    /// Says why another connection of this run may be another client's, if that may be.
    pub(super) fn doubt(&self) -> Option<String> {
        match &self.peer {
            Peer::Client(subject) => subject.doubt(),
            Peer::Server(_) => None,
        }
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
        let plain = subject.config();
        let mut config = plain.clone();
        *self.connections += 1;
        config.seed = config.seed.wrapping_add(*self.connections);
        change(&mut config);
        let odd = OddLevels::of_client(&plain, &mut config);
        let mut probe = Probe::client(network, config);
        probe.patience = subject.patience();
        Ok(Connection::new(probe, odd, Rc::clone(&self.log)))
    }

    /// Waits for a client, and serves it with changed settings from its first datagram on.
    ///
    /// # Errors
    /// The requirement was not reached, as no client came.
    pub fn serve(&mut self, change: impl FnOnce(&mut ServerConfig)) -> Result<Connection, Finding> {
        self.serve_on(|_, config| {
            change(config);
            Ok(())
        })
    }

    /// The same, with settings that depend on the network to the client.
    ///
    /// # Errors
    /// The requirement was not reached, as no client came, or as the change says.
    pub(super) fn serve_on(
        &mut self,
        change: impl FnOnce(&mut dyn Network, &mut ServerConfig) -> Result<(), Finding>,
    ) -> Result<Connection, Finding> {
        let Peer::Client(subject) = &mut self.peer else {
            return Err(not_reached("servers do not come by themselves"));
        };
        let network = subject.network();
        let mut network = network.map_err(|error| not_reached(error.to_string()))?;
        let mut config = subject.config();
        *self.connections += 1;
        config.seed = config.seed.wrapping_add(*self.connections);
        // One row is about it: for the others it does not matter.
        config.tls.ignore.push(TlsRule::SessionId);
        change(&mut *network, &mut config)?;
        let odd = OddLevels::of_server(&mut config);
        let mut probe = Probe::server(network, config);
        let patience = subject.patience();
        probe.patience = patience;
        let mut connection = Connection::new(probe, odd, Rc::clone(&self.log));
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
        let mut finding = judged.unwrap_or_else(|finding| finding);
        let is_by_silence = finding.verdict == Verdict::Fail && finding.seen == SILENT;
        if is_by_silence && self.is_of_client() {
            let seen = "no answer any more, as of a client that leaves by itself";
            match self.doubt() {
                Some(doubt) => finding = not_reached(format!("{seen}; {doubt}")),
                None if !self.stays() => finding = not_reached(seen),
                None => {}
            }
        }
        self.finish(finding)
    }

    /// Gives the packets of all connections, which are over, to what the run came to.
    fn finish(self, finding: Finding) -> Finding {
        self.log.borrow_mut().finish(finding)
    }
}

fn not_reached(why: impl Into<String>) -> Finding {
    Finding::new(Verdict::NotReached, why)
}
