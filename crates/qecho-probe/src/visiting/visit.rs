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

use qecho_io::{Arrival, Listen, ListeningPort, Outlet, Ports};
use qecho_packet::{
    Direction, ObservedDatagram,
    wire::{ConnectionId, packets},
};
use qecho_peer::{
    endpoint::{Endpoint, ServerConfig},
    network::{Ecn, Network, PathId, Received},
};

use super::{Caller, beginning::long_destination};
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

/// Time for which datagrams to one of two ports wait while the other is listened to.
const TURN: Duration = Duration::from_millis(2);

/// The network to one client that has come.
pub(super) struct Visit<I> {
    outlet: Outlet,
    /// The address of ours that it came to, by its number.
    at: usize,
    remote: SocketAddr,
    inbox: I,
    /// A datagram that came and is to be read again.
    first: VecDeque<Received>,
    is_stopped: Arc<AtomicBool>,
    /// The end of what was not waited for any more.
    skipped: Option<Instant>,
    observer: SharedObserver,
    /// Another port beside that which the client came to.
    second: Option<SecondPort>,
}

/// A port at which the client may come, too.
struct SecondPort {
    port: ListeningPort,
    /// Address from which the client came there last.
    remote: SocketAddr,
}

/// The path to the second port.
const SECOND: PathId = PathId(1);

impl<I: Inbox> Visit<I> {
    /// Begins the visit of whom this is from.
    pub(super) fn begin(
        outlet: Outlet,
        first: Arrival,
        inbox: I,
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
            second: None,
        };
        let first = visit.taken(PathId(0), first);
        visit.first.push_back(first);
        visit
    }

    /// Waits until the client has said what it wants, and answers nothing: all that has come is
    /// there to be received again. Returns nothing if it does not come to that.
    pub(super) fn greet(&mut self, config: ServerConfig, timeout: Duration) -> Option<Caller> {
        let mut endpoint = Endpoint::server(config, self.now());
        let until = self.now() + timeout;
        let mut heard = VecDeque::new();
        while endpoint.client_hello().is_none()
            && endpoint.tls_error().is_none()
            && heard.len() < GREETING_MAX
            && let Some(received) = self.receive(until)
        {
            endpoint.receive(self.now(), &received);
            heard.push_back(received);
        }
        self.first = heard;
        let is_heard = endpoint.client_hello().is_some() || endpoint.tls_error().is_some();
        is_heard.then(|| Caller::of(endpoint.client_hello()))
    }

    /// Returns the addresses of both ends of a path.
    fn ends(&self, path: PathId) -> Option<(SocketAddr, SocketAddr)> {
        match &self.second {
            Some(second) if path == SECOND => {
                Some((second.port.outlet().address(0)?, second.remote))
            }
            _ => Some((self.outlet.address(self.at)?, self.remote)),
        }
    }

    fn show(&self, direction: Direction, path: PathId, ecn: u8, contents: &[u8]) {
        let ends = self.ends(path);
        if let (Some(observer), Some((local, remote))) = (&mut *locked(&self.observer), ends) {
            observer.see(&ObservedDatagram {
                at: self.outlet.since_1970(),
                direction,
                local,
                remote,
                ecn,
                contents,
                segment_size: None,
            });
        }
    }

    fn taken(&mut self, path: PathId, arrival: Arrival) -> Received {
        if let (Some(second), SECOND) = (&mut self.second, path)
            && arrival.remote.ip() == self.remote.ip()
        {
            second.remote = arrival.remote;
        }
        self.show(Direction::Received, path, arrival.ecn, &arrival.contents);
        if let Some(id) = long_destination(&arrival.contents) {
            self.inbox.learn(id);
        }
        Received {
            path,
            datagram: arrival.contents,
            ecn: codepoint(arrival.ecn),
        }
    }

    /// Waits for what comes to one of the ports; returns nothing once it is `until`.
    fn arrival(&mut self, until: Instant) -> io::Result<Option<(PathId, Arrival)>> {
        loop {
            let now = self.outlet.now();
            let Some(second) = &mut self.second else {
                let arrival = self.inbox.receive(until)?;
                return Ok(arrival.map(|arrival| (PathId(0), arrival)));
            };
            // What is wrong with one port, such as what ICMP says of it, ends no visit at another.
            if let Ok(Some(arrival)) = second.port.receive(now) {
                return Ok(Some((SECOND, arrival)));
            }
            let turn = until.min(now + TURN);
            if let Some(arrival) = self.inbox.receive(turn)? {
                return Ok(Some((PathId(0), arrival)));
            }
            if turn == until {
                return Ok(None);
            }
        }
    }
}

impl<I: Inbox> Network for Visit<I> {
    fn now(&self) -> Instant {
        let now = self.outlet.now();
        self.skipped.map_or(now, |skipped| skipped.max(now))
    }

    fn send(&mut self, path: PathId, datagram: &[u8], ecn: Ecn) {
        let ecn = bits(ecn);
        self.show(Direction::Sent, path, ecn, datagram);
        let sources = packets(datagram, 0).map_while(Result::ok);
        for id in sources.filter_map(|packet| packet.header.source) {
            self.inbox.learn(id);
        }
        // What the system does not send is lost, as on any network.
        let _ = match &self.second {
            Some(second) if path == SECOND => {
                let outlet = second.port.outlet();
                outlet.send(0, second.remote, datagram, ecn)
            }
            _ => self.outlet.send(self.at, self.remote, datagram, ecn),
        };
    }

    fn receive(&mut self, until: Instant) -> Option<Received> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        while !self.is_stopped.load(SeqCst) {
            let look = until.min(self.outlet.now() + LOOK_INTERVAL);
            match self.arrival(look) {
                Ok(Some((path, arrival))) => return Some(self.taken(path, arrival)),
                Ok(None) if look < until => {}
                Ok(None) => return None,
                Err(_) => break,
            }
        }
        self.skipped = self.skipped.max(Some(until));
        None
    }

    fn open_path(&mut self) -> io::Result<PathId> {
        let unsupported = |why: &str| io::Error::new(io::ErrorKind::Unsupported, why);
        if self.second.is_some() {
            return Err(unsupported("a server has two ports"));
        }
        let address = self.outlet.address(self.at);
        // A port of all addresses has those from which this host reaches the client.
        let address = match address.filter(|address| !address.ip().is_unspecified()) {
            Some(address) => Some(address),
            None => Ports::open(self.remote).map_err(io::Error::other)?.local(0),
        };
        let address = address.ok_or_else(|| unsupported("the port has no address of its own"))?;
        let place = Listen::Address(SocketAddr::new(address.ip(), 0));
        self.second = Some(SecondPort {
            port: ListeningPort::bind(place).map_err(io::Error::other)?,
            remote: self.remote,
        });
        Ok(SECOND)
    }

    fn address(&self, path: PathId) -> Option<SocketAddr> {
        self.ends(path).map(|(local, _)| local)
    }
}
