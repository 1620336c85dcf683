//! A port at which peers come.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use qecho_engine::Datagram;
use rustix::event::PollFlags;

use super::{ARRIVALS_MAX, send, wait, without_mapping};
use crate::{
    BindError, Listen,
    event_loop::clock,
    listen,
    socket::{ReceiveBuffers, Socket},
};

/// A local UDP port at which peers come, for a program that waits for each datagram. Nothing
/// happens but in its methods, which may wait.
pub struct ListeningPort {
    outlet: Outlet,
    buffers: ReceiveBuffers,
    arrivals: VecDeque<Arrival>,
}

/// The way out of a [`ListeningPort`], which any thread may have beside it.
#[derive(Clone, Debug)]
pub struct Outlet(Arc<Vec<Socket>>);

/// A datagram that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrival {
    /// The address that it came to, by its number among those of the port.
    pub at: usize,
    /// Address of the sender.
    pub remote: SocketAddr,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// Its UDP payload.
    pub contents: Vec<u8>,
}

impl ListeningPort {
    /// Binds each address of a place, all to one port.
    ///
    /// # Errors
    /// [`BindError`], for instance when another process has the port.
    pub fn bind(place: Listen) -> Result<Self, BindError> {
        Ok(Self {
            outlet: Outlet(Arc::new(listen::bind(&[place])?)),
            buffers: ReceiveBuffers::new(),
            arrivals: VecDeque::new(),
        })
    }

    /// Returns the way out.
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Returns the addresses that it really has; at least one.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.outlet.0.iter().map(Socket::address).collect()
    }

    /// Waits for what comes next; returns nothing once it is `until`.
    ///
    /// # Errors
    /// The system's if it cannot wait.
    pub fn receive(&mut self, until: Instant) -> io::Result<Option<Arrival>> {
        loop {
            if let Some(arrival) = self.arrivals.pop_front() {
                return Ok(Some(arrival));
            }
            self.collect();
            if !self.arrivals.is_empty() {
                continue;
            }
            let rest = until.saturating_duration_since(clock());
            if rest.is_zero() {
                return Ok(None);
            }
            let sockets: Vec<_> = self.outlet.0.iter().collect();
            wait(&sockets, PollFlags::IN, Some(rest))?;
        }
    }

    /// Takes what the kernel has.
    fn collect(&mut self) {
        let Self {
            outlet,
            buffers,
            arrivals,
        } = self;
        for (at, socket) in outlet.0.iter().enumerate() {
            // A pending error hides a datagram from one call, and is no datagram itself.
            for _ in 0..2 {
                let received = socket.receive(at, buffers, |received, _| {
                    if arrivals.len() < ARRIVALS_MAX {
                        arrivals.push_back(Arrival {
                            at,
                            remote: without_mapping(received.remote),
                            ecn: received.ecn,
                            contents: received.data.to_vec(),
                        });
                    }
                });
                if received.is_ok() {
                    break;
                }
            }
        }
    }
}

impl Outlet {
    /// Sends a datagram from an address of the port with these ECN bits; waits while the system
    /// has no room for it.
    ///
    /// # Errors
    /// The system's if it does not send it, [`io::ErrorKind::NotFound`] if there is no such
    /// address.
    pub fn send(
        &self,
        from: usize,
        remote: SocketAddr,
        contents: &[u8],
        ecn: u8,
    ) -> io::Result<()> {
        let socket = self.0.get(from).ok_or(io::ErrorKind::NotFound)?;
        let datagram = Datagram::new(from, remote, contents.to_vec()).with_ecn(ecn);
        send(socket, &datagram)
    }

    /// Returns an address of the port by its number.
    pub fn address(&self, at: usize) -> Option<SocketAddr> {
        self.0.get(at).map(Socket::address)
    }

    /// Returns the time.
    pub fn now(&self) -> Instant {
        clock()
    }

    /// Returns the time since 1970, as captures have it.
    pub fn since_1970(&self) -> Duration {
        SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }
}

impl std::fmt::Debug for ListeningPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListeningPort")
            .field("outlet", &self.outlet)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ports;

    #[test]
    fn peers_come_to_each_address_of_a_port_and_are_answered() {
        let mut port = ListeningPort::bind(Listen::Loopback { port: 0 });
        let port = port.as_mut().expect("loopback has ports");
        let outlet = port.outlet();
        for (at, address) in port.addresses().into_iter().enumerate() {
            for ecn in [0, 2] {
                let mut peer = Ports::open(address).expect("loopback has ports");
                peer.send(0, b"hello", ecn).expect("it leaves");
                let until = outlet.now() + Duration::from_secs(20);
                let arrival = port.receive(until).expect("it waits").expect("it comes");
                assert_eq!((arrival.ecn, &*arrival.contents), (ecn, &b"hello"[..]));
                assert_eq!(Some(arrival.remote), peer.local(0));
                assert_eq!((arrival.at, outlet.address(at)), (at, Some(address)));
                outlet
                    .send(at, arrival.remote, b"answer", 1)
                    .expect("it leaves");
                let answer = peer.receive(until).expect("it waits");
                assert!(answer.is_some(), "the answer comes");
            }
        }
        let until = outlet.now() + Duration::from_millis(20);
        assert_eq!(port.receive(until).expect("it waits"), None);
    }
}
