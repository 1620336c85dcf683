//! Names to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use anyhow::Context;
use qecho_echo::dial::Target;

use crate::{args::HostPort, ending::Failure};

/// Finds the addresses of a place.
pub(super) fn target(place: &HostPort) -> Result<Target, Failure> {
    let mut addresses = if is_localhost(&place.host) {
        // Both addresses, whatever the host's files say (RFC 6761 §6.3).
        [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]
            .map(|address| SocketAddr::new(address, place.port))
            .to_vec()
    } else {
        resolve(place)?
    };
    addresses.dedup();
    Ok(Target {
        server_name: place.host.clone(),
        addresses,
    })
}

fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
}

fn resolve(place: &HostPort) -> Result<Vec<SocketAddr>, Failure> {
    (place.host.as_str(), place.port)
        .to_socket_addrs()
        .map(Iterator::collect)
        .with_context(|| format!("cannot find the address of {}", place.host))
        .map_err(|error| Failure::from(error).hint("check the spelling, or give an IP address"))
}
