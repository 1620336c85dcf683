//! Slots of a shard's connections.

use qecho_engine::ConnectionKey;

/// Connections that may be connecting at once, unless handshakes are the load:
/// servers demand a Retry when there are many.
const CONNECTING_MAX: usize = 64;

/// Slots of connections, each of which may be left to another connection.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    slots: Vec<Option<ConnectionKey>>,
    /// The first so many have a load; the connections in the others are only held.
    active: usize,
    free: Vec<usize>,
    /// Connections whose handshake is under way, and those that live.
    pub(super) connecting: usize,
    pub(super) live: usize,
    /// Those that live and have a load.
    live_active: usize,
    connecting_max: usize,
    cursor: usize,
}

impl ConnectionSlots {
    /// Makes `active` slots for connections that have a load, and `idle` ones.
    pub(super) fn new(active: usize, idle: usize, is_connecting_limited: bool) -> Self {
        let count = active + idle;
        Self {
            active,
            slots: vec![None; count],
            free: (0..count).rev().collect(),
            connecting: 0,
            live: 0,
            live_active: 0,
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

    /// Tells whether the connection of a slot has a load.
    pub(super) fn is_active(&self, slot: usize) -> bool {
        slot < self.active
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

    pub(super) fn connected(&mut self, slot: usize) {
        self.connecting -= 1;
        self.live += 1;
        self.live_active += usize::from(self.is_active(slot));
    }

    /// Takes a connection from its slot, which another may have if it is
    /// `reusable`.
    pub(super) fn leave(&mut self, slot: usize, was_connected: bool, reusable: bool) {
        self.slots[slot] = None;
        match was_connected {
            true => {
                self.live -= 1;
                self.live_active -= usize::from(self.is_active(slot));
            }
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

    /// Tells whether there is no connection for the load and none will begin.
    pub(super) fn are_deserted(&self) -> bool {
        self.live_active == 0 && self.are_settled()
    }

    pub(super) fn keys(&self) -> Vec<ConnectionKey> {
        self.slots.iter().flatten().copied().collect()
    }

    /// Returns those that have a load.
    pub(super) fn active_keys(&self) -> Vec<ConnectionKey> {
        let active = &self.slots[..self.active];
        active.iter().flatten().copied().collect()
    }

    /// Returns the connection of the next slot that has one with a load.
    pub(super) fn next_in_turn(&mut self) -> Option<ConnectionKey> {
        for _ in 0..self.active {
            self.cursor = (self.cursor + 1) % self.active;
            if let Some(key) = self.slots[self.cursor] {
                return Some(key);
            }
        }
        None
    }
}
