//! Places to listen on.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use crate::{BindError, ReceiveErrors, Socket};

/// A place to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// 127.0.0.1 and, where the host has IPv6, ::1, on the same port.
    Loopback {
        /// The port; 0 lets the system choose.
        port: u16,
    },
    /// Every address of the host, on the same port.
    Everywhere {
        /// The port; 0 lets the system choose.
        port: u16,
    },
    /// One address.
    Address(SocketAddr),
}

impl Listen {
    /// Binds each of its addresses by `bind`, which returns also the address that it really got.
    ///
    /// # Errors
    /// The first address that cannot be bound, but for those of a family that the host has not.
    pub fn bind<T>(
        self,
        bind: impl Fn(SocketAddr) -> io::Result<(SocketAddr, T)>,
    ) -> Result<Vec<(SocketAddr, T)>, BindError> {
        let bind = |address| bind(address).map_err(|source| BindError { address, source });
        match self {
            Self::Address(address) => Ok(vec![bind(address)?]),
            Self::Loopback { port } => pair(bind, Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, port),
            Self::Everywhere { port } => {
                pair(bind, Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, port)
            }
        }
    }

    /// Returns the place as people write it, on the port that it really has.
    pub fn on_port(self, port: u16) -> String {
        match self {
            Self::Address(address) => SocketAddr::new(address.ip(), port).to_string(),
            Self::Loopback { .. } => format!("localhost:{port}"),
            Self::Everywhere { .. } => format!("*:{port}"),
        }
    }

    /// Tells whether the system chooses the port.
    fn takes_any_port(&self) -> bool {
        match *self {
            Self::Loopback { port } | Self::Everywhere { port } => port == 0,
            Self::Address(address) => address.port() == 0,
        }
    }
}

/// Tells whether two of the places cannot be listened on beside each other, because they
/// take the same port of the same address.
pub fn overlap(places: &[Listen]) -> bool {
    let addresses = places.iter().map(|place| match *place {
        Listen::Loopback { port } => vec![
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            (Ipv6Addr::LOCALHOST, port).into(),
        ],
        Listen::Everywhere { port } => vec![
            (Ipv4Addr::UNSPECIFIED, port).into(),
            (Ipv6Addr::UNSPECIFIED, port).into(),
        ],
        Listen::Address(address) => vec![address],
    });
    let addresses: Vec<_> = addresses.flatten().collect();
    let clash = |one: &SocketAddr, other: &SocketAddr| {
        let any = one.ip().is_unspecified() || other.ip().is_unspecified();
        let same_port = one.port() == other.port() && one.port() != 0;
        same_port && (one == other || (any && one.is_ipv4() == other.is_ipv4()))
    };
    let mut pairs = addresses
        .iter()
        .enumerate()
        .flat_map(|(position, one)| addresses[..position].iter().map(move |other| (one, other)));
    pairs.any(|(one, other)| clash(one, other))
}

/// Attempts to find a port that is free for all that shall listen there.
const PORT_ATTEMPTS_MAX: usize = 16;

/// Binds every place.
///
/// # Errors
/// The first [`BindError`].
pub fn bind(places: &[Listen]) -> Result<Vec<Socket>, BindError> {
    let mut sockets = Vec::new();
    for place in places {
        let bound = place.bind(|address| {
            let socket = Socket::open(address, ReceiveErrors::No, false)?;
            Ok((socket.address(), socket))
        })?;
        sockets.extend(bound.into_iter().map(|(_, socket)| socket));
    }
    Ok(sockets)
}

/// Binds every place, and what `others` binds beside it: where that is taken and the system
/// has chosen a port, it chooses another.
///
/// # Errors
/// Those of [`bind`], and those of `others`.
pub fn bind_with<T, E: From<BindError>>(
    places: &[Listen],
    others: impl Fn(&[SocketAddr]) -> Result<T, E>,
    is_taken: impl Fn(&E) -> bool,
) -> Result<(Vec<Socket>, T), E> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let sockets = bind(places)?;
        let addresses: Vec<_> = sockets.iter().map(Socket::address).collect();
        match others(&addresses) {
            Err(error)
                if is_taken(&error)
                    && attempts < PORT_ATTEMPTS_MAX
                    && places.iter().any(Listen::takes_any_port) => {}
            others => return Ok((sockets, others?)),
        }
    }
}

/// Binds one port in both families; a host without one of them has no need of it.
fn pair<T>(
    bind: impl Fn(SocketAddr) -> Result<(SocketAddr, T), BindError>,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    port: u16,
) -> Result<Vec<(SocketAddr, T)>, BindError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let first = match bind((v4, port).into()) {
            Err(error) if lacks_family(&error) => return Ok(vec![bind((v6, port).into())?]),
            first => first?,
        };
        match bind((v6, first.0.port()).into()) {
            Ok(second) => return Ok(vec![first, second]),
            Err(error) if lacks_family(&error) => return Ok(vec![first]),
            Err(error) => {
                let busy = error.source.kind() == io::ErrorKind::AddrInUse;
                if port != 0 || !busy || attempts == PORT_ATTEMPTS_MAX {
                    return Err(error);
                }
            }
        }
    }
}

/// Tells whether the host does not have the address at all.
fn lacks_family(error: &BindError) -> bool {
    error.source.kind() == io::ErrorKind::AddrNotAvailable
        || error.source.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_overlap_that_take_one_port_of_one_address() {
        let address = |text: &str| Listen::Address(text.parse().expect(text));
        let everywhere = Listen::Everywhere { port: 7 };
        let loopback = Listen::Loopback { port: 7 };
        for places in [
            [everywhere, loopback],
            [loopback, loopback],
            [address("192.0.2.1:7"), everywhere],
            [address("[::]:7"), loopback],
            [address("127.0.0.1:7"), loopback],
        ] {
            assert!(overlap(&places), "{places:?}");
        }
        for places in [
            [everywhere, Listen::Loopback { port: 8 }],
            [Listen::Loopback { port: 0 }, Listen::Loopback { port: 0 }],
            [address("192.0.2.1:7"), loopback],
            [address("0.0.0.0:7"), address("[::]:7")],
        ] {
            assert!(!overlap(&places), "{places:?}");
        }
    }
}
