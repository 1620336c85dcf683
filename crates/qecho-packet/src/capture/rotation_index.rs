//! What the next file of a capture must repeat, so that it opens on its own:
//! the secrets and beginnings of the connections that still live.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use super::{
    block::{Captured, Content, content},
    header,
    secret_store::SecretStore,
    tracked_connection::{OUR_CID_LENGTH, TrackedConnection},
};
use crate::Direction;

/// Time after its CONNECTION_CLOSE in which packets of a connection may still
/// pass.
const CLOSED_LINGER: Duration = Duration::from_secs(3);

/// Secrets among which those of one connection are looked for.
const CANDIDATES_MAX: usize = 256;

/// The connections that pass, as a reader of the capture will know them.
pub(super) struct RotationIndex {
    connections: HashMap<u64, TrackedConnection>,
    by_cid: HashMap<Vec<u8>, u64>,
    by_addresses: HashMap<(SocketAddr, SocketAddr), u64>,
    ledger: SecretStore,
    count: u64,
    now: Duration,
    /// Silence after which a connection has ended.
    silence: Duration,
    /// Time after which a handshake has ended that is not complete.
    handshake_deadline: Duration,
    cost: usize,
    cost_max: usize,
    forgotten: u64,
}

/// What a next file begins with.
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
        Self {
            connections: HashMap::new(),
            by_cid: HashMap::new(),
            by_addresses: HashMap::new(),
            ledger: SecretStore::new(bytes_max / 4),
            count: 0,
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
        match content(block) {
            Content::Secrets(key_log) => self.ledger.add(self.now, key_log),
            Content::Packet(captured) => {
                self.now = self.now.max(captured.at);
                match header::is_long(captured.payload) {
                    true => self.see_long(&captured, block),
                    false => self.see_short(&captured, block),
                };
                self.make_room();
            }
            Content::Other => {}
        }
    }

    /// Returns what the next file must repeat; forgets what has ended.
    pub(super) fn repeat(&mut self) -> Repeated {
        let then = |ago| self.now.saturating_sub(ago);
        let handshake = then(self.handshake_deadline);
        let (silent, closed) = (then(self.silence), then(CLOSED_LINGER));
        self.ledger.forget_waiting(handshake);
        let ended = self.connections.iter().filter(|(_, connection)| {
            let begin = if connection.closed {
                closed
            } else if connection.random.is_none() {
                handshake
            } else {
                silent
            };
            connection.last < begin
        });
        for number in ended.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.forget(number);
        }
        let mut packets = Vec::new();
        for connection in self.connections.values() {
            connection.repeat(&mut packets);
        }
        // Stable: a connection's own blocks stay in their order.
        packets.sort_by_key(|(at, _)| *at);
        Repeated {
            key_log: self.ledger.key_log(),
            packets: packets.into_iter().flat_map(|(_, block)| block).collect(),
            forgotten: self.forgotten,
        }
    }

    fn see_long(&mut self, captured: &Captured<'_>, block: &[u8]) -> Option<()> {
        let header = header::long(captured.payload)?;
        let cids = [header.source, header.destination];
        let known = cids.iter().find_map(|cid| self.by_cid.get(*cid).copied());
        let number = match known {
            Some(number) => number,
            None if header.is_initial => self.begin(captured),
            None => return None,
        };
        for cid in cids {
            self.add_cid(number, cid);
        }
        let connection = self.connections.get_mut(&number)?;
        self.cost -= connection.cost();
        connection.see_long(captured, header.source, block);
        self.cost += connection.cost();
        Some(())
    }

    fn see_short(&mut self, captured: &Captured<'_>, block: &[u8]) -> Option<()> {
        let cid = captured.payload.get(1..=OUR_CID_LENGTH)?;
        let addresses = (captured.local, captured.remote);
        let by_cid = self.by_cid.get(cid);
        let number = *by_cid.or_else(|| self.by_addresses.get(&addresses))?;
        let connection = self.connections.get_mut(&number)?;
        if connection.wants_secrets() {
            let batch = connection.batch;
            let found = self
                .ledger
                .waiting()
                .filter(|(_, secrets)| secrets.batch >= batch)
                .take(CANDIDATES_MAX)
                .find(|(random, secrets)| connection.try_secrets(captured, random, secrets));
            if let Some(random) = found.map(|(random, _)| random.clone()) {
                self.ledger.claim(&random);
            }
        }
        self.cost -= connection.cost();
        let proved = connection.see_short(captured, block);
        self.cost += connection.cost();
        if connection.is_beyond_limits() {
            self.forgotten += 1;
            self.forget(number);
        } else if proved {
            self.follow(number, captured, cid);
        }
        Some(())
    }

    /// Follows a connection to other addresses and connection IDs.
    fn follow(&mut self, number: u64, captured: &Captured<'_>, cid: &[u8]) {
        if captured.direction == Direction::Received {
            self.add_cid(number, cid);
        }
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let before = (connection.local, connection.remote);
        let now = (captured.local, captured.remote);
        if now != before {
            if self.by_addresses.get(&before) == Some(&number) {
                self.by_addresses.remove(&before);
            }
            (connection.local, connection.remote) = now;
            self.by_addresses.insert(now, number);
        }
    }

    fn begin(&mut self, first: &Captured<'_>) -> u64 {
        self.count += 1;
        let connection = TrackedConnection::new(first, self.ledger.batch());
        self.cost += connection.cost();
        self.connections.insert(self.count, connection);
        self.by_addresses
            .insert((first.local, first.remote), self.count);
        self.count
    }

    fn add_cid(&mut self, number: u64, cid: &[u8]) {
        // An empty one tells nothing, and none changes hands.
        if cid.is_empty() || self.by_cid.contains_key(cid) {
            return;
        }
        if let Some(connection) = self.connections.get_mut(&number) {
            self.by_cid.insert(cid.to_vec(), number);
            if let Some(given_up) = connection.add_cid(cid) {
                self.by_cid.remove(&given_up);
            }
        }
    }

    fn forget(&mut self, number: u64) {
        let Some(connection) = self.connections.remove(&number) else {
            return;
        };
        self.cost -= connection.cost();
        for cid in &connection.cids {
            self.by_cid.remove(cid);
        }
        let addresses = (connection.local, connection.remote);
        if self.by_addresses.get(&addresses) == Some(&number) {
            self.by_addresses.remove(&addresses);
        }
        if let Some(random) = &connection.random {
            self.ledger.forget(random);
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
                if connection.random.is_none() {
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
