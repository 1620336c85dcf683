//! Configuration of a load.

use std::{
    num::NonZeroU64,
    sync::Arc,
    time::{Duration, Instant},
};

use qecho_echo::dial::{Alpn, Target};
use qecho_engine::config::Transport;
use qecho_packet::Observers;
use rustls::{KeyLog, client::danger::ServerCertVerifier};

use super::{rng::Rng, threshold::Threshold};

/// Configuration of a load.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Server to put load on.
    pub target: Target,
    /// Application protocols to offer.
    pub alpn: Alpn,
    /// Verifier of the server's certificate.
    pub verifier: Arc<dyn ServerCertVerifier>,
    /// Log of TLS secrets, if any.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// Observers of the datagrams, as far as they are QUIC.
    pub observers: Observers,
    /// Windows and timers.
    pub transport: Transport,
    /// Work of every connection.
    pub workload: Workload,
    /// Send times of the messages.
    pub arrival: Arrival,
    /// Number of runs, and how they differ.
    pub plan: Plan,
    /// Instant at which to begin, unless at once.
    pub begin: Option<Begin>,
    /// Length of the measuring.
    pub goal: Goal,
    /// Time before the measuring, in which the same is done and not measured.
    pub warmup: Duration,
    /// Connections at once, at least 1.
    pub connections: usize,
    /// Connections that are opened beside them and held, and on which nothing is sent: what a
    /// crowd costs those that are at work. Not in [`Mode::Handshake`] and [`Mode::Idle`], nor
    /// over a [`Baseline`].
    pub idle_connections: usize,
    /// Number of sockets that they share.
    pub sockets: Sockets,
    /// Threads that make the load, at least 1 and at most as many as
    /// connections.
    pub shards: usize,
    /// Time for a handshake and for the echo of each message.
    pub timeout: Duration,
    /// TLS sessions that connections resume ([`Mode::Handshake`]).
    pub sessions: Sessions,
    /// Whether every byte that comes back is compared.
    pub verify: bool,
    /// A process on this host whose processor time is measured too.
    pub server_pid: Option<u32>,
    /// Seed of the random numbers of [`Arrival::Poisson`] and [`Sizes`].
    pub seed: u64,
}

/// Time for a handshake and for each echo, unless another is named.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Most connections that one load has.
pub const CONNECTIONS_MAX: usize = 100_000;

/// Most messages that a connection may have under way, and most streams.
pub const IN_FLIGHT_MAX: usize = 100_000;

/// Most threads that make a load.
pub const SHARDS_MAX: usize = 256;

/// Bytes of the longest message: a stream has room for any, but it is kept
/// track of in pieces.
pub const SIZE_MAX: usize = 1 << 30;

/// Messages a second that may be asked for.
pub const RATE_MAX: f64 = 1e8;

impl Config {
    /// Returns the configuration of ten seconds of ping-pong with `target` on
    /// one connection if `verifier` trusts it.
    pub fn new(target: Target, verifier: Arc<dyn ServerCertVerifier>) -> Self {
        Self {
            target,
            alpn: Alpn::Auto,
            verifier,
            key_log: None,
            observers: Observers::default(),
            transport: Transport::default(),
            workload: Workload {
                mode: Mode::Stream,
                sizes: Sizes::fixed(64),
                in_flight: 1,
                streams: 1,
            },
            arrival: Arrival::Closed,
            plan: Plan::Once,
            begin: None,
            goal: Goal::Duration(Duration::from_secs(10)),
            warmup: Duration::from_secs(1),
            connections: 1,
            idle_connections: 0,
            sockets: Sockets::One,
            shards: 1,
            timeout: TIMEOUT,
            sessions: Sessions::New,
            verify: true,
            server_pid: None,
            seed: 0,
        }
    }

    /// Returns a shard's share of a number of things.
    pub(super) fn share(&self, shard: usize, things: u64) -> u64 {
        let (shards, shard) = (self.shards as u64, shard as u64);
        things / shards + u64::from(shard < things % shards)
    }

    /// Returns a shard's share of the connections, and of those that are held beside them.
    pub(super) fn connections_of(&self, shard: usize) -> [usize; 2] {
        let numbers = [self.connections, self.idle_connections];
        numbers.map(|number| self.share(shard, number as u64) as usize)
    }

    /// Returns the seed of a shard's random numbers.
    pub(super) fn seed_of(&self, shard: usize) -> u64 {
        self.seed.wrapping_add(shard as u64)
    }
}

