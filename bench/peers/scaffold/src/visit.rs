//! The one visit of an echo client: its words, and the echo that it needs.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

use crate::Failure;

/// One message to a server, and its echo.
#[derive(Debug)]
pub struct Visit {
    /// Name of the server.
    pub host: String,
    /// Its address.
    pub address: SocketAddr,
    /// File of the CA that is trusted, PEM.
    pub ca: PathBuf,
    /// Application protocol that is offered.
    pub alpn: String,
}

impl Visit {
    /// The message.
    pub const MESSAGE: &[u8] = b"hello";

    /// Reads `HOST:PORT CA ALPN`.
    pub fn read(words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let words: Vec<String> = words.collect();
        let [place, ca, alpn] = &words[..] else {
            return Err("usage: HOST:PORT CA ALPN".into());
        };
        let (host, _) = place.rsplit_once(':').ok_or("a port is missing")?;
        let address = place.to_socket_addrs()?.next();
        Ok(Self {
            host: host.to_owned(),
            address: address.ok_or("the server has no address")?,
            ca: ca.into(),
            alpn: alpn.clone(),
        })
    }

    /// Returns where a socket is bound that is to reach the server.
    pub fn unspecified(&self) -> IpAddr {
        match self.address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Compares what has come back.
    pub fn check(echo: &[u8]) -> Result<(), Failure> {
        match echo == Self::MESSAGE {
            true => Ok(()),
            false => Err(format!("{} bytes came back, and not the same", echo.len()).into()),
        }
    }
}
