//! Slots of a shard's connections.

use qecho_engine::ConnectionKey;

/// Connections that may be connecting at once, unless handshakes are the load:
/// servers demand a Retry when there are many.
const CONNECTING_MAX: usize = 64;

/// Slots of connections, each of which may be left to another connection.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    slots: Vec<Option<ConnectionKey>>,
    free: Vec<usize>,
    /// Connections whose handshake is under way, and those that live.
    pub(super) connecting: usize,
    pub(super) live: usize,
    connecting_max: usize,
    cursor: usize,
}

impl ConnectionSlots {
    pub(super) fn new(count: usize, is_connecting_limited: bool) -> Self {
        Self {
            slots: vec![None; count],
            free: (0..count).rev().collect(),
            connecting: 0,
            live: 0,
            connecting_max: match is_connecting_limited {
                true => CONNECTING_MAX,
                false => count,
            },
            cursor: 0,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    /// Returns the slot of the next connection, if one may begin.
    pub(super) fn vacant(&self) -> Option<usize> {
        let may_begin = self.connecting < self.connecting_max;
        self.free.last().copied().filter(|_| may_begin)
    }

    /// Assigns the slot from [`vacant`](Self::vacant); `None` retires the slot
    /// permanently.
    pub(super) fn occupy(&mut self, key: Option<ConnectionKey>) {
        if let Some(slot) = self.free.pop() {
            self.slots[slot] = key;
            self.connecting += usize::from(key.is_some());
        }
    }

    /// Tells whether a connection still has its slot.
    pub(super) fn holds(&self, slot: usize, key: ConnectionKey) -> bool {
        self.slots[slot] == Some(key)
    }

    pub(super) fn connected(&mut self) {
        self.connecting -= 1;
        self.live += 1;
    }

    /// Takes a connection from its slot, which another may have if it is
    /// `reusable`.
    pub(super) fn leave(&mut self, slot: usize, was_connected: bool, reusable: bool) {
        self.slots[slot] = None;
        match was_connected {
            true => self.live -= 1,
            false => self.connecting -= 1,
        }
        if reusable {
            self.free.push(slot);
        }
    }

    /// Tells whether every handshake has completed or failed.
    pub(super) fn are_settled(&self) -> bool {
        self.connecting == 0 && self.free.is_empty()
    }

    /// Tells whether there is no connection and none will begin.
    pub(super) fn are_deserted(&self) -> bool {
        self.live == 0 && self.are_settled()
    }

    pub(super) fn keys(&self) -> Vec<ConnectionKey> {
        self.slots.iter().flatten().copied().collect()
    }

    /// Returns the connection of the next slot that has one.
    pub(super) fn next_in_turn(&mut self) -> Option<ConnectionKey> {
        for _ in 0..self.slots.len() {
            self.cursor = (self.cursor + 1) % self.slots.len();
            if let Some(key) = self.slots[self.cursor] {
                return Some(key);
            }
        }
        None
    }
}
