//! Clients that come to a real UDP port.

use std::{
    cell::RefCell,
    collections::HashSet,
    fmt, io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use qecho_io::{Arrival, BindError, ListeningPort};
use qecho_packet::{
    Direction, ObservedDatagram,
    wire::{ConnectionId, packets},
};
use qecho_peer::{
    endpoint::ServerConfig,
    network::{Ecn, Network, PathId, Received},
};

use crate::{
    conform::ClientSubject,
    remote::{LOOK_INTERVAL, SharedObserver, bits, codepoint, locked},
};

/// Connection IDs of earlier visits that are remembered; beyond them all are forgotten.
const KNOWN_MAX: usize = 1 << 16;

/// What makes a client come, such as a command that is started; it is given the address.
pub type Invitation = Box<dyn FnMut(SocketAddr) -> io::Result<()>>;

/// A client that comes to a port of this host.
///
/// It comes by itself, or by an [`Invitation`] before each run. Each connection that it begins is
/// a visit, whatever ports it has used before; what remains of an earlier one is not mistaken
/// for another.
pub struct VisitingClient {
    door: Rc<RefCell<Door>>,
    config: ServerConfig,
    patience: Duration,
    arrival_timeout: Duration,
    invitation: Option<Invitation>,
    is_stopped: Arc<AtomicBool>,
    observer: SharedObserver,
}

/// The port, and what is known of those who came.
struct Door {
    port: ListeningPort,
    /// Connection IDs of connections that were begun, to which packets with long headers are.
    known: HashSet<ConnectionId>,
}

impl VisitingClient {
    /// Binds an address; port 0 lets the system choose. Clients are served as `config` says, and
    /// are given `patience` to come and for each answer.
    ///
    /// Once `is_stopped`, nothing is waited for any more, as if all time had passed: what a run
    /// then comes to says nothing.
    ///
    /// # Errors
    /// [`BindError`], for instance when another process has the port.
    pub fn bind(
        address: SocketAddr,
        config: ServerConfig,
        patience: Duration,
        is_stopped: Arc<AtomicBool>,
    ) -> Result<Self, BindError> {
        let port = ListeningPort::bind(address)?;
        let known = HashSet::new();
        Ok(Self {
            door: Rc::new(RefCell::new(Door { port, known })),
            config,
            patience,
            arrival_timeout: patience,
            invitation: None,
            is_stopped,
            observer: SharedObserver::default(),
        })
    }

    /// Lets something make the client come before each run.
    #[must_use]
    pub fn with_invitation(self, invitation: Invitation) -> Self {
        Self {
            invitation: Some(invitation),
            ..self
        }
    }

    /// Gives the client another time to come, as one that a person starts needs it.
    #[must_use]
    pub fn with_arrival_timeout(self, arrival_timeout: Duration) -> Self {
        Self {
            arrival_timeout,
            ..self
        }
    }

    /// Returns the address that clients come to.
    pub fn address(&self) -> SocketAddr {
        self.door.borrow().port.address()
    }

    /// Returns the place of what sees each datagram; what is put there sees those that follow.
    pub fn observer(&self) -> SharedObserver {
        Arc::clone(&self.observer)
    }
}

impl ClientSubject for VisitingClient {
    fn network(&mut self) -> io::Result<Box<dyn Network>> {
        let address = self.address();
        if let Some(invitation) = &mut self.invitation {
            invitation(address)?;
        }
        let mut visit = Visit {
            door: Rc::clone(&self.door),
            remote: None,
            first: None,
            is_stopped: Arc::clone(&self.is_stopped),
            skipped: None,
            observer: Arc::clone(&self.observer),
        };
        let until = visit.now() + self.arrival_timeout;
        match visit.receive(until) {
            Some(first) => {
                visit.first = Some(first);
                Ok(Box::new(visit))
            }
            None => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "no client has come within {} s",
                    self.arrival_timeout.as_secs_f64()
                ),
            )),
        }
    }

    fn config(&self) -> ServerConfig {
        self.config.clone()
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn pause(&mut self, time: Duration) {
        let mut door = self.door.borrow_mut();
        let until = door.port.now() + time;
        while !self.is_stopped.load(SeqCst) {
            let look = until.min(door.port.now() + LOOK_INTERVAL);
            match door.port.receive(look) {
                Ok(None) if look < until => {}
                // A client that comes too early comes again.
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}

impl fmt::Debug for VisitingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitingClient")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

impl Door {
    /// Tells whether a datagram begins a connection: its first packet has a long header, to a
    /// connection ID that nobody has used yet.
    fn is_begun_by(&self, datagram: &[u8]) -> bool {
        let mut destinations = destinations(datagram);
        destinations
            .next()
            .is_some_and(|id| !self.known.contains(&id))
    }

    /// Remembers connection IDs of a visit.
    fn learn(&mut self, ids: impl Iterator<Item = ConnectionId>) {
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        self.known.extend(ids);
    }
}

/// The network to one client, which is the one that comes first.
struct Visit {
    door: Rc<RefCell<Door>>,
    remote: Option<SocketAddr>,
    first: Option<Received>,
    is_stopped: Arc<AtomicBool>,
    /// The end of what was not waited for any more.
    skipped: Option<Instant>,
    observer: SharedObserver,
}

impl Visit {
    fn show(&self, direction: Direction, remote: SocketAddr, ecn: u8, contents: &[u8]) {
        if let Some(observer) = &mut *locked(&self.observer) {
            let door = self.door.borrow();
            observer.see(&ObservedDatagram {
                at: door.port.since_1970(),
                direction,
                local: door.port.address(),
                remote,
                ecn,
                contents,
                segment_size: None,
            });
        }
    }

    /// Takes a datagram, if it is of this visit.
    fn take(&mut self, arrival: Arrival) -> Option<Received> {
        let Arrival {
            remote,
            ecn,
            contents,
            ..
        } = arrival;
        let is_theirs = match self.remote {
            Some(of_visit) => of_visit == remote,
            None => self.door.borrow().is_begun_by(&contents),
        };
        if !is_theirs {
            return None;
        }
        self.remote = Some(remote);
        self.show(Direction::Received, remote, ecn, &contents);
        self.door.borrow_mut().learn(destinations(&contents));
        Some(Received {
            path: PathId(0),
            datagram: contents,
            ecn: codepoint(ecn),
        })
    }
}

impl Network for Visit {
    fn now(&self) -> Instant {
        let now = self.door.borrow().port.now();
        self.skipped.map_or(now, |skipped| skipped.max(now))
    }

    fn send(&mut self, _: PathId, datagram: &[u8], ecn: Ecn) {
        let Some(remote) = self.remote else {
            return;
        };
        let ecn = bits(ecn);
        self.show(Direction::Sent, remote, ecn, datagram);
        let mut door = self.door.borrow_mut();
        let sources = packets(datagram, 0).map_while(Result::ok);
        door.learn(sources.filter_map(|packet| packet.header.source));
        // What the system does not send is lost, as on any network.
        let _ = door.port.send(remote, datagram, ecn);
    }

    fn receive(&mut self, until: Instant) -> Option<Received> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        while !self.is_stopped.load(SeqCst) {
            let now = self.door.borrow().port.now();
            let look = until.min(now + LOOK_INTERVAL);
            let arrival = self.door.borrow_mut().port.receive(look);
            match arrival {
                Ok(Some(arrival)) => {
                    if let Some(received) = self.take(arrival) {
                        return Some(received);
                    }
                }
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

/// Returns the destinations of the packets of a datagram that have long headers.
fn destinations(datagram: &[u8]) -> impl Iterator<Item = ConnectionId> {
    let packets = packets(datagram, 0).map_while(Result::ok);
    packets
        .take_while(|packet| packet.header.version.is_some())
        .map(|packet| packet.header.destination)
}
