//! What a ping is asked to do.

use std::{sync::Arc, time::Duration};

use qecho_engine::config::Transport;
use rustls::{
    KeyLog,
    client::{ResolvesClientCert, danger::ServerCertVerifier},
};

use qecho_echo::{
    UDP_PAYLOAD_USUAL,
    dial::{Alpn, Target},
};
use qecho_packet::Observers;

/// Time for a handshake and for each answer, unless another is named.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Time from one ping to the next, unless another is named.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of a message, unless another number is named.
pub const SIZE: usize = 64;

/// Bytes of the smallest message: its number and its stamp.
pub const SIZE_MIN: usize = 16;

/// Bytes of the largest message.
pub const SIZE_MAX: usize = 1 << 20;

/// Hosts that can be pinged at once.
pub const HOSTS_MAX: usize = 64;

/// Messages to one host that may be without an answer; the next waits, and
/// its time runs.
pub const UNANSWERED_MAX: usize = 10_000;

/// Everything that a ping is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whom to ping; reports name them by their place in this list.
    pub hosts: Vec<Destination>,
    /// What is sent and awaited.
    pub over: Mode,
    /// How many times; `None` goes on until it is stopped.
    pub count: Option<u64>,
    /// Time from one ping to the next; zero sends the next when the one before
    /// is answered or given up.
    pub interval: Duration,
    /// Bytes of each message, at least [`SIZE_MIN`].
    pub size: usize,
    /// Time for the handshake and for each answer.
    pub timeout: Duration,
    /// Which application protocols to offer.
    pub alpn: Alpn,
    /// Whether a new connection goes on with the session of the one before, if
    /// the server lets it.
    pub resume: bool,
    /// Whether a new connection sends a message as early as it can (0-RTT).
    pub early_data: bool,
    /// What is shown to a host that asks for a certificate, if anything.
    pub identity: Option<Arc<dyn ResolvesClientCert>>,
    /// Where TLS secrets are logged, if anywhere.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// Windows and timers.
    pub transport: Transport,
    /// Who sees what passes.
    pub observers: Observers,
}

/// Somebody to be pinged.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The name and addresses.
    pub target: Target,
    /// Decides whether it is the right one.
    pub verifier: Arc<dyn ServerCertVerifier>,
}

/// What is sent and awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Messages on one bidirectional stream, which come back from an echo
    /// server.
    #[default]
    Stream,
    /// A DATAGRAM frame for each message, which comes back from an echo
    /// server.
    Datagram,
    /// PING frames, which any QUIC peer acknowledges.
    Frame,
    /// A new connection each time.
    Handshake,
    /// A packet of a version that nobody speaks, which any QUIC server answers
    /// with those that it does (RFC 9000 §6).
    VersionNegotiation,
}

impl Mode {
    /// Tells whether the next is sent only when the one before is answered or
    /// given up.
    pub(super) fn one_at_a_time(self) -> bool {
        matches!(self, Self::Frame | Self::Handshake)
    }

    /// Tells whether it takes a look into the packets.
    pub(super) fn looks_into_packets(self) -> bool {
        matches!(self, Self::Frame | Self::Handshake)
    }
}

impl Config {
    /// Returns the configuration of a ping of `hosts` by its defaults.
    pub fn new(hosts: Vec<Destination>) -> Self {
        Self {
            hosts,
            over: Mode::Stream,
            count: None,
            interval: INTERVAL,
            size: SIZE,
            timeout: TIMEOUT,
            alpn: Alpn::Auto,
            resume: false,
            early_data: false,
            identity: None,
            key_log: None,
            transport: Transport::default()
                .with_keep_alive(KEEP_ALIVE)
                .with_udp_payload_max(UDP_PAYLOAD_USUAL),
            observers: Observers::default(),
        }
    }
}

/// Well under the shortest idle timeout that is usual (30 s).
const KEEP_ALIVE: Duration = Duration::from_secs(15);
