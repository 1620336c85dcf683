//! What a relay is asked to do.

use std::{net::SocketAddr, time::Duration};

use qecho_io::listen::Listen;

use crate::link::Conditions;

/// Everything that a relay is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens for clients.
    pub listen: Vec<Listen>,
    /// The server, and the only address that it forwards to.
    pub to: SocketAddr,
    /// How bad the way from the clients to the server is. All clients share
    /// it, as they share a line.
    pub up: Conditions,
    /// How bad the way back is.
    pub down: Conditions,
    /// What of a client changes towards the server, and how often, as from a
    /// NAT that forgets.
    pub rebind: Option<Rebind>,
    /// What every chance is drawn from.
    pub seed: u64,
}

impl Config {
    /// Returns the configuration of a perfect relay to a server, on a free port
    /// of localhost.
    pub fn new(to: SocketAddr, seed: u64) -> Self {
        Self {
            listen: vec![Listen::Loopback { port: 0 }],
            to,
            up: Conditions::default(),
            down: Conditions::default(),
            rebind: None,
            seed,
        }
    }
}

/// A change that comes again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebind {
    /// What changes.
    pub kind: RebindKind,
    /// How often; [`REBIND_EVERY_MIN`] at least.
    pub every: Duration,
}

/// What of a client changes towards the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebindKind {
    /// Its port.
    Port,
    /// Its address and port: the relay goes through 127.0.0.2 to 127.0.0.254,
    /// so the server must be one of 127.0.0.0/8.
    Address,
}

/// The UDP port of a relay, unless another is named.
pub const PORT: u16 = 4434;

/// Clients at once; what one more sends is refused, and replaces nobody.
pub const FLOWS_MAX: usize = 256;

/// Silence after which a client is forgotten. A QUIC connection to `qecho`
/// gives up earlier.
pub const FLOW_IDLE: Duration = Duration::from_secs(180);

/// Bytes that may be on their way in each direction; one more datagram is
/// dropped.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// What a datagram costs beside its payload, about.
pub(super) const DATAGRAM_OVERHEAD: usize = 128;

/// The shortest time for which a port is kept.
pub const REBIND_EVERY_MIN: Duration = Duration::from_millis(10);
