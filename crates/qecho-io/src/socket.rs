//! UDP sockets with what QUIC needs of them: batches, ECN, true local
//! addresses, no fragmentation.

mod group;
mod icmp;
mod receive;
#[cfg(target_os = "linux")]
mod steering;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
};

use quinn_udp::{EcnCodepoint, UdpSockRef, UdpSocketState};
use rustix::net::sockopt::set_socket_reuseport;
use socket2::{Domain, Protocol, Type};

pub use self::icmp::IcmpMessage;
pub(crate) use self::{
    group::{ShardSockets, split},
    receive::ReceiveBuffers,
};
use qecho_engine::Datagram;

/// Bytes that the kernel is asked to keep for a socket in each direction.
///
/// A burst larger than this is lost before QUIC sees it; the kernel may grant
/// less.
pub(crate) const KERNEL_BUFFER: usize = 4 << 20;

/// Whether a socket learns of ICMP errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveErrors {
    /// A client: it wants to know at once that nobody listens.
    Yes,
    /// A server: it has nothing to do about a peer that is gone.
    No,
}

/// Error of an address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// The system's reason.
    pub source: io::Error,
}

/// A bound UDP socket.
#[derive(Debug)]
pub struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
    errors: ReceiveErrors,
}

impl Socket {
    /// Binds an address; port 0 lets the system choose.
    ///
    /// IPv6 sockets never take IPv4 traffic, so that an address is always
    /// seen in one form.
    ///
    /// # Errors
    /// [`BindError`], for instance when another process has the port.
    pub fn bind(address: SocketAddr, errors: ReceiveErrors) -> Result<Self, BindError> {
        Self::open(address, errors, false).map_err(|source| BindError { address, source })
    }

    /// Binds an address, which other sockets may be bound to if the port is reused.
    pub(crate) fn open(
        address: SocketAddr,
        errors: ReceiveErrors,
        reuse_port: bool,
    ) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if reuse_port {
            set_socket_reuseport(&socket, true)?;
        }
        socket.bind(&address.into())?;
        let io = UdpSocket::from(socket);
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        set_timestamps(&io, false)?;
        // The system's own limit applies; less is no error.
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&io), KERNEL_BUFFER);
        let _ = state.set_send_buffer_size(UdpSockRef::from(&io), KERNEL_BUFFER);
        if errors == ReceiveErrors::Yes {
            state.enable_transport_errors(UdpSockRef::from(&io))?;
        }
        let address = io.local_addr()?;
        Ok(Self {
            io,
            state,
            address,
            errors,
        })
    }

    /// Returns the address that the socket really has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the kernel tell when it received each datagram, and join none of them, where it
    /// can; tells whether it does.
    pub(crate) fn tell_times(&self) -> bool {
        join_none(&self.io).is_ok() && set_timestamps(&self.io, true).is_ok()
    }

    /// Tells whether the kernel tells the ECN mark of each datagram, as it was asked to do when
    /// the socket was bound. A socket has one family: no IPv6 socket takes IPv4.
    pub(crate) fn tells_ecn(&self) -> bool {
        tells_ecn(&self.io, self.address).unwrap_or(false)
    }

    /// Returns how many datagrams the kernel cuts from one batch.
    pub(crate) fn gso_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Returns how many datagrams the kernel joins to one batch.
    pub(crate) fn gro_segments(&self) -> usize {
        self.state.gro_segments().max(1)
    }

    /// Returns how many bytes the kernel keeps that were received, and that are to be sent.
    pub(crate) fn kernel_buffers(&self) -> io::Result<(usize, usize)> {
        let received = self.state.recv_buffer_size(UdpSockRef::from(&self.io))?;
        let sent = self.state.send_buffer_size(UdpSockRef::from(&self.io))?;
        // Linux doubles what it is asked for, for its own records, and tells that (socket(7)).
        let share = if cfg!(target_os = "linux") { 2 } else { 1 };
        Ok((received / share, sent / share))
    }

    /// Hands a datagram to the kernel; returns how many of its bytes left.
    pub(crate) fn send(&self, datagram: &Datagram) -> io::Result<usize> {
        self.send_part(datagram, &datagram.contents, datagram.segment_size)?;
        Ok(datagram.contents.len())
    }

    /// Hands a batch to the kernel one by one, for when it does not cut;
    /// returns how many of its bytes left.
    pub(crate) fn send_singly(&self, datagram: &Datagram) -> io::Result<usize> {
        let size = datagram.segment_size.unwrap_or(datagram.contents.len());
        let mut left = 0;
        for part in datagram.contents.chunks(size.max(1)) {
            match self.send_part(datagram, part, None) {
                Ok(()) => left += part.len(),
                // The rest of the batch is lost, as on a network: some of it
                // has left already.
                Err(_) if left > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(left)
    }

    fn send_part(
        &self,
        datagram: &Datagram,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination: datagram.destination,
            ecn: EcnCodepoint::from_bits(datagram.ecn),
            contents,
            segment_size,
            src_ip: datagram.source_ip,
        };
        self.state.try_send(UdpSockRef::from(&self.io), &transmit)
    }

    /// Takes the next ICMP message, where the system tells them, and what the system calls it.
    pub(crate) fn next_icmp(&self) -> Option<(IcmpMessage, io::Error)> {
        match self.errors {
            ReceiveErrors::Yes => icmp::next(&self.io),
            ReceiveErrors::No => None,
        }
    }

    /// Takes the next ICMP error: the peer that was not reached and why.
    pub(crate) fn next_error(&self) -> Option<(SocketAddr, io::Error)> {
        if self.errors == ReceiveErrors::No {
            return None;
        }
        loop {
            let error = self
                .state
                .recv_transport_error(UdpSockRef::from(&self.io))
                .ok()??;
            // A message too long for the path is MTU discovery's business.
            if error.mtu().is_some() {
                continue;
            }
            if let Some(address) = error.addr {
                return Some((address, io::Error::from_raw_os_error(error.raw_errno)));
            }
        }
    }
}

