//! Names to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use anyhow::Context;
use qecho_echo::dial::Target;

use crate::{args::HostPort, exit::Failure};

/// Finds the addresses of a place.
pub(super) fn target(host_port: &HostPort) -> Result<Target, Failure> {
    let mut addresses = if host_port.host.eq_ignore_ascii_case("localhost") {
        // Both addresses, whatever the host's files say (RFC 6761 §6.3).
        [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]
            .map(|address| SocketAddr::new(address, host_port.port))
            .to_vec()
    } else {
        resolve(host_port)?
    };
    addresses.dedup();
    Ok(Target {
        server_name: host_port.host.clone(),
        addresses,
    })
}

fn resolve(host_port: &HostPort) -> Result<Vec<SocketAddr>, Failure> {
    (host_port.host.as_str(), host_port.port)
        .to_socket_addrs()
        .map(Iterator::collect)
        .with_context(|| format!("cannot find the address of {}", host_port.host))
        .map_err(|error| Failure::from(error).hint("check the spelling, or give an IP address"))
}
