//! A network whose far end is simulated, in virtual time: what takes seconds on real sockets
//! takes milliseconds here.

mod client;
mod server;
mod stateless;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

pub use self::{client::SimulatedClient, server::SimulatedServer};
use crate::{
    network::{Ecn, Network, PathId, Received},
    packet::OutDatagram,
};

/// An end of a network that is driven by datagrams and the time.
pub trait Far {
    /// Takes a datagram.
    fn receive(&mut self, now: Instant, received: &Received);
    /// Does what is due.
    fn timeout(&mut self, now: Instant);
    /// Returns the time at which something is due.
    fn deadline(&self) -> Option<Instant>;
    /// Returns a datagram that leaves.
    fn transmit(&mut self, now: Instant) -> Option<OutDatagram>;
}

/// Conditions that datagrams meet on their way, in both directions.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conditions {
    /// Time that a datagram takes in one direction.
    pub delay: Duration,
    /// The part of all datagrams that is lost, from 0 to 1.
    pub loss: f64,
    /// Seed that decides which ones are lost.
    pub seed: u64,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(5),
            loss: 0.0,
            seed: 0,
        }
    }
}

impl Conditions {
    /// Loses a part of all datagrams, from 0 to 1.
    #[must_use]
    pub fn losing(self, loss: f64, seed: u64) -> Self {
        Self { loss, seed, ..self }
    }

    /// Sets the time that a datagram takes in one direction.
    #[must_use]
    pub fn delayed(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// A network with a simulated far end.
pub struct Simulated<F> {
    /// The far end.
    pub far: F,
    conditions: Conditions,
    chance: Chance,
    now: Instant,
    paths: usize,
    /// Datagrams on their way, by the time at which they arrive and the order in which they left.
    in_transit: BTreeMap<(Instant, u64), Delivery>,
    sent: u64,
}

struct Delivery {
    is_to_far: bool,
    received: Received,
}

/// Numbers that look random and repeat with their seed (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }

    /// Tells whether something of a probability from 0 to 1 happens.
    fn happens(&mut self, probability: f64) -> bool {
        (self.next() >> 11) as f64 / ((1_u64 << 53) as f64) < probability
    }
}

/// The port of the first path.
const FIRST_PORT: u16 = 4_433;

impl<F: Far> Simulated<F> {
    /// Connects a far end.
    pub fn new(far: F, conditions: Conditions) -> Self {
        Self::begin(conditions, |_| far)
    }

    /// Connects a far end that has to know the time at which it begins.
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time begins somewhere; from here on it is an argument"
    )]
    pub fn begin(conditions: Conditions, far: impl FnOnce(Instant) -> F) -> Self {
        let now = Instant::now();
        Self {
            far: far(now),
            conditions,
            chance: Chance(conditions.seed),
            now,
            paths: 1,
            in_transit: BTreeMap::new(),
            sent: 0,
        }
    }

    fn depart(&mut self, is_to_far: bool, path: PathId, datagram: Vec<u8>, ecn: Ecn) {
        if self.chance.happens(self.conditions.loss) {
            return;
        }
        self.sent += 1;
        let arrival = (self.now + self.conditions.delay, self.sent);
        let received = Received {
            path,
            datagram,
            ecn,
        };
        let delivery = Delivery {
            is_to_far,
            received,
        };
        self.in_transit.insert(arrival, delivery);
    }

    fn flush(&mut self) {
        while let Some(OutDatagram { path, bytes, ecn }) = self.far.transmit(self.now) {
            self.depart(false, path, bytes, ecn);
        }
    }
}

impl<F: Far> Network for Simulated<F> {
    fn now(&self) -> Instant {
        self.now
    }

    fn send(&mut self, path: PathId, datagram: &[u8], ecn: Ecn) {
        self.depart(true, path, datagram.to_vec(), ecn);
    }

    fn receive(&mut self, until: Instant) -> Option<Received> {
        loop {
            self.flush();
            let arrival = self.in_transit.first_key_value();
            let arrival = arrival.map(|((at, _), _)| *at);
            let next = arrival.into_iter().chain(self.far.deadline()).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.now = self.now.max(until);
                return None;
            };
            self.now = self.now.max(next);
            if arrival != Some(next) {
                self.far.timeout(self.now);
                continue;
            }
            let (_, delivery) = self.in_transit.pop_first()?;
            if !delivery.is_to_far {
                return Some(delivery.received);
            }
            self.far.receive(self.now, &delivery.received);
        }
    }

    fn open_path(&mut self) -> io::Result<PathId> {
        self.paths += 1;
        Ok(PathId(self.paths - 1))
    }

    /// A port for each path, which is never out of reach.
    fn address(&self, path: PathId) -> Option<SocketAddr> {
        let address = Ipv4Addr::LOCALHOST;
        let port = FIRST_PORT.checked_add(u16::try_from(path.0).ok()?)?;
        Some(SocketAddr::from((address, port)))
    }
}