/// Lets the kernel tell the time of each batch, or leave it out: quinn-udp 0.6.3 asks for
/// it, but its buffer for what comes with a batch is too short for that and the ECN bits
/// of one that the kernel has joined.
#[cfg(target_os = "linux")]
fn set_timestamps(socket: &UdpSocket, wanted: bool) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};
    Ok(setsockopt(socket, ReceiveTimestampns, &wanted)?)
}

#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
fn tells_ecn(socket: &UdpSocket, address: SocketAddr) -> io::Result<bool> {
    let socket = socket2::SockRef::from(socket);
    match address {
        SocketAddr::V4(_) => socket.recv_tos_v4(),
        SocketAddr::V6(_) => socket.recv_tclass_v6(),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd")))]
fn tells_ecn(_: &UdpSocket, _: SocketAddr) -> io::Result<bool> {
    Ok(false)
}

/// Lets the kernel join no datagrams (GRO).
#[cfg(target_os = "linux")]
fn join_none(socket: &UdpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
    Ok(setsockopt(socket, UdpGroSegment, &false)?)
}

#[cfg(not(target_os = "linux"))]
fn set_timestamps(_: &UdpSocket, wanted: bool) -> io::Result<()> {
    match wanted {
        false => Ok(()),
        true => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn join_none(_: &UdpSocket) -> io::Result<()> {
    Ok(())
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

/// Finds the address that the system would send from.
pub(crate) fn source_towards(destination: SocketAddr) -> Option<IpAddr> {
    Some(towards(destination).ok()?.local_addr().ok()?.ip())
}

/// Returns a socket that is connected, to be asked about the route and never
/// used.
pub(crate) fn towards(destination: SocketAddr) -> io::Result<UdpSocket> {
    let unspecified: IpAddr = match destination {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((unspecified, 0))?;
    socket.connect(destination)?;
    Ok(socket)
}
