//! Shows observers the datagrams that pass, with their times and addresses.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use qecho_engine::{Datagram, Received, limits::OBSERVED_SOURCES_MAX};
use qecho_packet::{DatagramObserver, DecodedDatagram, Direction, Observation, ObservedDatagram};

use crate::socket::source_towards;

/// Observers of an event loop, and what their times and addresses are made of.
pub(super) struct ObserverSet {
    observers: Vec<Box<dyn DatagramObserver>>,
    clock: fn() -> Instant,
    began: Instant,
    /// The same instant since 1970; a clock that is set later changes nothing.
    began_at: Duration,
    /// By peer, the address that a socket bound to none sends from.
    sources: HashMap<IpAddr, IpAddr>,
}

impl ObserverSet {
    pub(super) fn new(observers: Vec<Box<dyn DatagramObserver>>, clock: fn() -> Instant) -> Self {
        Self {
            observers,
            clock,
            began: clock(),
            began_at: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
            sources: HashMap::new(),
        }
    }

    /// Returns an instant as the time since 1970.
    fn at(&self, now: Instant) -> Duration {
        self.began_at + now.saturating_duration_since(self.began)
    }

    fn see(&mut self, passing: &ObservedDatagram<'_>) {
        for observer in &mut self.observers {
            observer.see(passing);
        }
    }

    /// Passes on what the shard has observed, with true addresses.
    pub(super) fn observe(&mut self, at: Instant, mut observation: Observation) {
        match &mut observation {
            Observation::Datagram(DecodedDatagram { local, remote, .. })
            | Observation::ConnectionStarted { local, remote, .. }
                if local.ip().is_unspecified() =>
            {
                let ip = self.source(local.ip(), *remote);
                local.set_ip(ip);
            }
            _ => {}
        }
        let observation = Arc::new(observation);
        let at = self.at(at);
        for observer in &mut self.observers {
            observer.observe(at, &observation);
        }
    }

    pub(super) fn received(&mut self, socket: SocketAddr, received: &Received) {
        let mut local = socket;
        if let Some(ip) = received.local_ip {
            local.set_ip(ip);
            if let Some(source) = self.sources.get_mut(&received.remote.ip()) {
                *source = ip;
            }
        }
        self.see(&ObservedDatagram {
            at: self.at((self.clock)()),
            direction: Direction::Received,
            local,
            remote: received.remote,
            ecn: received.ecn,
            contents: &received.data,
            segment_size: None,
        });
    }

    /// Shows as much of a datagram or batch as was sent.
    pub(super) fn sent(
        &mut self,
        at: Instant,
        socket: SocketAddr,
        datagram: &Datagram,
        length: usize,
    ) {
        let mut local = socket;
        if let Some(ip) = datagram.source_ip {
            local.set_ip(ip);
        } else if socket.ip().is_unspecified() {
            local.set_ip(self.source(socket.ip(), datagram.destination));
        }
        self.see(&ObservedDatagram {
            at: self.at(at),
            direction: Direction::Sent,
            local,
            remote: datagram.destination,
            ecn: datagram.ecn,
            contents: &datagram.contents[..length],
            segment_size: datagram.segment_size,
        });
    }

    pub(super) fn flush(&mut self) {
        for observer in &mut self.observers {
            observer.flush();
        }
    }

    fn source(&mut self, unspecified: IpAddr, destination: SocketAddr) -> IpAddr {
        if let Some(source) = self.sources.get(&destination.ip()) {
            return *source;
        }
        let source = source_towards(destination).unwrap_or(unspecified);
        if self.sources.len() == OBSERVED_SOURCES_MAX {
            self.sources.clear();
        }
        self.sources.insert(destination.ip(), source);
        source
    }
}
