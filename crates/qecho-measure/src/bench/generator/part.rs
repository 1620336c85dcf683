//! What a generator is given, and the words that it exchanges with others.

use std::{net::SocketAddr, time::Duration};

use qecho_engine::Connector;

use crate::bench::tally::Times;

/// What other threads tell a generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Every generator is ready: begin.
    Begin,
    /// End at once.
    Stop,
}

/// What a generator tells while it works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Told {
    /// Every connection has come about or failed; [`Command::Begin`] is awaited.
    Ready {
        /// Connections that live.
        live: usize,
    },
    /// Measuring begins.
    Measuring,
    /// Some of what was measured.
    Recent(Recent),
    /// Measuring has ended.
    Measured,
}

/// What was measured in one interval.
#[derive(Clone, Debug)]
pub struct Recent {
    /// Whether the measuring was over.
    pub(in crate::bench) after_end: bool,
    /// From 0, of the measuring or after its end.
    pub(in crate::bench) number: usize,
    pub(in crate::bench) length: Duration,
    /// Messages that came back, those of the warm-up too.
    pub(in crate::bench) came: u64,
    pub(in crate::bench) times: Option<Times>,
}

/// Hears what a generator tells, on the generator's own thread: it must not
/// block.
pub type Listener = Box<dyn FnMut(Told) + Send>;

/// Tells how much processor time the current thread has had.
pub type ProcessorClock = fn() -> Duration;

/// One shard's part of a load.
#[derive(Clone, Debug)]
pub struct Part {
    /// The server's address.
    pub remote: SocketAddr,
    /// TLS as a client.
    pub connector: Connector,
    /// Sockets of the shard, all of the address's family.
    pub sockets: usize,
    /// Which part this is, and of how many.
    pub number: usize,
    /// How many parts there are.
    pub of: usize,
    /// How often to tell what was measured.
    pub interval: Duration,
}

impl Part {
    /// Returns the seed of this part's chances.
    pub(in crate::bench) fn seed(&self, seed: u64) -> u64 {
        seed.wrapping_add(self.number as u64)
    }

    /// Returns this part's share of a number of things.
    pub(in crate::bench) fn share(&self, things: u64) -> u64 {
        let (of, number) = (self.of as u64, self.number as u64);
        things / of + u64::from(number < things % of)
    }
}
