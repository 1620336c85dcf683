//! Local UDP ports for a program that waits for each answer, and reaches one peer from several
//! of them.

mod listening;

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsFd,
    time::{Duration, Instant, SystemTime},
};

use qecho_engine::{Datagram, Received};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    BindError,
    event_loop::clock,
    socket::{IcmpMessage, ReceiveBuffers, ReceiveErrors, Socket, source_towards},
};

pub use self::listening::{Arrival, ListeningPort, Outlet};

/// Datagrams that were received and not yet asked for; what comes beyond them is lost, as in a
/// kernel whose buffer is full.
const ARRIVALS_MAX: usize = 4_096;

/// Datagrams of others than the peer that are told of one [`Ports`]; later ones are dropped.
const FOREIGN_MAX: usize = 64;

/// Local ports that talk to one peer. Nothing happens but in its methods, which may wait.
///
/// Datagrams of others than the peer are dropped, unless it [tells all](Self::telling_all).
pub struct Ports {
    remote: SocketAddr,
    sockets: Vec<Socket>,
    buffers: ReceiveBuffers,
    arrivals: VecDeque<PortEvent>,
    tells_all: bool,
    /// Datagrams of others that may still be told.
    foreign_left: usize,
}

/// Event at a port that was waited for, which is named by its number: 0 is the first.
#[derive(Debug)]
#[non_exhaustive]
pub enum PortEvent {
    /// A datagram of the peer.
    Datagram {
        /// The port.
        port: usize,
        /// The ECN bits of its IP header (RFC 3168).
        ecn: u8,
        /// Its UDP payload.
        contents: Vec<u8>,
    },
    /// The network or the peer's host says that the peer is not reached (ICMP), as for a port
    /// at which nobody listens.
    Unreachable {
        /// The port.
        port: usize,
        /// In words of the system: [`io::ErrorKind::ConnectionRefused`] if nobody listens.
        reason: io::Error,
        /// The message that says so.
        icmp: IcmpMessage,
    },
    /// A datagram was too large for the way. It is told where [all](Ports::telling_all) is.
    TooLarge {
        /// The port.
        port: usize,
        /// The message that says so.
        icmp: IcmpMessage,
    },
    /// A datagram of another than the peer. It is told where [all](Ports::telling_all) is.
    Foreign {
        /// The port.
        port: usize,
        /// Its sender.
        from: SocketAddr,
        /// The ECN bits of its IP header.
        ecn: u8,
        /// Its UDP payload.
        contents: Vec<u8>,
    },
}

impl Ports {
    /// Opens a first port.
    ///
    /// # Errors
    /// [`BindError`] if the system has none to give.
    pub fn open(remote: SocketAddr) -> Result<Self, BindError> {
        Self::open_at(remote, None)
    }

    /// Opens a first port at one of this host's addresses, or at whichever the system chooses.
    ///
    /// # Errors
    /// [`BindError`] if the system has none to give there.
    pub fn open_at(remote: SocketAddr, local: Option<IpAddr>) -> Result<Self, BindError> {
        let mut ports = Self {
            remote: without_mapping(remote),
            sockets: Vec::new(),
            buffers: ReceiveBuffers::new(),
            arrivals: VecDeque::new(),
            tells_all: false,
            foreign_left: 0,
        };
        ports.bind(local)?;
        Ok(ports)
    }

    /// Makes it tell what usually nobody asks for: that a datagram was too large for the way, the
    /// first datagrams of others than the peer, and datagrams without any bytes.
    #[must_use]
    pub fn telling_all(mut self) -> Self {
        self.tells_all = true;
        self.buffers.takes_empty = true;
        self.foreign_left = FOREIGN_MAX;
        self
    }

    /// Opens another port; returns its number.
    ///
    /// # Errors
    /// [`BindError`] if the system has none to give.
    pub fn add(&mut self) -> Result<usize, BindError> {
        self.bind(None)
    }

    /// Opens another port at one of this host's addresses; returns its number.
    ///
    /// # Errors
    /// [`BindError`] if the system has none to give there.
    pub fn add_at(&mut self, local: IpAddr) -> Result<usize, BindError> {
        self.bind(Some(local))
    }

