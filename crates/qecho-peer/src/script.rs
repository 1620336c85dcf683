//! Scripts: blocking steps with one endpoint on a network, each of which reads like what it
//! does.
//!
//! ```
//! # use std::time::Duration;
//! use qecho_packet::{StreamId, wire::Frame};
//! use qecho_peer::{packet::one_rtt, script::{Probe, Reaction}};
//!
//! fn stop_a_stream_that_nobody_opened(probe: &mut Probe<'_>) -> Reaction {
//!     let id = StreamId::from_value(41);
//!     probe.reaction_to(one_rtt([Frame::StopSending { id, code: 0 }]))
//! }
//! ```

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use qecho_packet::wire::Frame;

use crate::{
    endpoint::{ClientConfig, Ended, Endpoint, ServerConfig},
    network::{Network, PathId},
    packet::{Packet, empty},
    received::Close,
    tls::{LEVELS, Level},
};

/// Result of an attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The handshake is confirmed (RFC 9001 §4.1.2).
    Confirmed,
    /// The peer closed it.
    Refused(Close),
    /// It ended otherwise: by a reset, by Version Negotiation, or by this side, whose TLS found
    /// something wrong.
    Ended(Ended),
    /// The peer has answered, but the handshake did not come to its end in time.
    Unfinished,
    /// The peer has not answered.
    Silent,
}

/// Reaction of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// It closed the connection.
    Closed(Close),
    /// It has lost the connection, and said so (RFC 9000 §10.3).
    Reset,
    /// It answers what was sent after it.
    LivesOn {
        /// Whether it acknowledged the packet that it reacts to. One that it did not, although
        /// that was sent again and again, it has discarded.
        is_acknowledged: bool,
    },
    /// It answers nothing any more.
    Silent,
}

/// One endpoint on a network, and the time for which answers are awaited.
pub struct Probe<'n> {
    network: Box<dyn Network + 'n>,
    endpoint: Endpoint,
    /// Time for which answers are awaited.
    pub patience: Duration,
}

/// Times that a packet is sent whose acknowledgement is missing: losing it each time is no
/// matter of chance.
const ATTEMPTS_MAX: u32 = 4;
/// Time after which it is taken for lost, if the path's is not longer.
const RESEND_AFTER_MIN: Duration = Duration::from_millis(50);

impl std::fmt::Debug for Probe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl<'n> Probe<'n> {
    /// Makes a client; its first packets leave with the first step.
    pub fn client(network: impl Network + 'n, config: ClientConfig) -> Self {
        let endpoint = Endpoint::client(config, network.now());
        Self::new(network, endpoint)
    }

    /// Makes a server, which waits for the first packet of a client.
    pub fn server(network: impl Network + 'n, config: ServerConfig) -> Self {
        let endpoint = Endpoint::server(config, network.now());
        Self::new(network, endpoint)
    }

    fn new(network: impl Network + 'n, endpoint: Endpoint) -> Self {
        Self {
            network: Box::new(network),
            endpoint,
            patience: Duration::from_secs(3),
        }
    }

