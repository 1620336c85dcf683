//! The TCP sockets on which a server is asked about itself.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use qecho_io::{BindError, Listen};
use socket2::{Domain, Socket, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

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
        let listeners = place.bind(listen)?;
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

/// Listens on one address; IPv6 never takes IPv4, as with QUIC.
fn listen(address: SocketAddr) -> io::Result<(SocketAddr, TcpListener)> {
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
}