/// Work of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Carrier of the messages.
    pub mode: Mode,
    /// Bytes of a message.
    pub sizes: Sizes,
    /// Messages that a closed loop has under way on each stream
    /// ([`Mode::Stream`], [`Mode::Bulk`]) or connection.
    pub in_flight: usize,
    /// Long-lived streams of each connection ([`Mode::Stream`], [`Mode::Bulk`]).
    pub streams: usize,
}

/// Bytes of a message: each number from the least to the most is equally
/// likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// At least 1.
    pub least: usize,
    /// Not less.
    pub most: usize,
}

impl Sizes {
    /// Returns the sizes of messages that all have so many bytes.
    pub fn fixed(size: usize) -> Self {
        Self {
            least: size,
            most: size,
        }
    }

    pub(super) fn draw(self, rng: &mut Rng) -> usize {
        match self.most - self.least {
            0 => self.least,
            more => self.least + rng.below(more as u64 + 1) as usize,
        }
    }
}

/// Carrier of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Streams that live as long as their connection.
    Stream,
    /// The same with messages that make no sense alone: pieces of a transfer
    /// that has no end.
    Bulk,
    /// A bidirectional stream for each message, to its FIN.
    StreamPerMessage,
    /// A DATAGRAM frame for each message.
    Datagram,
    /// A connection for each message: a full handshake, one echo, the close.
    Handshake,
    /// Nothing: connections are opened and held.
    Idle,
}

impl Mode {
    /// Returns the name of the mode, as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Bulk => "bulk",
            Self::StreamPerMessage => "stream-per-message",
            Self::Datagram => "datagram",
            Self::Handshake => "handshake",
            Self::Idle => "idle",
        }
    }

    /// Tells whether handshakes are the load itself, and not made before it.
    pub(super) fn is_connecting(self) -> bool {
        self == Self::Handshake
    }
}

/// TLS sessions that connections resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// None: each handshake is a full one.
    New,
    /// That of an earlier connection, if the server lets them.
    Resumed,
    /// The same, and their message goes with the first packets (0-RTT), if the
    /// server has allowed it.
    EarlyData,
}

/// Send times of messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// Each when one before it has come back: the server sets the pace, and a
    /// server that stalls is asked less.
    Closed,
    /// So many a second, at equal intervals, whatever comes back.
    Constant(f64),
    /// So many a second on average, independent of one another.
    Poisson(f64),
}

impl Arrival {
    /// Returns the rate of an open loop.
    pub fn rate(self) -> Option<f64> {
        match self {
            Self::Closed => None,
            Self::Constant(rate) | Self::Poisson(rate) => Some(rate),
        }
    }

    /// Returns the same at another rate; a closed loop becomes an open one.
    pub(super) fn at(self, rate: f64) -> Self {
        match self {
            Self::Closed | Self::Constant(_) => Self::Constant(rate),
            Self::Poisson(_) => Self::Poisson(rate),
        }
    }

    /// Returns one of `count` equal parts.
    pub(super) fn part(self, count: usize) -> Self {
        match self {
            Self::Closed => Self::Closed,
            Self::Constant(rate) => Self::Constant(rate / count as f64),
            Self::Poisson(rate) => Self::Poisson(rate / count as f64),
        }
    }
}

/// An instant at which several loads begin together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The instant.
    pub at: Instant,
    /// The same on the clock of the day (RFC 3339).
    pub name: String,
}

/// Number of runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// One.
    Once,
    /// One at each of these rates, which take the place of the arrival's.
    Steps(Vec<f64>),
    /// In turns, over QUIC and over a baseline.
    Compare(Baseline),
    /// As many as it takes to find the highest rate at which a threshold holds.
    FindLimit {
        /// Threshold that must hold.
        threshold: Threshold,
        /// Rate of the first run.
        start: f64,
    },
}

/// Transport that QUIC is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// TLS 1.3 over TCP, on the same port number.
    Tls,
    /// Bare UDP, on the port after it.
    Udp,
}

/// Length of the measuring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// After this time of measuring.
    Duration(Duration),
    /// After so many messages, all of them measured.
    Messages(NonZeroU64),
}

impl Goal {
    /// Returns the time of measuring, if that is the goal.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Duration(duration) => Some(duration),
            Self::Messages(_) => None,
        }
    }
}

/// Number of sockets that connections share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// One for each thread.
    One,
    /// One for each connection.
    PerConnection,
    /// So many for each thread.
    Number(usize),
}

impl Sockets {
    /// Returns the number of sockets of a thread with so many connections.
    pub(super) fn count(self, connections: usize) -> usize {
        match self {
            Self::One => 1,
            Self::PerConnection => connections,
            Self::Number(number) => number.clamp(1, connections.max(1)),
        }
    }
}
