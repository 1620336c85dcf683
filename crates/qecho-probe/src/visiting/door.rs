//! A port at which one client comes after the other.

use std::{
    cell::RefCell,
    collections::HashSet,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::{Duration, Instant},
};

use qecho_io::{Arrival, ListeningPort};
use qecho_packet::wire::ConnectionId;

use super::{
    beginning::{answer_other_version, is_beginning, long_destination},
    visit,
};
use crate::remote::LOOK_INTERVAL;

/// Connection IDs of earlier visits that are remembered; beyond them all are forgotten.
const KNOWN_MAX: usize = 1 << 16;

/// Datagrams that are dropped at once; noise without an end has more.
const CLEARED_MAX: usize = 1 << 16;

/// The port, and what is known of those who came.
pub(super) struct Door {
    pub(super) port: ListeningPort,
    /// Connection IDs of connections that were begun, to which packets with long headers are.
    known: HashSet<ConnectionId>,
}

impl Door {
    pub(super) fn new(port: ListeningPort) -> Self {
        Self {
            port,
            known: HashSet::new(),
        }
    }

    /// Waits for the first datagram of a connection; returns nothing once it is `until`.
    pub(super) fn arrival(&mut self, until: Instant) -> io::Result<Option<Arrival>> {
        let outlet = self.port.outlet();
        while let Some(arrival) = self.port.receive(until)? {
            if self.is_begun_by(&arrival.contents) {
                return Ok(Some(arrival));
            }
            answer_other_version(&outlet, &arrival);
            // Noise without an end keeps nobody waiting for longer.
            if outlet.now() >= until {
                break;
            }
        }
        Ok(None)
    }

    /// Drops what has come of those who are gone, and knows their connections from now on.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let now = self.port.outlet().now();
        for _ in 0..CLEARED_MAX {
            let Some(arrival) = self.port.receive(now)? else {
                break;
            };
            if let Some(id) = long_destination(&arrival.contents) {
                self.learn(id);
            }
        }
        Ok(())
    }

    fn learn(&mut self, id: ConnectionId) {
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(id);
    }

    /// Drops what comes for some time.
    pub(super) fn pass(&mut self, time: Duration, is_stopped: &AtomicBool) {
        let outlet = self.port.outlet();
        let until = outlet.now() + time;
        while !is_stopped.load(SeqCst) && outlet.now() < until {
            let look = until.min(outlet.now() + LOOK_INTERVAL);
            if self.port.receive(look).is_err() {
                return;
            }
        }
    }

    /// Tells whether a datagram begins a connection, to a connection ID that nobody has used yet.
    fn is_begun_by(&self, datagram: &[u8]) -> bool {
        let first = long_destination(datagram);
        first.is_some_and(|id| !self.known.contains(&id)) && is_beginning(datagram)
    }
}

/// Datagrams of one client.
pub(super) struct Inbox {
    door: Rc<RefCell<Door>>,
    remote: SocketAddr,
}

impl Inbox {
    /// Makes that of the client from which this came first.
    pub(super) fn new(door: &Rc<RefCell<Door>>, first: &Arrival) -> Self {
        Self {
            door: Rc::clone(door),
            remote: first.remote,
        }
    }
}

impl visit::Inbox for Inbox {
    fn receive(&mut self, until: Instant) -> io::Result<Option<Arrival>> {
        let mut door = self.door.borrow_mut();
        let outlet = door.port.outlet();
        while let Some(arrival) = door.port.receive(until)? {
            if arrival.remote == self.remote {
                return Ok(Some(arrival));
            }
            if outlet.now() >= until {
                break;
            }
        }
        Ok(None)
    }

    fn learn(&mut self, id: ConnectionId) {
        self.door.borrow_mut().learn(id);
    }
}