    fn bind(&mut self, local: Option<IpAddr>) -> Result<usize, BindError> {
        let unspecified: IpAddr = match self.remote {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let address = (local.unwrap_or(unspecified), 0).into();
        let socket = Socket::bind(address, ReceiveErrors::Yes)?;
        self.sockets.push(socket);
        Ok(self.sockets.len() - 1)
    }

    /// Returns the peer's address.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Returns the address from which a port sends, as far as the system tells it; nothing if
    /// there is no such port.
    pub fn local(&self, port: usize) -> Option<SocketAddr> {
        let address = self.sockets.get(port)?.address();
        if !address.ip().is_unspecified() {
            return Some(address);
        }
        let ip = source_towards(self.remote).unwrap_or(address.ip());
        Some((ip, address.port()).into())
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
    /// The system's if it does not send it, never one of a datagram before it:
    /// [`io::ErrorKind::PermissionDenied`] if a rule of this host forbids it. Further
    /// [`io::ErrorKind::NotFound`] if there is no such port.
    pub fn send(&mut self, port: usize, contents: &[u8], ecn: u8) -> io::Result<()> {
        let socket = self.sockets.get(port).ok_or(io::ErrorKind::NotFound)?;
        let datagram = Datagram::new(port, self.remote, contents.to_vec()).with_ecn(ecn);
        send(socket, &datagram)
    }

    /// Waits for what comes next; returns nothing once it is `until`.
    ///
    /// # Errors
    /// The system's if it cannot wait.
    pub fn receive(&mut self, until: Instant) -> io::Result<Option<PortEvent>> {
        loop {
            if let Some(event) = self.arrivals.pop_front() {
                return Ok(Some(event));
            }
            self.collect();
            if !self.arrivals.is_empty() {
                continue;
            }
            let rest = until.saturating_duration_since(clock());
            if rest.is_zero() {
                return Ok(None);
            }
            let sockets: Vec<_> = self.sockets.iter().collect();
            wait(&sockets, PollFlags::IN, Some(rest))?;
        }
    }

    /// Takes what the kernel has for each port.
    fn collect(&mut self) {
        let Self {
            remote,
            sockets,
            buffers,
            arrivals,
            tells_all,
            foreign_left,
        } = self;
        for (port, socket) in sockets.iter().enumerate() {
            // A pending error hides a datagram from one call, and is no datagram itself.
            for _ in 0..2 {
                let received = socket.receive(port, buffers, |received, _| {
                    if arrivals.len() < ARRIVALS_MAX {
                        arrivals.extend(datagram(received, *remote, foreign_left));
                    }
                });
                if received.is_ok() {
                    break;
                }
            }
            while let Some((icmp, reason)) = socket.next_icmp() {
                if !icmp.is_about(*remote) {
                    continue;
                }
                // Usually a message too long for the path is MTU discovery's business.
                if !icmp.is_too_large() {
                    arrivals.push_back(PortEvent::Unreachable { port, reason, icmp });
                } else if *tells_all && arrivals.len() < ARRIVALS_MAX {
                    arrivals.push_back(PortEvent::TooLarge { port, icmp });
                }
            }
        }
    }
}

/// Returns the event of a datagram: of one that is not the peer's, while any of them are left.
fn datagram(received: Received, remote: SocketAddr, foreign_left: &mut usize) -> Option<PortEvent> {
    let (port, ecn) = (received.binding, received.ecn);
    let from = without_mapping(received.remote);
    if from == remote {
        return Some(PortEvent::Datagram {
            port,
            ecn,
            contents: received.data.to_vec(),
        });
    }
    *foreign_left = foreign_left.checked_sub(1)?;
    Some(PortEvent::Foreign {
        port,
        from,
        ecn,
        contents: received.data.to_vec(),
    })
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports")
            .field("remote", &self.remote)
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}

/// Makes an IPv4 address of one that is mapped into IPv6, as sockets of ours have it, and drops
/// the flow label, of which nobody is told.
fn without_mapping(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(mut v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => (v4, v6.port()).into(),
            None => {
                v6.set_flowinfo(0);
                v6.into()
            }
        },
        address => address,
    }
}

/// Sends a datagram; waits while the system has no room for it.
fn send(socket: &Socket, datagram: &Datagram) -> io::Result<()> {
    // The first error may be an ICMP report of another datagram, also that it was too large.
    for _ in 0..2 {
        match socket.send(datagram) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait(&[socket], PollFlags::OUT, None)?;
            }
            // No ICMP report says this: a rule of this host does.
            Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
                return Err(error);
            }
            Err(_) => {}
        }
    }
    socket.send(datagram).map(drop)
}

