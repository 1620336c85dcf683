//! A client of one connection.

use std::{collections::BTreeSet, time::Instant};

use qecho_packet::{
    Side,
    wire::{ConnectionId, PacketType, packets},
};

use super::Far;
use crate::{
    endpoint::{ClientConfig, Endpoint},
    faults::Fault,
    network::Received,
    packet::OutDatagram,
    rules::Rules,
};

/// A well-behaved client, or a mutant of it. It connects at once, and stays.
pub struct SimulatedClient {
    /// The connection.
    pub endpoint: Endpoint,
    faults: BTreeSet<Fault>,
    seen: usize,
    is_dead: bool,
}

impl std::fmt::Debug for SimulatedClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedClient")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl SimulatedClient {
    /// Makes a client whose rules and faults make it well-behaved, if there are none of the
    /// latter, or a mutant.
    pub fn new(
        mut config: ClientConfig,
        change: impl Fn(Rules) -> Rules,
        faults: impl IntoIterator<Item = Fault>,
        now: Instant,
    ) -> Self {
        let faults = BTreeSet::from_iter(faults);
        for fault in &faults {
            fault.spoil(&mut config.behaviour);
        }
        if faults.contains(&Fault::ShortDestination) {
            config.destination = ConnectionId::new(&[1, 2, 3, 4]);
        }
        let judge = Box::new(change(Rules::new(Side::Client)));
        Self {
            endpoint: Endpoint::client(config, now).with_judge(judge),
            is_dead: faults.contains(&Fault::Silent),
            faults,
            seen: 0,
        }
    }
}

impl Far for SimulatedClient {
    fn receive(&mut self, now: Instant, received: &Received) {
        let first = packets(&received.datagram, 0).next();
        let kind = first
            .and_then(Result::ok)
            .map(|first| first.header.packet_type);
        let deadly = match kind {
            Some(PacketType::VersionNegotiation) => Some(Fault::DiesOfVersionNegotiation),
            Some(PacketType::Retry) if self.faults.contains(&Fault::DiesOfRetry) => {
                Some(Fault::DiesOfRetry)
            }
            Some(PacketType::Retry) if self.endpoint.retry_source().is_some() => {
                Some(Fault::DiesOfSecondRetry)
            }
            None => Some(Fault::DiesOfNoise),
            _ => None,
        };
        self.is_dead |= deadly.is_some_and(|deadly| self.faults.contains(&deadly));
        if self.is_dead {
            return;
        }
        self.endpoint.receive(now, received);
        for fault in &self.faults {
            fault.react(&mut self.endpoint, self.seen);
        }
        self.seen = self.endpoint.received().len();
        let is_violated =
            self.endpoint.violation().is_some() || self.endpoint.tls_error().is_some();
        self.is_dead |= is_violated && self.faults.contains(&Fault::Crashes);
    }

    fn timeout(&mut self, now: Instant) {
        self.endpoint.timeout(now);
    }

    fn deadline(&self) -> Option<Instant> {
        self.endpoint.deadline().filter(|_| !self.is_dead)
    }

    fn transmit(&mut self, now: Instant) -> Option<OutDatagram> {
        match self.is_dead {
            true => None,
            false => self.endpoint.transmit(now),
        }
    }
}
