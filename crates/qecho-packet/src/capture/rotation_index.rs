//! The secrets and beginnings of the connections that still live, which the
//! next file of a capture repeats, so that it opens on its own.

use std::{collections::HashMap, time::Duration};

use super::{
    reader::{Captured, Item, Section},
    tracked_connection::TrackedConnection,
};
use crate::{
    Direction, Observation,
    dissect::{Dissector, LINES_MAX},
};

/// Time after its CONNECTION_CLOSE in which packets of a connection may still
/// pass.
const CLOSED_LINGER: Duration = Duration::from_secs(3);

/// TLS sessions whose secrets wait until a 1-RTT packet of theirs is opened;
/// beyond that the oldest are forgotten. As many handshakes may be under way.
const UNCLAIMED_MAX: usize = 1_024;

/// The connections that pass, as a reader of the capture will know them: by
/// the same [`Dissector`].
pub(super) struct RotationIndex {
    section: Section,
    dissector: Dissector,
    connections: HashMap<u64, TrackedConnection>,
    now: Duration,
    /// Silence after which a connection has ended.
    silence: Duration,
    /// Time after which a handshake has ended that is not complete.
    handshake_deadline: Duration,
    cost: usize,
    cost_max: usize,
    forgotten: u64,
}

/// The secrets and packets that a next file begins with.
pub(super) struct Repeated {
    pub(super) key_log: String,
    /// Blocks, in the order of their stamps.
    pub(super) packets: Vec<u8>,
    /// Connections that were forgotten for want of room, so far.
    pub(super) forgotten: u64,
}

impl RotationIndex {
    /// Begins one that repeats at most so many bytes, and takes not many more.
    pub(super) fn new(bytes_max: usize, silence: Duration, handshake_deadline: Duration) -> Self {
        let unclaimed_max = (bytes_max / 4 / LINES_MAX).min(UNCLAIMED_MAX);
        Self {
            section: Section::default(),
            dissector: Dissector::for_rotation(unclaimed_max),
            connections: HashMap::new(),
            now: Duration::ZERO,
            silence,
            handshake_deadline,
            cost: 0,
            cost_max: bytes_max / 4 * 3,
            forgotten: 0,
        }
    }

    /// Learns of a block that is being written.
    pub(super) fn see(&mut self, block: &[u8]) {
        match self.section.read_back(block) {
            Some(Item::Secrets(key_log)) => self.dissector.add_secrets_at(self.now, &key_log),
            Some(Item::Datagram(captured)) => {
                self.now = self.now.max(captured.at);
                self.see_packet(&captured, block);
                self.make_room();
            }
            _ => {}
        }
    }

    /// Returns what the next file must repeat; forgets what has ended.
    pub(super) fn repeat(&mut self) -> Repeated {
        let then = |ago| self.now.saturating_sub(ago);
        let handshake = then(self.handshake_deadline);
        let (silent, closed) = (then(self.silence), then(CLOSED_LINGER));
        self.dissector.forget_unclaimed(handshake);
        let ended = self.connections.iter().filter(|(_, connection)| {
            let begin = if connection.closed {
                closed
            } else if connection.established {
                silent
            } else {
                handshake
            };
            connection.last < begin
        });
        for number in ended.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.forget(number);
        }
        let mut packets = Vec::new();
        for (number, connection) in &self.connections {
            let synthetic_packets = |direction, destination: &_, known_updates| {
                let dissector = &self.dissector;
                dissector.synthetic_packets(*number, direction, destination, known_updates)
            };
            connection.repeat(synthetic_packets, &mut packets);
        }
        // Stable: a connection's own blocks stay in their order.
        packets.sort_by_key(|(at, _)| *at);
        Repeated {
            key_log: self.dissector.key_log(),
            packets: packets.into_iter().flat_map(|(_, block)| block).collect(),
            forgotten: self.forgotten,
        }
    }

    fn see_packet(&mut self, captured: &Captured, block: &[u8]) {
        let direction = captured.direction.unwrap_or(Direction::Received);
        let (mut number, mut packets) = (None, Vec::new());
        self.dissector
            .datagram(&captured.datagram(), &mut |observation| {
                if let Observation::Datagram(datagram) = observation {
                    number = number.or(datagram.connection);
                    packets.extend(datagram.packets);
                }
            });
        let Some(number) = number else {
            return;
        };
        let connection = self.connections.entry(number).or_insert_with(|| {
            let begun = TrackedConnection::new(captured, direction);
            self.cost += begun.cost();
            begun
        });
        let was_established = connection.established;
        self.cost -= connection.cost();
        connection.see(captured, direction, block, &packets);
        self.cost += connection.cost();
        if connection.is_beyond_limits() {
            self.forgotten += 1;
            self.forget(number);
        } else if connection.established && !was_established {
            self.dissector.claim_secrets(number);
        }
    }

    fn forget(&mut self, number: u64) {
        if let Some(connection) = self.connections.remove(&number) {
            self.cost -= connection.cost();
            self.dissector.forget(number);
        }
    }

    /// Forgets connections while there are too many: first those that are
    /// closed, then those that never got through, then those that were silent
    /// longest.
    fn make_room(&mut self) {
        if self.cost <= self.cost_max {
            return;
        }
        let mut order: Vec<_> = self.connections.iter().collect();
        order.sort_by_key(|(_, connection)| std::cmp::Reverse(connection.last));
        // Handshakes under way have a part of the room, and no more: a flood
        // of them must not drive out those who have been through it.
        let mut handshakes = self.cost_max / 4;
        let mut order: Vec<_> = order
            .into_iter()
            .map(|(number, connection)| {
                let mut has_room = true;
                if !connection.established {
                    has_room = connection.cost() <= handshakes;
                    handshakes = handshakes.saturating_sub(connection.cost());
                }
                let worth = (!connection.closed, has_room, connection.last);
                (worth, *number)
            })
            .collect();
        order.sort_unstable();
        for ((is_open, ..), number) in order {
            // More than is needed at once, so that this is not done each time.
            if self.cost <= self.cost_max / 8 * 7 {
                break;
            }
            self.forgotten += u64::from(is_open);
            self.forget(number);
        }
    }
}

#[cfg(test)]
mod tests;
