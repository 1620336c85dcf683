//! The TCP sockets on which a server is asked about itself.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use qecho_io::Listen;
use socket2::{Domain, Socket, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// Attempts to find a port that is free in both address families.
const PORT_ATTEMPTS_MAX: usize = 16;

/// Error of an address for metrics that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics on {address}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// The system's reason.
    pub source: io::Error,
}

/// Sockets that are bound and listen, of which nobody is answered yet.
#[derive(Debug)]
pub struct MonitorSockets {
    pub(crate) listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

impl MonitorSockets {
    /// Binds a place.
    ///
    /// # Errors
    /// [`BindError`] if one of its addresses cannot be bound.
    pub fn bind(place: Listen) -> Result<Self, BindError> {
        let listeners = match place {
            Listen::Address(address) => vec![listen(address)?],
            Listen::Loopback { port } => pair(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, port)?,
            Listen::Everywhere { port } => {
                pair(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, port)?
            }
        };
        let (addresses, listeners) = listeners.into_iter().unzip();
        Ok(Self {
            listeners,
            addresses,
        })
    }

    /// Returns the addresses that are really listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

type Bound = (SocketAddr, TcpListener);

/// Binds one port in both families; a host without one of them has no need of it.
fn pair(v4: Ipv4Addr, v6: Ipv6Addr, port: u16) -> Result<Vec<Bound>, BindError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let first = match listen((v4, port).into()) {
            Err(error) if lacks_family(&error) => return Ok(vec![listen((v6, port).into())?]),
            first => first?,
        };
        match listen((v6, first.0.port()).into()) {
            Ok(second) => return Ok(vec![first, second]),
            Err(error) if lacks_family(&error) => return Ok(vec![first]),
            Err(error) => {
                let is_busy = error.source.kind() == io::ErrorKind::AddrInUse;
                if port != 0 || !is_busy || attempts == PORT_ATTEMPTS_MAX {
                    return Err(error);
                }
            }
        }
    }
}

fn lacks_family(error: &BindError) -> bool {
    let unsupported = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.source.kind() == io::ErrorKind::AddrNotAvailable
        || error.source.raw_os_error() == Some(unsupported)
}

/// Listens on one address; IPv6 never takes IPv4, as with QUIC.
fn listen(address: SocketAddr) -> Result<Bound, BindError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Connections of a server before this one may linger on the port.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        Ok((listener.local_addr()?, listener))
    };
    bind().map_err(|source| BindError { address, source })
}
