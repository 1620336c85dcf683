//! UDP sockets with what QUIC needs of them: batches, ECN, true local
//! addresses, no fragmentation.

mod group;

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
};

use bytes::BytesMut;
use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, UdpSockRef, UdpSocketState};
use rustix::net::sockopt::set_socket_reuseport;
use socket2::{Domain, Protocol, Type};

use self::group::Company;
pub use self::group::{Divided, divide};
use crate::{outbox::Datagram, shard::Received};

/// Bytes that the kernel is asked to keep for a socket in each direction.
///
/// A burst larger than this is lost before QUIC sees it; the kernel may grant
/// less.
const KERNEL_BUFFER: usize = 4 << 20;

/// Bytes of one receive buffer: the largest UDP payload or GRO batch.
const RECEIVE_BUFFER: usize = 65_535;

/// Whether a socket learns of ICMP errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveErrors {
    /// A client: it wants to know at once that nobody listens.
    Yes,
    /// A server: it has nothing to do about a peer that is gone.
    No,
}

/// Why an address could not be bound.
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
        Self::open(address, errors, Company::None).map_err(|source| BindError { address, source })
    }

    fn open(address: SocketAddr, errors: ReceiveErrors, company: Company) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if company == Company::Shards {
            set_socket_reuseport(&socket, true)?;
        }
        socket.bind(&address.into())?;
        let io = UdpSocket::from(socket);
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        forgo_timestamps(&io)?;
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

    /// Returns how many datagrams the kernel cuts from one batch.
    pub(crate) fn gso_segments(&self) -> usize {
        self.state.max_gso_segments()
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

    /// Receives one batch and hands on each datagram of it, and whether the
    /// kernel had it joined with others; returns how many buffers were filled.
    pub(crate) fn receive(
        &self,
        binding: usize,
        buffers: &mut ReceiveBuffers,
        mut each: impl FnMut(Received, bool),
    ) -> io::Result<usize> {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut pieces = buffers.0.chunks_exact_mut(RECEIVE_BUFFER);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(pieces.next().unwrap_or_default()));
        let filled = self
            .state
            .recv(UdpSockRef::from(&self.io), &mut slices, &mut metas)?;
        for (meta, slice) in metas.iter().zip(&slices).take(filled) {
            // Each datagram gets memory of its own: as slices of the batch, one
            // kept byte would keep 64 KiB that no limit knows of.
            let joined = meta.len > meta.stride;
            for data in slice[..meta.len].chunks(meta.stride.max(1)) {
                let received = Received {
                    binding,
                    remote: meta.addr,
                    local_ip: meta.dst_ip,
                    ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
                    data: BytesMut::from(data),
                };
                each(received, joined);
            }
        }
        Ok(filled)
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

/// Lets the kernel leave out the time of each batch, for which quinn-udp 0.6.3
/// asks: its buffer for what comes with a batch is too short for that and the
/// ECN bits of one that the kernel has joined.
#[cfg(target_os = "linux")]
fn forgo_timestamps(socket: &UdpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};
    Ok(setsockopt(socket, ReceiveTimestampns, &false)?)
}

#[cfg(not(target_os = "linux"))]
fn forgo_timestamps(_: &UdpSocket) -> io::Result<()> {
    Ok(())
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

/// Finds the address that the system would send from.
pub(crate) fn source_towards(destination: SocketAddr) -> Option<IpAddr> {
    Some(towards(destination)?.local_addr().ok()?.ip())
}

/// Returns a socket that is connected, to be asked about the route and never
/// used.
pub(crate) fn towards(destination: SocketAddr) -> Option<UdpSocket> {
    let unspecified: IpAddr = match destination {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((unspecified, 0)).ok()?;
    socket.connect(destination).ok()?;
    Some(socket)
}

/// Memory that batches are received into.
pub(crate) struct ReceiveBuffers(Vec<u8>);

impl ReceiveBuffers {
    pub(crate) fn new() -> Self {
        Self(vec![0; RECEIVE_BUFFER * BATCH_SIZE])
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn datagrams_that_the_kernel_has_joined_keep_their_ecn_bits() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let bind = || Socket::bind(address.parse().expect("an address"), ReceiveErrors::No);
            // A host without IPv6 has nothing to show there.
            let (Ok(from), Ok(to)) = (bind(), bind()) else {
                continue;
            };
            let batch = Datagram {
                binding: 0,
                destination: to.address(),
                ecn: 2,
                contents: vec![7; 2_400],
                segment_size: Some(1_200),
                source_ip: None,
                dissected: None,
            };
            from.send(&batch).expect("loopback takes it");
            let mut buffers = ReceiveBuffers::new();
            let mut received = Vec::new();
            while received.len() < 2 {
                let mut wait = [rustix::event::PollFd::new(
                    &to,
                    rustix::event::PollFlags::IN,
                )];
                rustix::event::poll(&mut wait, None).expect("a socket can be waited for");
                to.receive(0, &mut buffers, |datagram, _| {
                    received.push((datagram.data.len(), datagram.ecn));
                })
                .expect("it is there");
            }
            assert_eq!(received, [(1_200, 2); 2], "{address}");
        }
    }
}
