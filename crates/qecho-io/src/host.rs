//! What this host can do, and what it knows of the way to others.

mod dropped;
mod tcp;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Instant,
};

use crate::{
    event_loop::clock,
    socket::{KERNEL_BUFFER, ReceiveErrors, Socket, towards},
};

pub use self::{
    dropped::{Dropped, dropped},
    tcp::{PATIENCE_MAX, TcpConnection},
};

/// Route to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The address that this host sends from.
    pub source: IpAddr,
    /// Bytes of the largest IP packet that it is said to carry, where the system tells: what its
    /// interface takes, less where the route itself or a router on it has said so.
    pub mtu: Option<usize>,
}

impl Route {
    /// Names a route.
    pub fn new(source: IpAddr, mtu: Option<usize>) -> Self {
        Self { source, mtu }
    }
}

/// Abilities of this host's UDP sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sockets {
    /// Bytes that the kernel is asked to keep for a socket in each direction.
    pub asked_buffer_bytes: usize,
    /// Bytes of received datagrams that it keeps.
    pub receive_buffer_bytes: usize,
    /// Bytes that it keeps to be sent.
    pub send_buffer_bytes: usize,
    /// Datagrams that it cuts from one batch (GSO); 1 if it does not.
    pub gso_segments: usize,
    /// Datagrams that it joins to one batch (GRO); 1 if it does not.
    pub gro_segments: usize,
    /// Whether there are sockets of IPv4.
    pub has_ipv4: bool,
    /// Whether there are sockets of IPv6.
    pub has_ipv6: bool,
}

/// Returns the time.
pub fn now() -> Instant {
    clock()
}

/// Finds the route to an address. Nothing is sent.
///
/// # Errors
/// The system's if there is none.
pub fn route(remote: SocketAddr) -> io::Result<Route> {
    let socket = towards(remote)?;
    let mtu = mtu(&socket, remote.ip());
    Ok(Route {
        source: socket.local_addr()?.ip(),
        mtu: mtu.and_then(|mtu| usize::try_from(mtu).ok()),
    })
}

/// Returns the addresses of this host's interfaces that are up, as far as the system tells them: none
/// of loopback, nor those of one link.
pub fn addresses() -> Vec<IpAddr> {
    let mut addresses = interface_addresses();
    addresses.retain(|address| match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    });
    addresses
}

#[cfg(target_os = "linux")]
fn interface_addresses() -> Vec<IpAddr> {
    use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
    let interfaces = getifaddrs().into_iter().flatten();
    let up = interfaces.filter(|it| it.flags.contains(InterfaceFlags::IFF_UP));
    let addresses = up.filter_map(|it| it.address);
    let addresses = addresses.filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|it| it.ip().into());
        v4.or_else(|| Some(address.as_sockaddr_in6()?.ip().into()))
    });
    addresses.collect()
}

#[cfg(not(target_os = "linux"))]
fn interface_addresses() -> Vec<IpAddr> {
    Vec::new()
}

/// Opens a UDP socket of each family, to see what they can do.
///
/// # Errors
/// The system's if there is none of either.
pub fn sockets() -> io::Result<Sockets> {
    let open = |ip: IpAddr| Socket::open((ip, 0).into(), ReceiveErrors::No, false);
    let v4 = open(Ipv4Addr::UNSPECIFIED.into());
    let v6 = open(Ipv6Addr::UNSPECIFIED.into());
    let (has_ipv4, has_ipv6) = (v4.is_ok(), v6.is_ok());
    let socket = v4.or(v6)?;
    let (receive_buffer_bytes, send_buffer_bytes) = socket.kernel_buffers()?;
    Ok(Sockets {
        asked_buffer_bytes: KERNEL_BUFFER,
        receive_buffer_bytes,
        send_buffer_bytes,
        gso_segments: socket.gso_segments(),
        gro_segments: socket.gro_segments(),
        has_ipv4,
        has_ipv6,
    })
}

/// Returns the largest IP packet that the route of a connected socket carries.
#[cfg(target_os = "linux")]
pub(crate) fn mtu(socket: &UdpSocket, peer: IpAddr) -> Option<u32> {
    use rustix::net::sockopt::{ip_mtu, ipv6_mtu};
    match peer {
        IpAddr::V4(_) => ip_mtu(socket).ok(),
        IpAddr::V6(_) => ipv6_mtu(socket).ok(),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn mtu(_: &UdpSocket, _: IpAddr) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_a_source_and_that_of_loopback_carries_the_largest_packets() {
        let found = route((Ipv4Addr::LOCALHOST, 443).into()).expect("there is loopback");
        assert_eq!(found.source, Ipv4Addr::LOCALHOST);
        if cfg!(target_os = "linux") {
            assert_eq!(found.mtu, Some(65_535));
        }
    }

    #[test]
    fn addresses_are_those_of_interfaces_and_none_of_loopback() {
        let addresses = addresses();
        assert!(addresses.iter().all(|address| !address.is_loopback()));
        let elsewhere = (Ipv4Addr::new(192, 0, 2, 1), 9).into();
        if let Ok(Route { source, .. }) = route(elsewhere)
            && !source.is_loopback()
            && cfg!(target_os = "linux")
        {
            assert!(addresses.contains(&source), "{addresses:?}");
        }
        // One of IPv6 may not be checked yet (RFC 4862 §5.4), and cannot be bound until it is.
        for address in addresses.into_iter().filter(IpAddr::is_ipv4) {
            UdpSocket::bind((address, 0)).expect("it is an address of this host");
        }
    }

    #[test]
    fn sockets_tell_what_they_asked_for_and_never_that_they_got_more() {
        let found = sockets().expect("there are sockets");
        assert!(found.has_ipv4 || found.has_ipv6);
        assert_eq!(found.asked_buffer_bytes, KERNEL_BUFFER);
        for given in [found.receive_buffer_bytes, found.send_buffer_bytes] {
            assert!((1..=KERNEL_BUFFER).contains(&given), "{given}");
        }
        assert!(found.gso_segments >= 1 && found.gro_segments >= 1);
    }
}
