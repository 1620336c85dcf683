//! One fresh run of one requirement against one peer.

use std::{cell::RefCell, rc::Rc};

use qecho_peer::{endpoint::ClientConfig, script::Probe};

use super::{Connection, Finding, Subject, Verdict, record::Log};

/// What a script came to; an `Err` is a finding that ends it early, by `?`: not reached, or not
/// applicable.
pub type Judged = Result<Finding, Finding>;

/// One fresh run of one requirement against one peer: it makes connections.
pub struct Run<'s> {
    subject: &'s mut dyn Subject,
    /// Numbers the connections of all runs, so that no two are the same.
    connections: &'s mut u64,
    log: Rc<RefCell<Log>>,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}

impl<'s> Run<'s> {
    pub(super) fn new(subject: &'s mut dyn Subject, connections: &'s mut u64) -> Self {
        Self {
            subject,
            connections,
            log: Rc::default(),
        }
    }

    /// Connects, and waits until the handshake is confirmed.
    ///
    /// # Errors
    /// The requirement was not reached, and why.
    pub fn open(&mut self) -> Result<Connection, Finding> {
        self.open_with(|_| {})
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
        let network = self.subject.network();
        let network =
            network.map_err(|error| Finding::new(Verdict::NotReached, error.to_string()))?;
        let mut config = self.subject.config();
        *self.connections += 1;
        config.seed = config.seed.wrapping_add(*self.connections);
        change(&mut config);
        let mut probe = Probe::client(network, config);
        probe.patience = self.subject.patience();
        Ok(Connection::new(probe, Rc::clone(&self.log)))
    }

    /// Gives the packets of all connections, which are over, to what the run came to.
    pub(super) fn finish(self, judged: Judged) -> Finding {
        let finding = judged.unwrap_or_else(|finding| finding);
        self.log.borrow_mut().finish(finding)
    }
}
