//! Settings of a relay.

use std::{net::SocketAddr, sync::mpsc::SyncSender, time::Duration};

use qecho_io::listen::Listen;

use crate::link::Conditions;

/// Settings of a relay.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Addresses to listen on for clients.
    pub listen: Vec<Listen>,
    /// The server, and the only address that it forwards to.
    pub to: SocketAddr,
    /// Conditions of the path from the clients to the server. All clients share
    /// it, as they share a line.
    pub up: Conditions,
    /// Conditions of the path back.
    pub down: Conditions,
    /// Change of the clients' ports or addresses towards the server, as by a NAT that forgets.
    pub rebind: Option<Rebind>,
    /// Silence of a client after which it gets another port towards the server, as by a NAT that
    /// forgets; what the server then still sends to the old one is lost. [`REBIND_EVERY_MIN`] at
    /// least.
    pub nat_timeout: Option<Duration>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Where the relay tells what its user should know at once.
    pub notices: Option<SyncSender<Notice>>,
}

/// Something that happened for the first time since the relay was started; how often it
/// did is in the [`Report`](super::Report).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// There were [`FLOWS_MAX`] clients, and the one that was silent longest made room for
    /// a new one.
    ClientReplaced,
    /// There were [`FLOWS_MAX`] clients, none silent for [`FLOW_SILENT_MIN`], and what a
    /// new one sent was refused.
    ClientRefused,
}

impl Config {
    /// Returns the settings of a perfect relay to a server, on a free port
    /// of localhost.
    pub fn new(to: SocketAddr, seed: u64) -> Self {
        Self {
            listen: vec![Listen::Loopback { port: 0 }],
            to,
            up: Conditions::default(),
            down: Conditions::default(),
            rebind: None,
            nat_timeout: None,
            seed,
            notices: None,
        }
    }

    /// Listens on these addresses.
    #[must_use]
    pub fn with_listen(self, listen: impl Into<Vec<Listen>>) -> Self {
        Self {
            listen: listen.into(),
            ..self
        }
    }

    /// Tells by `notices` what its user should know at once; of what finds no room there
    /// nothing is told.
    #[must_use]
    pub fn with_notices(self, notices: SyncSender<Notice>) -> Self {
        Self {
            notices: Some(notices),
            ..self
        }
    }

    /// Makes the path worse, from the clients to the server and back.
    #[must_use]
    pub fn with_conditions(self, up: Conditions, down: Conditions) -> Self {
        Self { up, down, ..self }
    }
}

/// A change that comes again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebind {
    /// Its kind.
    pub kind: RebindKind,
    /// Time between two changes; [`REBIND_EVERY_MIN`] at least.
    pub every: Duration,
}

/// Kind of change of a client towards the server.
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

/// Clients at once; for one more the client that was silent longest makes room.
pub const FLOWS_MAX: usize = 256;

/// Silence of a client after which it may have to make room for another. Were there less,
/// more clients than there is room for would take each other's ports with every datagram.
pub const FLOW_SILENT_MIN: Duration = Duration::from_millis(250);

/// Silence after which a client is forgotten. A QUIC connection to `qecho`
/// gives up earlier.
pub const FLOW_IDLE: Duration = Duration::from_secs(180);

/// Bytes that may be on their way in each direction; one more datagram is
/// dropped.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Bytes of memory that a datagram takes beside its payload, about.
pub(super) const DATAGRAM_OVERHEAD: usize = 128;

/// The shortest time for which a port is kept.
pub const REBIND_EVERY_MIN: Duration = Duration::from_millis(10);
