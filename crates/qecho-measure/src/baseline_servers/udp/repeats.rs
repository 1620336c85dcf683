//! Ends the conversation of two echoes that answer each other.
//!
//! One forged datagram starts it, and nothing in it tells an echo from a client (RFC 862
//! has no mark). But it says the same again and again, faster than anybody means to: such
//! a datagram is dropped, and its conversation is over.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Datagrams that are remembered.
const REMEMBERED_MAX: usize = 4_096;

/// Times that an address may send the same datagram in a burst, and the time after which
/// it may once more.
const REPEATS_MAX: u32 = 64;
const REPEAT_EVERY: Duration = Duration::from_secs(1);

/// Bytes of a datagram's beginning and end by which it is known again.
const COMPARED_BYTES: usize = 64;

/// One of so many new datagrams takes the place of one that is remembered: more
/// conversations at once than there are places end too, one after another.
const REPLACE_EVERY: u64 = 16;

/// Memory of what was answered lately.
pub(super) struct Repeats {
    hasher: RandomState,
    places: Box<[Option<Repeated>]>,
    /// Datagrams that found their place taken.
    collisions: u64,
}

#[derive(Clone, Copy)]
struct Repeated {
    hash: u64,
    /// Instant at which it may come the next time, had it come no faster than that.
    due: Instant,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            places: vec![None; REMEMBERED_MAX].into(),
            collisions: 0,
        }
    }
}

impl Repeats {
    /// Tells whether a datagram may be answered, and remembers it.
    pub(super) fn admit(&mut self, now: Instant, remote: SocketAddr, data: &[u8]) -> bool {
        let hash = self.hash(remote, data);
        let place = &mut self.places[hash as usize % REMEMBERED_MAX];
        let due = match *place {
            Some(known) if known.hash == hash => known.due.max(now),
            Some(known) if known.due > now => {
                self.collisions += 1;
                // Which one is no choice of the sender's.
                if !self
                    .hasher
                    .hash_one(self.collisions)
                    .is_multiple_of(REPLACE_EVERY)
                {
                    return true;
                }
                now
            }
            _ => now,
        };
        if due - now >= REPEATS_MAX * REPEAT_EVERY {
            return false;
        }
        let due = due + REPEAT_EVERY;
        *place = Some(Repeated { hash, due });
        true
    }

    fn hash(&self, remote: SocketAddr, data: &[u8]) -> u64 {
        let compared = data.len().min(COMPARED_BYTES);
        let mut hasher = self.hasher.build_hasher();
        match remote {
            SocketAddr::V4(remote) => hasher.write_u32((*remote.ip()).into()),
            SocketAddr::V6(remote) => hasher.write_u128((*remote.ip()).into()),
        }
        hasher.write_u16(remote.port());
        hasher.write_usize(data.len());
        hasher.write(&data[..compared]);
        hasher.write(&data[data.len() - compared..]);
        hasher.finish()
    }
}
