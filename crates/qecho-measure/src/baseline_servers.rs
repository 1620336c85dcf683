//! Echo over other transports beside a QUIC server, against which QUIC is measured.

mod tls;
mod udp;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
};

use qecho_io::{
    BindError, ForwardingLoop, ReceiveErrors, Runner, ServerConfig, Socket, StartError, listen,
};

use self::{tls::Listeners, udp::UdpEcho};

pub use self::tls::{CONNECTIONS_MAX as TCP_CONNECTIONS_MAX, HANDSHAKE_TIMEOUT};

/// Name of a thread in the error that it cannot be started.
const THREAD: &str = "the server's thread";

/// Transports that are echoed beside QUIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BaselineServers {
    /// TLS 1.3 over TCP, on the same port number.
    pub tls: bool,
    /// Bare UDP, on the port after it.
    pub udp: Option<BindScope>,
}

/// Addresses at which bare UDP is echoed: its source addresses can be forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindScope {
    /// This host alone.
    Loopback,
    /// All addresses of the QUIC server.
    Anywhere,
}

/// Running baseline servers; they end when this is dropped.
#[derive(Debug, Default)]
pub struct Running {
    listeners: Option<Listeners>,
    udp: Option<Runner<UdpEcho, ()>>,
    addresses: Vec<(&'static str, SocketAddr)>,
}

impl BaselineServers {
    /// Binds the sockets of a server, and starts what is wanted beside it.
    ///
    /// # Errors
    /// [`StartError`] if either cannot be; nothing keeps running then.
    pub fn bind(self, config: &ServerConfig) -> Result<(Vec<Socket>, Running), StartError> {
        listen::bind_with(
            &config.listen,
            |quic| Running::start(self, config, quic),
            |error| matches!(error, StartError::Bind(_)),
        )
    }
}

impl Running {
    fn start(
        baseline_servers: BaselineServers,
        config: &ServerConfig,
        quic: &[SocketAddr],
    ) -> Result<Self, StartError> {
        let mut running = Self::default();
        if baseline_servers.tls {
            running.listeners = Some(Listeners::start(config, quic)?);
            running.addresses = quic.iter().map(|address| ("tls", *address)).collect();
        }
        if let Some(scope) = baseline_servers.udp {
            let udp = start_udp(scope, quic, &mut running.addresses)?;
            running.udp = Some(udp);
        }
        Ok(running)
    }

    /// Returns each transport, `tls` or `udp`, and an address of it.
    pub fn addresses(&self) -> &[(&'static str, SocketAddr)] {
        &self.addresses
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.listeners.take();
        if let Some(udp) = self.udp.take() {
            // Both fail if it has ended: a wait that fails ends this echo, and QUIC goes on. A
            // panic of its thread is no reason for another while this is dropped.
            let _ = udp.mailbox().send(());
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| udp.join()));
        }
    }
}

fn start_udp(
    scope: BindScope,
    quic: &[SocketAddr],
    addresses: &mut Vec<(&'static str, SocketAddr)>,
) -> Result<Runner<UdpEcho, ()>, StartError> {
    let mut sockets = Vec::new();
    for address in quic {
        let port = address.port().checked_add(1).ok_or_else(|| BindError {
            address: *address,
            source: io::Error::other("there is no port after this one for bare UDP"),
        })?;
        let ip = match scope {
            BindScope::Anywhere => address.ip(),
            BindScope::Loopback => loopback(address.ip()),
        };
        sockets.push(Socket::bind((ip, port).into(), ReceiveErrors::No)?);
    }
    let own: Vec<_> = sockets.iter().map(Socket::address).collect();
    addresses.extend(own.iter().map(|address| ("udp", *address)));
    ForwardingLoop::new(THREAD, UdpEcho::new(own), sockets)?.start("bare UDP", ForwardingLoop::run)
}

fn loopback(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() => ip.into(),
        IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    }
}
