//! The network to one client that has come.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use qecho_io::{Arrival, Outlet};
use qecho_packet::{
    Direction, ObservedDatagram,
    wire::{ConnectionId, packets},
};
use qecho_peer::{
    endpoint::{Endpoint, ServerConfig, VERSION_1},
    network::{Ecn, Network, PathId, Received},
};

use super::Caller;
use crate::remote::{LOOK_INTERVAL, SharedObserver, bits, codepoint, locked};

/// Datagrams in which a ClientHello has to be.
const GREETING_MAX: usize = 16;

/// Datagrams of one client.
pub(super) trait Inbox {
    /// Waits for a datagram; returns nothing once it is `until`.
    ///
    /// # Errors
    /// If no more can come.
    fn receive(&mut self, until: Instant) -> io::Result<Option<Arrival>>;

    /// Remembers a connection ID to which packets of the connection may be.
    fn learn(&mut self, id: ConnectionId);
}

/// The network to one client that has come.
pub(super) struct Visit {
    outlet: Outlet,
    /// The address of ours that it came to, by its number.
    at: usize,
    remote: SocketAddr,
    inbox: Box<dyn Inbox>,
    /// A datagram that came and is to be read again.
    first: VecDeque<Received>,
    is_stopped: Arc<AtomicBool>,
    /// The end of what was not waited for any more.
    skipped: Option<Instant>,
    observer: SharedObserver,
}

impl Visit {
    /// Begins the visit of whom this is from.
    pub(super) fn begin(
        outlet: Outlet,
        first: Arrival,
        inbox: Box<dyn Inbox>,
        is_stopped: Arc<AtomicBool>,
        observer: SharedObserver,
    ) -> Self {
        let mut visit = Self {
            outlet,
            at: first.at,
            remote: first.remote,
            inbox,
            first: VecDeque::new(),
            is_stopped,
            skipped: None,
            observer,
        };
        let first = visit.taken(first);
        visit.first.push_back(first);
        visit
    }

    /// Waits until the client has said what it wants, and answers nothing: all that has come is
    /// there to be received again.
    pub(super) fn greet(&mut self, config: ServerConfig, timeout: Duration) -> Caller {
        let mut endpoint = Endpoint::server(config, self.now());
        let until = self.now() + timeout;
        let mut heard = VecDeque::new();
        while endpoint.client_hello().is_none()
            && endpoint.tls_error().is_none()
            && heard.len() < GREETING_MAX
            && let Some(received) = self.receive(until)
        {
            endpoint.receive(self.now(), &received);
            let is_readable = versions(&received.datagram).any(|version| version == VERSION_1);
            heard.push_back(received);
            if !is_readable {
                break;
            }
        }
        self.first = heard;
        Caller::of(endpoint.client_hello())
    }

    fn show(&self, direction: Direction, ecn: u8, contents: &[u8]) {
        let local = self.outlet.address(self.at);
        if let (Some(observer), Some(local)) = (&mut *locked(&self.observer), local) {
            observer.see(&ObservedDatagram {
                at: self.outlet.since_1970(),
                direction,
                local,
                remote: self.remote,
                ecn,
                contents,
                segment_size: None,
            });
        }
    }

    fn taken(&mut self, arrival: Arrival) -> Received {
        self.show(Direction::Received, arrival.ecn, &arrival.contents);
        for id in long_destinations(&arrival.contents) {
            self.inbox.learn(id);
        }
        Received {
            path: PathId(0),
            datagram: arrival.contents,
            ecn: codepoint(arrival.ecn),
        }
    }
}

impl Network for Visit {
    fn now(&self) -> Instant {
        let now = self.outlet.now();
        self.skipped.map_or(now, |skipped| skipped.max(now))
    }

    fn send(&mut self, _: PathId, datagram: &[u8], ecn: Ecn) {
        let ecn = bits(ecn);
        self.show(Direction::Sent, ecn, datagram);
        let sources = packets(datagram, 0).map_while(Result::ok);
        for id in sources.filter_map(|packet| packet.header.source) {
            self.inbox.learn(id);
        }
        // What the system does not send is lost, as on any network.
        let _ = self.outlet.send(self.at, self.remote, datagram, ecn);
    }

    fn receive(&mut self, until: Instant) -> Option<Received> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        while !self.is_stopped.load(SeqCst) {
            let look = until.min(self.outlet.now() + LOOK_INTERVAL);
            match self.inbox.receive(look) {
                Ok(Some(arrival)) => return Some(self.taken(arrival)),
                Ok(None) if look < until => {}
                Ok(None) => return None,
                Err(_) => break,
            }
        }
        self.skipped = self.skipped.max(Some(until));
        None
    }

    fn open_path(&mut self) -> io::Result<PathId> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a server has one port",
        ))
    }
}

fn versions(datagram: &[u8]) -> impl Iterator<Item = u32> {
    let packets = packets(datagram, 0).map_while(Result::ok);
    packets.filter_map(|packet| packet.header.version)
}

/// Returns the destinations of the packets of a datagram that have long headers.
pub(super) fn long_destinations(datagram: &[u8]) -> impl Iterator<Item = ConnectionId> {
    let packets = packets(datagram, 0).map_while(Result::ok);
    packets
        .take_while(|packet| packet.header.version.is_some())
        .map(|packet| packet.header.destination)
}
