//! Short names for pairs of addresses.

use std::{collections::VecDeque, net::SocketAddr};

/// Pairs whose names are remembered; a forgotten one gets a new name.
const TUPLES_MAX: usize = 16;

/// This side's address and the other's.
pub(super) type Addresses = (SocketAddr, SocketAddr);

/// The pairs of one trace.
#[derive(Debug, Default)]
pub(super) struct Tuples {
    /// The pair on which the connection began: its name is empty, and not
    /// written.
    first: Option<Addresses>,
    named: VecDeque<(Addresses, String)>,
    names: u64,
}

impl Tuples {
    pub(super) fn new(first: Option<Addresses>) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    /// Returns a pair's name, and whether it was given just now.
    pub(super) fn name(&mut self, pair: Addresses) -> (Option<&str>, bool) {
        if self.first == Some(pair) {
            return (None, false);
        }
        let known = self.named.iter().position(|(known, _)| *known == pair);
        let index = known.unwrap_or_else(|| {
            self.names += 1;
            if self.named.len() == TUPLES_MAX {
                self.named.pop_front();
            }
            self.named.push_back((pair, self.names.to_string()));
            self.named.len() - 1
        });
        (Some(&self.named[index].1), known.is_none())
    }
}
