//! Echo over other transports beside a QUIC server, against which QUIC is measured.

mod datagrams;
mod streams;

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use qecho_io::{
    BindError, ForwardingLoop, ReceiveErrors, Runner, ServerConfig, Socket, StartError, listen,
};

use self::{datagrams::BareEcho, streams::Listeners};

pub use self::streams::{CONNECTIONS_MAX as TCP_CONNECTIONS_MAX, HANDSHAKE_TIMEOUT};

/// What a thread is for that could not be started.
const THREAD: &str = "the server's thread";

/// What is echoed beside QUIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BaselineServers {
    /// TLS 1.3 over TCP, on the same port number.
    pub tls: bool,
    /// Bare UDP, on the port after it.
    pub udp: Option<BindScope>,
}

/// From where bare UDP is echoed: anybody can forge where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindScope {
    /// This host alone.
    Loopback,
    /// Wherever QUIC is listened for.
    Anywhere,
}

/// What runs beside a server; it ends when this is dropped.
#[derive(Debug, Default)]
pub struct Running {
    listeners: Option<Listeners>,
    bare: Option<Runner<BareEcho, ()>>,
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
        if let Some(reach) = baseline_servers.udp {
            let bare = start_bare(reach, quic, &mut running.addresses)?;
            running.bare = Some(bare);
        }
        Ok(running)
    }

    /// Returns what is listened on: `tls` or `udp`, and where.
    pub fn addresses(&self) -> &[(&'static str, SocketAddr)] {
        &self.addresses
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.listeners.take();
        if let Some(bare) = self.bare.take() {
            // Both fail if it has ended: a wait that fails ends this echo, and QUIC goes on.
            let _ = bare.mailbox().send(());
            let _ = bare.join();
        }
    }
}

fn start_bare(
    reach: BindScope,
    quic: &[SocketAddr],
    addresses: &mut Vec<(&'static str, SocketAddr)>,
) -> Result<Runner<BareEcho, ()>, StartError> {
    let mut sockets = Vec::new();
    for address in quic {
        let port = address.port().checked_add(1).ok_or_else(|| BindError {
            address: *address,
            source: io::Error::other("there is no port after this one for bare UDP"),
        })?;
        let ip = match reach {
            BindScope::Anywhere => address.ip(),
            BindScope::Loopback => loopback(address.ip()),
        };
        sockets.push(Socket::bind((ip, port).into(), ReceiveErrors::No)?);
    }
    let own: Vec<_> = sockets.iter().map(Socket::address).collect();
    addresses.extend(own.iter().map(|address| ("udp", *address)));
    ForwardingLoop::new(THREAD, BareEcho::new(own), sockets)?.start("bare UDP", ForwardingLoop::run)
}

fn loopback(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() => ip.into(),
        IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    }
}