    /// Returns the endpoint, and all that it knows.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the endpoint, to tell it what to do; it leaves with the next step.
    pub fn endpoint_mut(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Returns the time.
    pub fn now(&self) -> Instant {
        self.network.now()
    }

    /// Opens another path: another local port.
    ///
    /// # Errors
    /// If the system has none to give.
    pub fn open_path(&mut self) -> std::io::Result<PathId> {
        self.network.open_path()
    }

    /// Opens another path, from one of the host's addresses.
    ///
    /// # Errors
    /// If there is no such address, or no path has one.
    pub fn open_path_at(&mut self, local: IpAddr) -> std::io::Result<PathId> {
        self.network.open_path_at(local)
    }

    /// Returns the local address of a path, if it is known to whoever is far.
    pub fn address(&self, path: PathId) -> Option<SocketAddr> {
        self.network.address(path)
    }

    /// Sends a packet.
    pub fn send(&mut self, packet: Packet) {
        self.endpoint.send(packet);
        self.flush();
    }

    /// Sends packets in one datagram.
    pub fn send_datagram(&mut self, packets: Vec<Packet>) {
        self.endpoint.send_datagram(packets);
        self.flush();
    }

    /// Sends all that is due.
    pub fn flush(&mut self) {
        let now = self.network.now();
        while let Some(out) = self.endpoint.transmit(now) {
            self.network.send(out.path, &out.bytes, out.ecn);
        }
    }

    /// Lets one thing happen: a datagram, a timer, or that it is `until`.
    fn step(&mut self, until: Instant) {
        self.flush();
        let deadline = self.endpoint.deadline();
        let wake = deadline.map_or(until, |deadline| deadline.min(until));
        match self.network.receive(wake) {
            Some(received) => self.endpoint.receive(self.network.now(), &received),
            None => self.endpoint.timeout(self.network.now()),
        }
        self.flush();
    }

    /// Waits until something is so; returns whether it was in time.
    pub fn wait_for(
        &mut self,
        mut is_so: impl FnMut(&Endpoint) -> bool,
        timeout: Duration,
    ) -> bool {
        let until = self.network.now() + timeout;
        self.flush();
        loop {
            if is_so(&self.endpoint) {
                return true;
            }
            if self.network.now() >= until {
                return false;
            }
            self.step(until);
        }
    }

    /// Lets time pass, and does what is due; no longer than until the connection ends, unless this
    /// side has ended it.
    pub fn settle(&mut self, duration: Duration) {
        let has_ended = |endpoint: &Endpoint| {
            let ended = endpoint.ended();
            ended.is_some_and(|ended| *ended != Ended::ByEndpoint)
        };
        self.wait_for(has_ended, duration);
    }

    /// Connects, or waits for a client that does, until the handshake is confirmed.
    pub fn open(&mut self) -> Opened {
        let is_over = |endpoint: &Endpoint| endpoint.is_confirmed() || is_over(endpoint);
        let patience = self.patience;
        self.wait_for(is_over, patience);
        if self.endpoint.is_confirmed() {
            return Opened::Confirmed;
        }
        match (self.endpoint.closed(), self.endpoint.ended()) {
            (Some(close), _) => Opened::Refused(close.clone()),
            (None, Some(ended)) => Opened::Ended(ended.clone()),
            (None, None) if self.endpoint.received().is_empty() => Opened::Silent,
            (None, None) => Opened::Unfinished,
        }
    }

    /// Tells whether the peer still answers: sends PING, and again where it may be lost.
    pub fn lives(&mut self) -> bool {
        let from = LEVELS.map(|level| self.endpoint.next_number(level));
        let is_acknowledged = |endpoint: &Endpoint| {
            let mut levels = LEVELS.into_iter().zip(from);
            levels.any(|(level, from)| acknowledges(endpoint, level, from))
        };
        let until = self.now() + self.patience;
        let mut wait = RESEND_AFTER_MIN.max(self.patience / (1 << (ATTEMPTS_MAX + 1)));
        while self.now() < until {
            let pings = self.levels().into_iter();
            let pings = pings.map(|level| empty(level).with([Frame::Ping]).once().aside());
            self.send_datagram(pings.collect());
            let rest = until.duration_since(self.now());
            let is_decided = |endpoint: &Endpoint| is_acknowledged(endpoint) || is_over(endpoint);
            if self.wait_for(is_decided, wait.min(rest)) {
                break;
            }
            wait *= 2;
        }
        is_acknowledged(&self.endpoint)
    }

    /// Sends a packet, and a PING after it, and waits for the peer's reaction.
    ///
    /// A packet that is not acknowledged goes again, as it may have been lost, unless it has a
    /// packet number that cannot be used again.
    pub fn reaction_to(&mut self, packet: Packet) -> Reaction {
        let level = packet.level;
        let mut is_acknowledged = false;
        let attempts = if packet.number.is_some() {
            1
        } else {
            ATTEMPTS_MAX
        };
        for _ in 0..attempts {
            let number = packet.number.unwrap_or(self.endpoint.next_number(level));
            self.send(packet.clone());
            let reaction = self.reaction();
            if !matches!(reaction, Reaction::LivesOn { .. }) {
                return reaction;
            }
            is_acknowledged |= self.endpoint.is_acknowledged(level, number);
            if is_acknowledged {
                break;
            }
        }
        Reaction::LivesOn { is_acknowledged }
    }

    /// Waits for the peer's reaction to what was sent before.
    pub fn reaction(&mut self) -> Reaction {
        let is_alive = self.lives();
        if is_alive {
            // A close that is on its way may come after the acknowledgement.
            self.wait_for(is_over, RESEND_AFTER_MIN);
        }
        match (self.endpoint.closed(), self.endpoint.ended()) {
            (Some(close), _) => Reaction::Closed(close.clone()),
            (None, Some(Ended::Reset)) => Reaction::Reset,
            _ if is_alive => Reaction::LivesOn {
                is_acknowledged: false,
            },
            _ => Reaction::Silent,
        }
    }

    /// Returns the levels at which the peer may answer; during the handshake it may not have the
    /// keys of all. After it, a peer may give up a datagram at the first packet that it has no
    /// more keys for, and is not to be called dead for that.
    fn levels(&self) -> Vec<Level> {
        if self.endpoint.is_confirmed() {
            return vec![Level::OneRtt];
        }
        let levels = LEVELS.into_iter().filter(|level| {
            let is_early = *level == Level::OneRtt && !self.endpoint.is_complete();
            self.endpoint.has_keys(*level) && !self.endpoint.is_discarded(*level) && !is_early
        });
        levels.collect()
    }
}

/// Tells whether a connection is over.
fn is_over(endpoint: &Endpoint) -> bool {
    endpoint.closed().is_some() || endpoint.ended().is_some()
}

/// Tells whether the peer has acknowledged a packet of a level from a number on.
fn acknowledges(endpoint: &Endpoint, level: Level, from: u64) -> bool {
    let next = endpoint.next_number(level);
    (from..next).any(|number| endpoint.is_acknowledged(level, number))
}
