//! The part of a [`Dissector`] that only captures need that go on in another
//! file.

use std::time::Duration;

use super::{Dissector, key_log::KeyLog, late::Strangers, table::Table};
use crate::{
    Direction,
    protection::SealingKeys,
    wire::{ConnectionId, Header, PacketType},
};

/// PADDING.
const FRAMES: [u8; 4] = [0; 4];

impl Dissector {
    /// Begins with nothing known and keeps the lines of the key log. Whoever
    /// asks bounds the number of connections.
    pub(crate) fn for_rotation(unclaimed_sessions_max: usize) -> Self {
        Self {
            key_log: KeyLog::new(unclaimed_sessions_max, true),
            table: Table::new(usize::MAX),
            strangers: Strangers::default(),
        }
    }

    /// Adds lines of a key log that are written now.
    pub(crate) fn add_secrets_at(&mut self, now: Duration, key_log: &str) {
        self.key_log.add(now, key_log);
    }

    /// Keeps the secrets of a connection until it is forgotten.
    pub(crate) fn claim_secrets(&mut self, connection: u64) {
        let claimer = self.table.connection(connection);
        if let Some(random) = claimer.and_then(|claimer| claimer.client_random()) {
            self.key_log.claim(&random, connection);
        }
    }

    /// Forgets a connection, and the secrets that it has claimed.
    pub(crate) fn forget(&mut self, connection: u64) {
        let claimer = self.table.connection(connection);
        if let Some(random) = claimer.and_then(|claimer| claimer.client_random()) {
            self.key_log.forget(&random, connection);
        }
        self.table.forget(connection);
    }

    /// Forgets secrets that nobody has claimed since before `then`.
    pub(crate) fn forget_unclaimed(&mut self, then: Duration) {
        self.key_log.forget_unclaimed(then);
    }

    /// Returns the lines of all secrets that are not forgotten.
    pub(crate) fn key_log(&self) -> String {
        self.key_log.lines()
    }

    /// Makes packets of PADDING frames that bring a reader who has seen
    /// `known_updates` key updates of a direction to the packet number and the
    /// keys of now: the number has all of four bytes, and there is one packet
    /// for each key update. An older key phase would look like one more update.
    ///
    /// Nobody but the capture's readers must ever see them.
    pub(crate) fn synthetic_packets(
        &self,
        connection: u64,
        direction: Direction,
        destination: &ConnectionId,
        known_updates: u64,
    ) -> Vec<Vec<u8>> {
        let packets = || {
            let connection = self.table.connection(connection)?;
            let sender = match direction {
                Direction::Sent => connection.side,
                Direction::Received => connection.side.other(),
            };
            let random = connection.client_random()?;
            let first = self.key_log.secret(&random, sender, PacketType::OneRtt)?;
            let (suite, updates, number) = connection.one_rtt(sender)?;
            let header = Header::short(*destination);
            let mut keys = SealingKeys::new(first, suite);
            let mut packets = Vec::new();
            loop {
                if keys.generation() >= known_updates {
                    packets.push(keys.seal_packet(&header, number, 4, &FRAMES));
                }
                if keys.generation() == updates {
                    return Some(packets);
                }
                keys.update();
            }
        };
        packets().unwrap_or_default()
    }

    /// Returns how many connections, connection IDs and paths are known.
    #[cfg(test)]
    pub(crate) fn known(&self) -> [usize; 3] {
        self.table.known()
    }
}
