//! One direction of a relay: the modelled path and the datagrams on it.

use std::time::Instant;

use crate::link::{Conditions, DelayQueue, Link};

use super::{
    config::{DATAGRAM_OVERHEAD, QUEUE_BYTES_MAX},
    nat_table::Client,
    report::DirectionReport,
};

/// A datagram of a client, or for one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientDatagram {
    pub(super) client: Client,
    /// The ECN bits of its IP header (RFC 3168).
    pub(super) ecn: u8,
    pub(super) data: Vec<u8>,
}

/// The path from the clients to the server, or back.
#[derive(Debug)]
pub(super) struct PathDirection {
    link: Link,
    in_transit: DelayQueue<ClientDatagram>,
    /// Bytes of memory that the datagrams in transit take.
    held: usize,
    report: DirectionReport,
}

impl PathDirection {
    pub(super) fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            link: Link::new(conditions, seed),
            in_transit: DelayQueue::default(),
            held: 0,
            report: DirectionReport::default(),
        }
    }

    /// Begins the time that blackholes are counted from, if it has not begun.
    pub(super) fn begin(&mut self, now: Instant) {
        self.link.begin(now);
    }

    pub(super) fn set_conditions(&mut self, conditions: Conditions) {
        self.link.set_conditions(conditions);
    }

    /// Takes a datagram that came at one end.
    pub(super) fn send(&mut self, now: Instant, datagram: ClientDatagram) {
        let ClientDatagram { client, ecn, data } = datagram;
        self.report.bytes_received += data.len() as u64;
        self.link.send_marked(now, ecn, data, |at, ecn, data| {
            let cost = data.len() + DATAGRAM_OVERHEAD;
            if self.held + cost > QUEUE_BYTES_MAX {
                self.report.overflowed += 1;
                return;
            }
            self.held += cost;
            self.in_transit
                .push(at, ClientDatagram { client, ecn, data });
        });
    }

    /// Returns the next datagram that has reached the other end.
    pub(super) fn pop(&mut self, now: Instant) -> Option<ClientDatagram> {
        let datagram = self.in_transit.pop(now)?;
        self.held -= datagram.data.len() + DATAGRAM_OVERHEAD;
        self.report.delivered += 1;
        self.report.bytes_delivered += datagram.data.len() as u64;
        Some(datagram)
    }

    /// Takes back that a datagram was delivered.
    pub(super) fn not_sent(&mut self, bytes: usize) {
        self.report.delivered -= 1;
        self.report.bytes_delivered -= bytes as u64;
        self.report.unsent += 1;
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.in_transit.next()
    }

    pub(super) fn report(&self) -> DirectionReport {
        DirectionReport {
            counts: self.link.counts(),
            under_way: self.in_transit.len() as u64,
            ..self.report
        }
    }
}
