//! A ping on its shard: every host, and what other threads ask for.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use qecho_engine::{Application, Connection, Event, ShardContext, TlsError};

use super::{
    config::Config,
    host::Host,
    onlooker::{Findings, PingObserver},
    report::PingEvent,
};

/// What other threads tell a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End at once, with what came so far.
    Stop,
}

/// Hears what a ping has to tell, on the ping's own thread: it must not block.
pub type Listener = Box<dyn FnMut(PingEvent) + Send>;

/// A ping as the application of a shard.
///
/// The last that its listener hears is [`PingEvent::Finished`].
pub struct PingApplication {
    hosts: Vec<Host>,
    findings: Findings,
    listener: Listener,
    is_finished: bool,
}

impl PingApplication {
    /// Makes a ping of every host, except by version negotiation, which needs
    /// no QUIC.
    ///
    /// # Errors
    /// [`TlsError`] if the TLS settings cannot work.
    pub fn new(config: &Config, listener: Listener) -> Result<Self, TlsError> {
        let settings = Arc::new(config.clone());
        let findings = Findings::default();
        let hosts = config.hosts.iter();
        let hosts = hosts.map(|destination| Host::new(&settings, destination, &findings));
        Ok(Self {
            hosts: hosts.collect::<Result<_, _>>()?,
            findings,
            listener,
            is_finished: false,
        })
    }

    /// Returns what has to see the packets of the shard. It wakes nobody: a
    /// program of its own making calls
    /// [`Shard::handle_wake`](qecho_engine::Shard::handle_wake) after it was
    /// shown some.
    pub fn onlooker(&self) -> PingObserver {
        PingObserver::new(self.findings.clone())
    }

    /// Does something with every host.
    fn each(&mut self, mut work: impl FnMut(&mut Host, &mut dyn FnMut(super::HostEvent))) {
        for (place, host) in self.hosts.iter_mut().enumerate() {
            let listener = &mut self.listener;
            work(host, &mut |news| {
                listener(PingEvent::Host { host: place, news });
            });
        }
    }

    fn act(&mut self, context: &mut ShardContext<'_, ()>) {
        self.each(|host, tell| host.handle_deadline(context, tell));
        self.finish(context);
    }

    /// Shuts down when every host has ended.
    fn finish(&mut self, context: &mut ShardContext<'_, ()>) {
        if !self.is_finished && self.hosts.iter().all(Host::has_ended) {
            self.is_finished = true;
            context.shut_down(0, "");
            (self.listener)(PingEvent::Finished);
        }
    }
}

impl Application for PingApplication {
    type State = ();
    type Command = Command;

    fn start(&mut self, context: &mut ShardContext<'_, ()>) {
        self.each(|host, tell| host.start(context, tell));
        self.finish(context);
    }

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, connection: &mut Connection<'_>, (): &mut (), event: Event) {
        let key = connection.key();
        let mut hosts = self.hosts.iter_mut().enumerate();
        let Some((place, host)) = hosts.find(|(_, host)| host.owns(key)) else {
            return;
        };
        let listener = &mut self.listener;
        host.handle_event(connection, &event, &mut |news| {
            listener(PingEvent::Host { host: place, news });
        });
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, ()>, mail: Command) {
        match mail {
            Command::Stop => self.each(|host, tell| host.stop(context, tell)),
        }
        self.act(context);
    }

    fn handle_wake(&mut self, context: &mut ShardContext<'_, ()>) {
        self.act(context);
    }

    fn deadline(&self) -> Option<Instant> {
        let hosts = self.hosts.iter().filter_map(Host::deadline).min();
        hosts.filter(|_| !self.is_finished)
    }

    fn handle_deadline(&mut self, context: &mut ShardContext<'_, ()>) {
        self.act(context);
    }

    fn handle_unreachable(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        peer: SocketAddr,
        why: &io::Error,
    ) {
        // ICMP tells no port: of several servers on one host each may be meant.
        let mut meant: Vec<_> = self.hosts.iter().flat_map(Host::addresses).collect();
        meant.retain(|address| address.ip() == peer.ip());
        meant.sort_unstable();
        meant.dedup();
        let is_ambiguous = peer.port() == 0 && meant.len() > 1;
        for host in &mut self.hosts {
            match is_ambiguous {
                true => host.suspect(context, peer, why),
                false => host.handle_unreachable(context, peer, why),
            }
        }
    }
}