/// Waits until one of the sockets is ready, or time is over; tells which.
pub(crate) fn wait<S: AsFd>(
    sockets: &[&S],
    interest: PollFlags,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let descriptors = sockets.iter().map(|socket| PollFd::new(*socket, interest));
    let mut descriptors: Vec<_> = descriptors.collect();
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match poll(&mut descriptors, timeout.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn next(ports: &mut Ports) -> PortEvent {
        let until = ports.now() + PATIENCE;
        let event = ports.receive(until).expect("loopback can be waited for");
        event.expect("it comes")
    }

    /// Waits for a datagram of anybody; returns its bytes, ECN bits and sender.
    fn taken(peer: &Socket) -> (Vec<u8>, u8, SocketAddr) {
        let mut buffers = ReceiveBuffers::new();
        loop {
            let mut taken = None;
            wait(&[peer], PollFlags::IN, None).expect("a socket can be waited for");
            let received = peer.receive(0, &mut buffers, |received, _| {
                taken = Some((received.data.to_vec(), received.ecn, received.remote));
            });
            if let (Ok(_), Some(taken)) = (received, taken) {
                return taken;
            }
        }
    }

    #[test]
    fn each_port_is_an_address_and_ecn_bits_go_both_ways() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address = address.parse().expect("an address");
            // A host without IPv6 has nothing to show there.
            let Ok(peer) = Socket::bind(address, ReceiveErrors::No) else {
                continue;
            };
            assert!(peer.tells_ecn());
            let mut ports = Ports::open(peer.address()).expect("loopback has ports");
            assert_eq!(ports.add().expect("another one"), 1);
            for (port, ecn) in [(0, 2), (1, 3), (0, 0), (1, 1)] {
                ports
                    .send(port, &[port as u8; 900], ecn)
                    .expect("it leaves");
                let (contents, seen, sender) = taken(&peer);
                assert_eq!((contents, seen), (vec![port as u8; 900], ecn));
                assert_eq!(Some(sender), ports.local(port));
                let answer = Datagram::new(0, sender, vec![7; 40]).with_ecn(3 - ecn);
                peer.send(&answer).expect("it leaves");
                match next(&mut ports) {
                    PortEvent::Datagram {
                        port: at,
                        ecn: seen,
                        contents,
                    } => assert_eq!((at, seen, contents), (port, 3 - ecn, vec![7; 40])),
                    event => panic!("{event:?}"),
                }
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_port_at_another_address_of_this_host_sends_from_there() {
        let peer = Socket::bind(
            "127.0.0.1:0".parse().expect("an address"),
            ReceiveErrors::No,
        );
        let peer = peer.expect("loopback has ports");
        let [first, second] = ["127.0.0.2", "127.0.0.3"].map(|it| it.parse().expect("an address"));
        let ports = Ports::open_at(peer.address(), Some(first));
        let mut ports = ports.expect("all of 127.0.0.0/8 is this host's");
        assert_eq!(ports.add_at(second).expect("another one"), 1);
        for (port, local) in [first, second].into_iter().enumerate() {
            ports.send(port, b"hello", 0).expect("it leaves");
            let (_, _, sender) = taken(&peer);
            assert_eq!(sender.ip(), local);
            assert_eq!(ports.local(port), Some(sender));
        }
        let foreign = "192.0.2.77".parse().expect("an address");
        assert!(
            ports.add_at(foreign).is_err(),
            "it is no address of this host"
        );
    }

    #[test]
    fn a_port_at_which_nobody_listens_is_told_and_the_next_datagram_leaves_all_the_same() {
        let peer = Socket::bind(
            "127.0.0.1:0".parse().expect("an address"),
            ReceiveErrors::No,
        );
        let peer = peer.expect("loopback has ports");
        let address = peer.address();
        drop(peer);
        let mut ports = Ports::open(address).expect("loopback has ports");
        for _ in 0..3 {
            ports.send(0, b"anybody?", 0).expect("it leaves");
        }
        match next(&mut ports) {
            PortEvent::Unreachable {
                port: 0,
                reason,
                icmp,
            } => {
                assert_eq!(reason.kind(), io::ErrorKind::ConnectionRefused);
                assert_eq!((icmp.from, icmp.kind, icmp.code), (address.ip(), 3, 3));
                assert_eq!(icmp.mtu, None);
            }
            event => panic!("{event:?}"),
        }
    }

    #[test]
    fn a_message_about_a_datagram_to_another_address_says_nothing_of_the_peer() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let bind = || Socket::bind(address, ReceiveErrors::No).expect("loopback has ports");
        let (peer, nobody) = (bind(), bind().address());
        let mut ports = Ports::open(peer.address()).expect("loopback has ports");
        let datagram = Datagram::new(0, nobody, b"anybody?".to_vec());
        ports.sockets[0].send(&datagram).expect("it leaves");
        let answer = Datagram::new(0, ports.local(0).expect("the first"), b"hello".to_vec());
        peer.send(&answer).expect("it leaves");
        // The message comes at once, so that it would be there before.
        let event = next(&mut ports);
        assert!(matches!(event, PortEvent::Datagram { .. }), "{event:?}");
        let until = ports.now() + Duration::from_millis(20);
        assert!(ports.receive(until).expect("it waits").is_none());
    }

    #[test]
    fn what_strangers_send_is_dropped_and_time_comes_to_its_end() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let bind = || Socket::bind(address, ReceiveErrors::No).expect("loopback has ports");
        let (peer, stranger) = (bind(), bind());
        let mut ports = Ports::open(peer.address()).expect("loopback has ports");
        let local = ports.local(0).expect("the first");
        for from in [&stranger, &peer] {
            let datagram = Datagram::new(0, local, from.address().port().to_be_bytes().into());
            from.send(&datagram).expect("it leaves");
        }
        match next(&mut ports) {
            PortEvent::Datagram { contents, .. } => {
                assert_eq!(contents, peer.address().port().to_be_bytes());
            }
            event => panic!("{event:?}"),
        }
        let until = ports.now() + Duration::from_millis(20);
        assert!(ports.receive(until).expect("it waits").is_none());
        assert!(ports.now() >= until);
        assert!(ports.send(1, b"", 0).is_err(), "there is one port");
    }

    #[test]
    fn where_all_is_told_strangers_are_told_up_to_a_limit() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let bind = || Socket::bind(address, ReceiveErrors::No).expect("loopback has ports");
        let (peer, stranger) = (bind(), bind());
        let ports = Ports::open(peer.address()).expect("loopback has ports");
        let mut ports = ports.telling_all();
        let local = ports.local(0).expect("the first");
        let say = |from: &Socket, ecn| {
            let datagram = Datagram::new(0, local, b"hello".to_vec()).with_ecn(ecn);
            from.send(&datagram).expect("it leaves");
        };
        for _ in 0..FOREIGN_MAX {
            say(&stranger, 2);
            match next(&mut ports) {
                PortEvent::Foreign {
                    port: 0,
                    from,
                    ecn: 2,
                    contents,
                } => assert_eq!((from, &*contents), (stranger.address(), &b"hello"[..])),
                event => panic!("{event:?}"),
            }
        }
        say(&stranger, 0);
        say(&peer, 0);
        assert!(matches!(next(&mut ports), PortEvent::Datagram { .. }));
    }

    #[test]
    fn a_datagram_without_any_bytes_is_told_where_all_is_and_nowhere_else() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let peer = Socket::bind(address, ReceiveErrors::No).expect("loopback has ports");
        for (tells_all, expected) in [(false, [3, 5]), (true, [0, 3])] {
            let mut ports = Ports::open(peer.address()).expect("loopback has ports");
            if tells_all {
                ports = ports.telling_all();
            }
            let local = ports.local(0).expect("the first");
            for length in [0, 3, 0, 5] {
                let datagram = Datagram::new(0, local, vec![7; length]);
                peer.send(&datagram).expect("it leaves");
            }
            for expected in expected {
                match next(&mut ports) {
                    PortEvent::Datagram { contents, .. } => assert_eq!(contents.len(), expected),
                    event => panic!("{event:?}"),
                }
            }
        }
    }
}
