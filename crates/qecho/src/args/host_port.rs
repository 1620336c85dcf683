//! `HOST[:PORT]` on the command line.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use qecho_cert::HostPort;
use qecho_echo::PORT;

/// Reads a place whose port, if none is named, is `usual_port`.
pub(super) fn read(text: &str, usual_port: u16) -> Result<HostPort, String> {
    HostPort::read(text, usual_port).map_err(|error| error.to_string())
}

/// Reads an address of this host; the system knows the interface of a zone.
pub(super) fn own_address(place: &HostPort) -> Result<Option<SocketAddr>, String> {
    let HostPort { host, port } = place;
    let Some(zone) = place.zone() else {
        return Ok(host.parse::<IpAddr>().ok().map(|ip| (ip, *port).into()));
    };
    let mut found = (host.as_str(), *port)
        .to_socket_addrs()
        .map_err(|_| format!("this host has no network interface `{zone}`"))?;
    Ok(found.next())
}

/// Reads a place that can be reached.
pub(super) fn reachable(text: &str) -> Result<HostPort, String> {
    let place = read(text, PORT)?;
    match place.port {
        0 => Err("nobody can be reached on port 0".into()),
        _ => Ok(place),
    }
}

/// Reads a host without a port, and returns the name that a certificate has.
pub(super) fn name(text: &str) -> Result<String, String> {
    HostPort::read_name(text).map_err(|error| error.to_string())
}
