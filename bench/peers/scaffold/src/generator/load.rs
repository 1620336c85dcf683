//! The command line of a generator.

use std::{env, net::SocketAddr, path::PathBuf, time::Duration};

use super::pattern::Pattern;
use crate::Failure;

/// Messages of a bulk transfer: so many bytes, so many of them on the way.
const BULK_MESSAGE: usize = 64 * 1024;
const BULK_IN_FLIGHT: usize = 16;

/// What load to put on whom.
#[derive(Debug)]
pub struct Load {
    /// Where the server listens.
    pub server: SocketAddr,
    /// Its process.
    pub server_pid: u32,
    /// The CA that signed its certificate, PEM.
    pub ca: PathBuf,
    /// Time of measuring.
    pub duration: Duration,
    /// Bytes of a message.
    pub size: usize,
    /// Messages on the way on each connection.
    pub in_flight: usize,
    /// Connections at once.
    pub connections: usize,
    /// Whether each connection has a socket of its own, where it need not.
    pub has_many_sockets: bool,
    /// Whether messages are pieces of a transfer without end.
    pub is_bulk: bool,
    /// Whether each message has a connection of its own.
    pub is_handshake: bool,
    /// Largest UDP payload.
    pub payload_max: usize,
    /// Bytes that messages are made of.
    pub pattern: Pattern,
}

impl Load {
    /// Reads the process's own command line.
    pub fn parse() -> Result<Self, Failure> {
        let mut words = env::args().skip(1);
        let server = words.next().ok_or("name the server's address")?.parse()?;
        let mut load = Self {
            server,
            server_pid: 0,
            ca: PathBuf::new(),
            duration: Duration::from_secs(1),
            size: 64,
            in_flight: 1,
            connections: 1,
            has_many_sockets: false,
            is_bulk: false,
            is_handshake: false,
            payload_max: 1_452,
            pattern: Pattern::default(),
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or(format!("{word} needs a value"))?;
            match word.as_str() {
                "--server-pid" => load.server_pid = value.parse()?,
                "--ca" => load.ca = value.into(),
                "--duration" => {
                    let seconds = value.strip_suffix('s').ok_or("a duration ends with s")?;
                    load.duration = Duration::from_secs_f64(seconds.parse()?);
                }
                "--in-flight" => load.in_flight = value.parse()?,
                "--connections" => load.connections = value.parse()?,
                "--sockets" => load.has_many_sockets = value == "per-connection",
                "--udp-payload-max" => load.payload_max = value.parse()?,
                "--over" => {
                    load.is_bulk = value == "bulk";
                    load.is_handshake = value == "handshake";
                }
                "--format" => {}
                _ => return Err(format!("unexpected argument {word}").into()),
            }
        }
        if load.is_bulk {
            (load.size, load.in_flight) = (BULK_MESSAGE, BULK_IN_FLIGHT);
        }
        Ok(load)
    }
}
