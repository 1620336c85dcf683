//! Addresses under which clients reach a server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use qecho_echo::PORT;

use super::Listening;

impl Listening<'_> {
    /// Returns the host and port of a client on this machine, if it can be named.
    pub(super) fn near(&self) -> Option<String> {
        let local = [
            Ipv4Addr::LOCALHOST.into(),
            Ipv6Addr::LOCALHOST.into(),
            IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::from(Ipv6Addr::UNSPECIFIED),
        ];
        let address = self
            .addresses
            .iter()
            .find(|address| local.contains(&address.ip()));
        match self.authority {
            Some(_) => Some(host_port("localhost", address?.port())),
            None => {
                let name = self.names.iter().find(|name| !name.starts_with('*'))?;
                Some(host_port(name, self.addresses.first()?.port()))
            }
        }
    }

    /// Returns the host and port of a client on another machine.
    pub(super) fn far(&self) -> Option<String> {
        let open = self.addresses.iter().find(|address| !is_loopback(address));
        match open {
            Some(address) if !address.ip().is_unspecified() => {
                Some(host_port(&address.ip().to_string(), address.port()))
            }
            _ => Some(host_port("HOST", open.or(self.addresses.first())?.port())),
        }
    }
}

/// Writes a host and port as a client takes them.
fn host_port(host: &str, port: u16) -> String {
    match port {
        PORT => host.to_owned(),
        _ if host.contains(':') => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

pub(super) fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
