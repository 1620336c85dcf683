//! Names to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use anyhow::anyhow;
use qecho_cert::HostPort;
use qecho_echo::dial::Target;

use crate::exit::Failure;

/// Finds the addresses of a place.
pub(super) fn target(host_port: &HostPort) -> Result<Target, Failure> {
    let name = host_port.name();
    let mut addresses = if name.rsplit('.').next() == Some("localhost") {
        // Both addresses, whatever the host's files say, and for names below it (RFC 6761 §6.3).
        [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]
            .map(|address| SocketAddr::new(address, host_port.port))
            .to_vec()
    } else {
        resolve(host_port)?
    };
    addresses.dedup();
    if let Some(nobody) = addresses
        .iter()
        .find(|address| address.ip().is_unspecified())
    {
        let error = anyhow!(
            "{} stands for all addresses of a host, and is none that can be reached",
            nobody.ip()
        );
        return Err(Failure::from(error).hint("a server on this host is at localhost"));
    }
    let server_name = match &addresses[..] {
        [address] if is_number(&name) => address.ip().to_string(),
        _ => name,
    };
    Ok(Target {
        server_name,
        addresses,
    })
}

fn resolve(host_port: &HostPort) -> Result<Vec<SocketAddr>, Failure> {
    let found = (host_port.host.as_str(), host_port.port).to_socket_addrs();
    found.map(Iterator::collect).map_err(|error| {
        let (what, hint) = match host_port.zone() {
            Some(zone) => (
                format!("this host has no network interface {zone}"),
                "`ip link` lists them",
            ),
            None => (
                format!("cannot find the address of {}", host_port.host),
                "check the spelling, or give an IP address",
            ),
        };
        Failure::from(anyhow::Error::new(error).context(what)).hint(hint)
    })
}

/// Returns whether a name is an IPv4 address in one of its old forms (127.1, 2130706433,
/// 0x7f000001), which the system knows and certificates do not have.
fn is_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    match last.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}
