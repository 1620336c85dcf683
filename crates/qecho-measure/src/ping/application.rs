//! A ping on its shard: all its hosts.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use qecho_engine::{Application, Connection, Event, ShardContext, TlsError};

use super::{
    config::Config,
    events::{Command, EventSink, PingEvent},
    host::Host,
    observer::{PingObservations, PingObserver},
    pause::PauseWatch,
};

/// A ping as the application of a shard.
pub struct PingApplication {
    hosts: Vec<Host>,
    observations: PingObservations,
    sink: EventSink,
    watch: PauseWatch,
    is_finished: bool,
}

impl PingApplication {
    /// Makes a ping of every host, except by version negotiation, which needs
    /// no QUIC.
    ///
    /// # Errors
    /// [`TlsError`] if the TLS settings cannot work.
    pub fn new(config: &Config, sink: EventSink) -> Result<Self, TlsError> {
        let settings = Arc::new(config.clone());
        let observations = PingObservations::default();
        let hosts = config.hosts.iter();
        let hosts = hosts.map(|destination| Host::new(&settings, destination, &observations));
        Ok(Self {
            hosts: hosts.collect::<Result<_, _>>()?,
            observations,
            sink,
            watch: PauseWatch::default(),
            is_finished: false,
        })
    }

    /// Returns the observer that the shard's datagrams must be shown to. It has
    /// no waker: the driver of the shard calls
    /// [`Shard::handle_wake`](qecho_engine::Shard::handle_wake) after it has
    /// shown some.
    pub fn observer(&self) -> PingObserver {
        PingObserver::new(self.observations.clone())
    }

    /// Calls a function with every host.
    fn each(&mut self, mut act: impl FnMut(&mut Host, &mut dyn FnMut(PingEvent))) {
        for (index, host) in self.hosts.iter_mut().enumerate() {
            act(host, &mut |event| (self.sink)(index, event));
        }
    }

    /// Leaves out what was under way while this program stood still. Each turn after a pause begins
    /// with a deadline or with what calls this, too, before any answer is looked at.
    fn look_for_pause(&mut self, context: &mut ShardContext<'_, ()>) {
        if let Some(pause) = self.watch.look(context.now()) {
            self.each(|host, tell| host.leave_out(context, pause, tell));
        }
    }

    fn advance(&mut self, context: &mut ShardContext<'_, ()>) {
        self.each(|host, tell| host.handle_deadline(context, tell));
        self.finish(context);
    }

    /// Shuts down when every host has ended.
    fn finish(&mut self, context: &mut ShardContext<'_, ()>) {
        if !self.is_finished && self.hosts.iter().all(Host::has_ended) {
            self.is_finished = true;
            context.shut_down(0, "");
        }
    }
}

impl Application for PingApplication {
    type State = ();
    type Command = Command;

    fn start(&mut self, context: &mut ShardContext<'_, ()>) {
        self.look_for_pause(context);
        self.each(|host, tell| host.start(context, tell));
        self.finish(context);
    }

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, connection: &mut Connection<'_>, (): &mut (), event: Event) {
        let key = connection.key();
        let mut hosts = self.hosts.iter_mut().enumerate();
        let Some((index, host)) = hosts.find(|(_, host)| host.owns(key)) else {
            return;
        };
        let sink = &mut self.sink;
        host.handle_event(connection, &event, &mut |event| sink(index, event));
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, ()>, command: Command) {
        self.look_for_pause(context);
        match command {
            Command::Stop => self.each(|host, tell| host.stop(context, tell)),
        }
        self.advance(context);
    }

    fn handle_wake(&mut self, context: &mut ShardContext<'_, ()>) {
        self.look_for_pause(context);
        self.advance(context);
    }

    fn deadline(&self) -> Option<Instant> {
        let hosts = self.hosts.iter().filter_map(Host::deadline);
        let first = hosts.chain(self.watch.deadline()).min();
        first.filter(|_| !self.is_finished)
    }

    fn handle_deadline(&mut self, context: &mut ShardContext<'_, ()>) {
        self.look_for_pause(context);
        self.advance(context);
    }

    fn handle_unreachable(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        peer: SocketAddr,
        reason: &io::Error,
    ) {
        self.look_for_pause(context);
        // ICMP tells no port: of several servers on one host each may be meant.
        let mut meant: Vec<_> = self.hosts.iter().flat_map(Host::addresses).collect();
        meant.retain(|address| address.ip() == peer.ip());
        meant.sort_unstable();
        meant.dedup();
        let is_ambiguous = peer.port() == 0 && meant.len() > 1;
        for host in &mut self.hosts {
            match is_ambiguous {
                true => host.handle_ambiguous_unreachable(context, peer, reason),
                false => host.handle_unreachable(context, peer, reason),
            }
        }
    }
}
