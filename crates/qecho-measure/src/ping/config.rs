//! Configuration of a ping.

use std::{sync::Arc, time::Duration};

use qecho_engine::{TlsError, config::Transport};
use rustls::{
    KeyLog,
    client::{ResolvesClientCert, danger::ServerCertVerifier},
};

use qecho_echo::{
    UDP_PAYLOAD_USUAL,
    dial::{Alpn, KEEP_ALIVE, Offers, Target},
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

/// Configuration of a ping.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Hosts to ping; events name them by their index in this list.
    pub hosts: Vec<Destination>,
    /// Messages that are sent, and their carrier.
    pub mode: Mode,
    /// Number of pings; `None` goes on until the ping is stopped.
    pub count: Option<u64>,
    /// Time from one ping to the next; zero sends the next when the one before
    /// is answered or given up.
    pub interval: Duration,
    /// Bytes of each message, at least [`SIZE_MIN`].
    pub size: usize,
    /// Time for the handshake and for each answer.
    pub timeout: Duration,
    /// Whether the ping of a host ends when there is no connection any more, or none comes
    /// about; otherwise pings are lost until there is one again. Pings by handshake or version
    /// negotiation go on in any case.
    pub gives_up: bool,
    /// Application protocols to offer.
    pub alpn: Alpn,
    /// Whether a new connection resumes the session of the one before, if the
    /// server lets it.
    pub resume: bool,
    /// Whether a new connection sends a message as early as it can (0-RTT).
    pub early_data: bool,
    /// Certificate for hosts that ask for one, if any.
    pub identity: Option<Arc<dyn ResolvesClientCert>>,
    /// Log of TLS secrets, if any.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// Windows and timers.
    pub transport: Transport,
    /// Observers of the datagrams.
    pub observers: Observers,
}

/// A host to be pinged.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The name and addresses.
    pub target: Target,
    /// Verifier of its certificate.
    pub verifier: Arc<dyn ServerCertVerifier>,
}

/// Messages that are sent, and their carrier.
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
    /// A packet of a reserved version, which any QUIC server answers with the
    /// versions that it supports (RFC 9000 §6).
    VersionNegotiation,
}

impl Mode {
    /// Tells whether the next is sent only when the one before is answered or
    /// given up.
    pub(super) fn one_at_a_time(self) -> bool {
        matches!(self, Self::Frame | Self::Handshake)
    }

    /// Tells whether it needs observations of packets.
    pub(super) fn observes_packets(self) -> bool {
        matches!(self, Self::Frame | Self::Handshake)
    }
}

impl Config {
    /// Returns the configuration of a ping of `hosts` by its defaults.
    pub fn new(hosts: Vec<Destination>) -> Self {
        Self {
            hosts,
            mode: Mode::Stream,
            count: None,
            interval: INTERVAL,
            size: SIZE,
            timeout: TIMEOUT,
            gives_up: false,
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

    /// Returns what is offered to a host, with no memory of an earlier
    /// connection.
    pub(super) fn offers(&self, destination: &Destination) -> Result<Offers, TlsError> {
        let mut offers = self.alpn.offers(
            &destination.verifier,
            self.identity.as_ref(),
            self.key_log.as_ref(),
        )?;
        if self.early_data {
            offers.first = offers.first.with_early_data();
            offers.without_alpn = offers.without_alpn.map(|other| other.with_early_data());
        }
        Ok(offers)
    }
}
