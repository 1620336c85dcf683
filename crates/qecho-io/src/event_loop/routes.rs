//! Asks the system what the routes to peers can carry.

use std::{collections::HashMap, net::IpAddr};

use qecho_engine::{
    RouteMtu,
    limits::{INITIAL_DATAGRAM_MIN, ROUTES_MAX, UDP_PAYLOAD_MAX},
};

use crate::{host::mtu, socket::towards};

/// Returns a function that asks the system and remembers its answers.
pub(super) fn route_mtu() -> RouteMtu {
    let mut known = HashMap::new();
    Box::new(move |peer: IpAddr| {
        let peer = peer.to_canonical();
        if known.len() >= ROUTES_MAX {
            known.clear();
        }
        *known.entry(peer).or_insert_with(|| udp_payload_max(peer))
    })
}

/// Returns the UDP payload that fits into one IP packet on the interface
/// towards a peer, by a socket that is connected and never used.
fn udp_payload_max(peer: IpAddr) -> Option<u16> {
    const UDP_HEADER: u32 = 8;
    // The port is of no consequence, but must not be 0.
    let socket = towards((peer, 9).into()).ok()?;
    let mtu = mtu(&socket, peer)?;
    let (ip_header, ip_packet_max) = match peer {
        IpAddr::V4(_) => (20, 65_535),
        // The length in an IPv6 header does not count the header itself.
        IpAddr::V6(_) => (40, 65_535 + 40),
    };
    let payload = mtu.min(ip_packet_max).checked_sub(ip_header + UDP_HEADER)?;
    let payload = payload.clamp(INITIAL_DATAGRAM_MIN.into(), UDP_PAYLOAD_MAX.into());
    u16::try_from(payload).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

    use super::*;

    #[test]
    fn loopback_carries_the_largest_datagrams_that_there_are() {
        let mut route_mtu = route_mtu();
        for peer in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            // A host may lack IPv6.
            let Ok(sender) = UdpSocket::bind((peer, 0)) else {
                continue;
            };
            let receiver = UdpSocket::bind((peer, 0)).expect("there is another port");
            let to = receiver.local_addr().expect("it is bound");
            let most = route_mtu(peer).expect("there is a route");
            assert!(most > 1_500, "{peer}: {most}");
            let datagram = vec![1; most.into()];
            sender.send_to(&datagram, to).expect("it is not too long");
            let mut received = vec![0; 70_000];
            let length = receiver.recv(&mut received).expect("it has come");
            assert_eq!(length, usize::from(most));
            assert_eq!(route_mtu(peer), Some(most), "it is remembered");
        }
    }
}
