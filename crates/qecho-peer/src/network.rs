//! The network that a script runs on: real sockets, or a far end in virtual time.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

/// A path of the endpoint, by the order in which it came to be: 0 is the first.
///
/// To a client that is one of its local addresses, to a server one of the client's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PathId(pub usize);

/// The ECN codepoint of a datagram (RFC 3168 §5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Ecn {
    /// Not ECN-capable.
    #[default]
    NotEct,
    /// ECT(0).
    Ect0,
    /// ECT(1).
    Ect1,
    /// Congestion experienced.
    Ce,
}

/// A datagram that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The path that it came on.
    pub path: PathId,
    /// Its bytes.
    pub datagram: Vec<u8>,
    /// Its ECN codepoint.
    pub ecn: Ecn,
}

/// Datagrams and the time, for scripts that wait for what happens.
pub trait Network {
    /// Returns the time.
    fn now(&self) -> Instant;

    /// Sends a datagram; one that cannot be sent is lost.
    fn send(&mut self, path: PathId, datagram: &[u8], ecn: Ecn);

    /// Waits for a datagram; returns none once it is `until`.
    fn receive(&mut self, until: Instant) -> Option<Received>;

    /// Opens another path: another local port.
    ///
    /// # Errors
    /// If the system has none to give.
    fn open_path(&mut self) -> io::Result<PathId>;

    /// Opens another path, from one of the host's addresses.
    ///
    /// # Errors
    /// If there is no such address, or no path has one.
    fn open_path_at(&mut self, _: IpAddr) -> io::Result<PathId> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Returns the local address of a path, if it is known to whoever is far.
    fn address(&self, _: PathId) -> Option<SocketAddr> {
        None
    }
}

macro_rules! networks_behind {
    ($($pointer:ty),+) => {$(
        impl<N: Network + ?Sized> Network for $pointer {
            fn now(&self) -> Instant {
                (**self).now()
            }

            fn send(&mut self, path: PathId, datagram: &[u8], ecn: Ecn) {
                (**self).send(path, datagram, ecn);
            }

            fn receive(&mut self, until: Instant) -> Option<Received> {
                (**self).receive(until)
            }

            fn open_path(&mut self) -> io::Result<PathId> {
                (**self).open_path()
            }

            fn open_path_at(&mut self, local: IpAddr) -> io::Result<PathId> {
                (**self).open_path_at(local)
            }

            fn address(&self, path: PathId) -> Option<SocketAddr> {
                (**self).address(path)
            }
        }
    )+};
}

networks_behind!(&mut N, Box<N>);
