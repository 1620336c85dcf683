//! A port at which peers come.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use qecho_engine::Datagram;
use rustix::event::PollFlags;

use super::{ARRIVALS_MAX, send, wait, without_mapping};
use crate::{
    BindError,
    event_loop::clock,
    socket::{ReceiveBuffers, ReceiveErrors, Socket},
};

/// A local UDP port at which peers come, for a program that waits for each datagram. Nothing
/// happens but in its methods, which may wait.
pub struct ListeningPort {
    socket: Socket,
    buffers: ReceiveBuffers,
    arrivals: VecDeque<Arrival>,
}

/// A datagram that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrival {
    /// Address of the sender.
    pub remote: SocketAddr,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// Its UDP payload.
    pub contents: Vec<u8>,
}

impl ListeningPort {
    /// Binds an address; port 0 lets the system choose.
    ///
    /// # Errors
    /// [`BindError`], for instance when another process has the port.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        Ok(Self {
            socket: Socket::bind(address, ReceiveErrors::No)?,
            buffers: ReceiveBuffers::new(),
            arrivals: VecDeque::new(),
        })
    }

    /// Returns the address that it really has.
    pub fn address(&self) -> SocketAddr {
        self.socket.address()
    }

    /// Returns the time.
    pub fn now(&self) -> Instant {
        clock()
    }

    /// Returns the time since 1970, as captures have it.
    pub fn since_1970(&self) -> Duration {
        SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }

    /// Sends a datagram with these ECN bits; waits while the system has no room for it.
    ///
    /// # Errors
    /// The system's if it does not send it.
    pub fn send(&mut self, remote: SocketAddr, contents: &[u8], ecn: u8) -> io::Result<()> {
        let datagram = Datagram::new(0, remote, contents.to_vec()).with_ecn(ecn);
        send(&self.socket, &datagram)
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
            wait(&[&self.socket], PollFlags::IN, Some(rest))?;
        }
    }

    /// Takes what the kernel has.
    fn collect(&mut self) {
        let Self {
            socket,
            buffers,
            arrivals,
        } = self;
        // A pending error hides a datagram from one call, and is no datagram itself.
        for _ in 0..2 {
            let received = socket.receive(0, buffers, |received, _| {
                if arrivals.len() < ARRIVALS_MAX {
                    arrivals.push_back(Arrival {
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

impl std::fmt::Debug for ListeningPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListeningPort")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ports;

    #[test]
    fn peers_come_to_a_port_and_are_answered() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let mut port = ListeningPort::bind(address).expect("loopback has ports");
        let bind = || Ports::open(port.address()).expect("loopback has ports");
        let mut peers = [bind(), bind()];
        for (peer, ecn) in peers.iter_mut().zip([0, 2]) {
            peer.send(0, b"hello", ecn).expect("it leaves");
            let until = port.now() + Duration::from_secs(20);
            let arrival = port.receive(until).expect("it waits").expect("it comes");
            assert_eq!((arrival.ecn, &*arrival.contents), (ecn, &b"hello"[..]));
            assert_eq!(Some(arrival.remote), peer.local(0));
            port.send(arrival.remote, b"answer", 1).expect("it leaves");
            let answer = peer.receive(until).expect("it waits");
            assert!(answer.is_some(), "the answer comes");
        }
        let until = port.now() + Duration::from_millis(20);
        assert_eq!(port.receive(until).expect("it waits"), None);
    }
}
