//! This host, and the networks that it really reaches.

mod announced;
mod told;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use qecho_cert::TrustVerifier;
use qecho_io::host::{self, TcpConnection};
use qecho_peer::network::Network;

use super::{Dropped, Machine, Notes, Route, TcpAnswer, Told, World};
use crate::remote::{Aside, PortNetwork, SharedObserver, Skipped};

/// This host, its sockets and its clock.
///
/// Where an address refuses datagrams at once, what would be waited for is skipped: for the world
/// and all of its networks that time has passed then.
pub struct HostWorld {
    verifier: Option<Arc<TrustVerifier>>,
    is_stopped: Arc<AtomicBool>,
    observer: SharedObserver,
    skipped: Skipped,
    source: Option<IpAddr>,
}

impl HostWorld {
    /// Takes this host. Once `is_stopped`, nothing is waited for any more, as if all time had
    /// passed: what is seen then says nothing.
    pub fn new(is_stopped: Arc<AtomicBool>) -> Self {
        Self {
            verifier: None,
            is_stopped,
            observer: SharedObserver::default(),
            skipped: Skipped::default(),
            source: None,
        }
    }

    /// Sets the judge of web servers' certificates; without one none is asked.
    #[must_use]
    pub fn with_verifier(self, verifier: Arc<TrustVerifier>) -> Self {
        Self {
            verifier: Some(verifier),
            ..self
        }
    }

    /// Returns the place of what sees each UDP datagram; what is put there sees those that follow.
    pub fn observer(&self) -> SharedObserver {
        Arc::clone(&self.observer)
    }

    fn connect(&self, remote: SocketAddr, patience: Duration) -> io::Result<TcpConnection> {
        TcpConnection::open(remote, patience, Arc::clone(&self.is_stopped))
    }
}

impl World for HostWorld {
    fn now(&self) -> Instant {
        self.skipped.time(host::now())
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(SeqCst)
    }

    fn machine(&mut self) -> io::Result<Machine> {
        host::sockets()
    }

    fn route(&mut self, remote: SocketAddr) -> io::Result<Route> {
        host::route(remote)
    }

    fn other_sources(&mut self, remote: SocketAddr) -> Vec<IpAddr> {
        // On loopback nothing is between the two.
        if remote.ip().is_loopback() {
            return Vec::new();
        }
        let used = host::route(remote).map(|route| route.source);
        let is_other = |address: &IpAddr| {
            address.is_ipv4() == remote.is_ipv4() && used.as_ref().is_ok_and(|used| used != address)
        };
        host::addresses().into_iter().filter(is_other).collect()
    }

    fn send_from(&mut self, source: Option<IpAddr>) {
        self.source = source;
    }

    fn dropped(&mut self) -> Option<Dropped> {
        host::dropped()
    }

    fn tcp(&mut self, remote: SocketAddr, patience: Duration) -> TcpAnswer {
        match self.connect(remote, patience) {
            Ok(_) => TcpAnswer::Open,
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => TcpAnswer::Refused,
                io::ErrorKind::TimedOut => TcpAnswer::Silent,
                _ => TcpAnswer::Unreachable(error.to_string()),
            },
        }
    }

    fn alternative_services(
        &mut self,
        remote: SocketAddr,
        server_name: &str,
        patience: Duration,
    ) -> io::Result<Vec<String>> {
        let Some(verifier) = self.verifier.clone() else {
            return Err(io::Error::other("nobody is there to judge its certificate"));
        };
        let connection = self.connect(remote, patience)?;
        announced::ask(connection, server_name, remote.port(), verifier)
    }

    fn network(&mut self, remote: SocketAddr) -> io::Result<(Box<dyn Network>, Notes)> {
        let observer = Arc::clone(&self.observer);
        let network =
            PortNetwork::open(remote, self.source, Arc::clone(&self.is_stopped), observer);
        let network = network.map_err(io::Error::other)?;
        let notes = Notes::default();
        let listener = {
            let notes = notes.clone();
            Box::new(move |at, aside: Aside<'_>| notes.add(at, Told::of(aside)))
        };
        let network = network.telling(listener, self.skipped.clone());
        Ok((Box::new(network), notes))
    }
}

impl fmt::Debug for HostWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostWorld")
            .field("is_stopped", &self.is_stopped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
