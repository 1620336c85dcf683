//! A client of one connection.

use std::{collections::BTreeSet, time::Instant};

use qecho_packet::wire::{ConnectionId, PacketType, packets};

use super::Far;
use crate::{
    endpoint::{ClientConfig, Endpoint},
    faults::{self, Fault},
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
            config.behaviour.leave_out(*fault);
        }
        if faults.contains(&Fault::ShortDestination) {
            config.destination = ConnectionId::new(&[1, 2, 3, 4]);
        }
        Self {
            endpoint: Endpoint::client(config, now).with_rules(change(Rules::default())),
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
        self.is_dead |= faults::react(&self.faults, &mut self.endpoint, &mut self.seen);
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
