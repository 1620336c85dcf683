//! The places of a generator's connections.

use qecho_engine::ConnectionKey;

/// Connections that may be connecting at once, unless connecting is the work:
/// servers demand a Retry when there are many.
const CONNECTING_MAX: usize = 64;

/// Each connection has a place, which it may leave to another one.
#[derive(Debug)]
pub(super) struct Slots {
    places: Vec<Option<ConnectionKey>>,
    free: Vec<usize>,
    /// Connections whose handshake is under way, and those that live.
    pub(super) connecting: usize,
    pub(super) live: usize,
    connecting_max: usize,
    cursor: usize,
}

impl Slots {
    pub(super) fn new(count: usize, connecting_is_the_work: bool) -> Self {
        Self {
            places: vec![None; count],
            free: (0..count).rev().collect(),
            connecting: 0,
            live: 0,
            connecting_max: match connecting_is_the_work {
                true => count,
                false => CONNECTING_MAX,
            },
            cursor: 0,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// Returns the place of the next connection, if one may begin.
    pub(super) fn vacant(&self) -> Option<usize> {
        let may_begin = self.connecting < self.connecting_max;
        self.free.last().copied().filter(|_| may_begin)
    }

    /// Gives the place that [`vacant`](Self::vacant) named to a connection, or
    /// to nobody for ever.
    pub(super) fn occupy(&mut self, key: Option<ConnectionKey>) {
        if let Some(place) = self.free.pop() {
            self.places[place] = key;
            self.connecting += usize::from(key.is_some());
        }
    }

    /// Tells whether a connection still has its place.
    pub(super) fn holds(&self, place: usize, key: ConnectionKey) -> bool {
        self.places[place] == Some(key)
    }

    pub(super) fn connected(&mut self) {
        self.connecting -= 1;
        self.live += 1;
    }

    /// Takes a connection from its place, which another may have if `again`.
    pub(super) fn leave(&mut self, place: usize, was_connected: bool, again: bool) {
        self.places[place] = None;
        match was_connected {
            true => self.live -= 1,
            false => self.connecting -= 1,
        }
        if again {
            self.free.push(place);
        }
    }

    /// Tells whether every connection has come about or never will.
    pub(super) fn are_settled(&self) -> bool {
        self.connecting == 0 && self.free.is_empty()
    }

    /// Tells whether there is no connection and none will come.
    pub(super) fn are_deserted(&self) -> bool {
        self.live == 0 && self.are_settled()
    }

    pub(super) fn keys(&self) -> Vec<ConnectionKey> {
        self.places.iter().flatten().copied().collect()
    }

    /// Returns each connection in its turn.
    pub(super) fn next_in_turn(&mut self) -> Option<ConnectionKey> {
        for _ in 0..self.places.len() {
            self.cursor = (self.cursor + 1) % self.places.len();
            if let Some(key) = self.places[self.cursor] {
                return Some(key);
            }
        }
        None
    }
}
