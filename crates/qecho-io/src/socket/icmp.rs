//! Reports of hosts and routers about datagrams that were sent (ICMP).

use std::net::{IpAddr, SocketAddr};

/// Message of a host or router about a datagram that was sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IcmpMessage {
    /// The sender of the message. Its family is that of the datagram, and says whether the
    /// message is one of ICMP (RFC 792) or of ICMPv6 (RFC 4443).
    pub from: IpAddr,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// Bytes of the largest IP packet that would have passed, if it says that.
    pub mtu: Option<usize>,
    /// Destination of the datagram that it quotes.
    pub(crate) destination: Option<SocketAddr>,
}

impl IcmpMessage {
    /// Tells whether it is about a datagram to that address. The kernel hands on whatever quotes the
    /// local port of a socket that is not connected.
    pub(crate) fn is_about(&self, remote: SocketAddr) -> bool {
        let ip_and_port = |address: SocketAddr| (address.ip().to_canonical(), address.port());
        let (ip, port) = ip_and_port(remote);
        let destination = self.destination.map(ip_and_port);
        // What is sent to the unspecified address goes to loopback.
        destination.is_none_or(|it| it == (ip, port) || ip.is_unspecified() && it.1 == port)
    }

    /// Tells whether the datagram was too large (RFC 1191, RFC 8201).
    pub fn is_too_large(&self) -> bool {
        match self.from {
            IpAddr::V4(_) => (self.kind, self.code) == (3, 4),
            IpAddr::V6(_) => self.kind == 2,
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::next;

/// Takes the next message: other systems tell none.
#[cfg(not(target_os = "linux"))]
pub(super) fn next(_: &std::net::UdpSocket) -> Option<(IcmpMessage, std::io::Error)> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io::{self, IoSliceMut},
        net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket},
        os::fd::AsRawFd,
    };

    use nix::{
        cmsg_space, libc,
        sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg},
    };

    use super::IcmpMessage;

    /// Takes the next message of a socket's error queue. quinn-udp reads it as well, but tells
    /// neither type nor code.
    pub(in super::super) fn next(socket: &UdpSocket) -> Option<(IcmpMessage, io::Error)> {
        // Beside the error come the marks and the local address of the datagram.
        let space = || cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, [u8; 256]);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        loop {
            // A quote of the datagram, which nobody needs.
            let mut quote = [0];
            let mut quotes = [IoSliceMut::new(&mut quote)];
            let mut space = space();
            let file = socket.as_raw_fd();
            let report = recvmsg::<SockaddrStorage>(file, &mut quotes, Some(&mut space), flags);
            let report = report.ok()?;
            let destination = report.address.as_ref().and_then(address);
            let mut controls = report.cmsgs().into_iter().flatten();
            if let Some((mut message, error)) = controls.find_map(message) {
                message.destination = destination;
                return Some((message, error));
            }
        }
    }

    fn address(address: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = address.as_sockaddr_in();
        let v4 = v4.map(|v4| SocketAddrV4::from(*v4).into());
        let v6 = address.as_sockaddr_in6();
        v4.or_else(|| v6.map(|v6| SocketAddrV6::from(*v6).into()))
    }

    /// Reads a message; what this host says of its own accord is none, and an error of the call
    /// that it belongs to.
    fn message(control: ControlMessageOwned) -> Option<(IcmpMessage, io::Error)> {
        let (error, origin, from) = match control {
            ControlMessageOwned::Ipv4RecvErr(error, Some(from)) => {
                let from = Ipv4Addr::from_bits(u32::from_be(from.sin_addr.s_addr));
                (error, libc::SO_EE_ORIGIN_ICMP, IpAddr::V4(from))
            }
            ControlMessageOwned::Ipv6RecvErr(error, Some(from)) => {
                let from = IpAddr::from(from.sin6_addr.s6_addr);
                (error, libc::SO_EE_ORIGIN_ICMP6, from)
            }
            _ => return None,
        };
        if error.ee_origin != origin {
            return None;
        }
        let mut message = IcmpMessage {
            from,
            kind: error.ee_type,
            code: error.ee_code,
            mtu: None,
            destination: None,
        };
        // A router that knows of no MTU says 0 (RFC 1191 §4).
        if message.is_too_large() && error.ee_info > 0 {
            message.mtu = usize::try_from(error.ee_info).ok();
        }
        let errno = i32::try_from(error.ee_errno).ok()?;
        Some((message, io::Error::from_raw_os_error(errno)))
    }
}
