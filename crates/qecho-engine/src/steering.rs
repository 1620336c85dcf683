//! Steering: the shard of a connection ID, as we and the kernel compute it.
//!
//! A packet of a client that has changed its port or address hashes anywhere,
//! so the kernel is given a classic BPF program that computes the shard from
//! the destination connection ID alone, which needs no privilege. Of its eight
//! bytes, the first four, `w`, times a secret odd number, give the shard:
//! `(w · K mod 2³²) >> 16`, modulo the number of shards.
//!
//! The multiplication spreads the connection IDs that clients choose for their
//! first packet, and who does not know K cannot aim them at one shard. It is
//! no cipher: who sees many connection IDs and which shard serves them can
//! work K out, and then load one shard of the server more than the others.

use std::num::NonZeroUsize;

use crate::{limits::SHARDS_MAX, secrets::Secrets};

/// Bytes at the beginning of a connection ID that decide on its shard.
pub const STEERING_BYTES: usize = 4;

/// Division of a server's connection IDs among its shards.
#[derive(Clone, Copy)]
pub struct Steering {
    multiplier: u32,
    shards: u32,
}

impl std::fmt::Debug for Steering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Steering({} shards, …)", self.shards)
    }
}

impl Steering {
    /// Divides the connection IDs of the server with these `secrets` among
    /// `shards` shards, at most [`SHARDS_MAX`].
    pub fn new(secrets: &Secrets, shards: NonZeroUsize) -> Self {
        Self {
            // Odd, so that it loses no bit of the connection ID.
            multiplier: secrets.steering_multiplier() | 1,
            shards: shards.get().min(SHARDS_MAX) as u32,
        }
    }

    /// Returns how many shards there are.
    pub fn shards(&self) -> usize {
        self.shards as usize
    }

    /// Returns the shard of the connection IDs that begin with `bytes`.
    pub fn shard(&self, bytes: [u8; STEERING_BYTES]) -> usize {
        let product = u32::from_be_bytes(bytes).wrapping_mul(self.multiplier);
        ((product >> 16) % self.shards) as usize
    }

    /// Returns the shard of a datagram, as the kernel's program does.
    pub fn owner(&self, datagram: &[u8]) -> usize {
        let at = match datagram.first() {
            Some(first) if first & 0x80 != 0 => 6,
            _ => 1,
        };
        let bytes = datagram.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| self.shard(*bytes))
    }

    /// Steps on from `bytes` to the next that belong to `shard`: as many steps
    /// as there are shards, on average.
    pub(crate) fn fit(&self, bytes: [u8; STEERING_BYTES], shard: usize) -> [u8; STEERING_BYTES] {
        let mut word = u32::from_be_bytes(bytes);
        while self.shard(word.to_be_bytes()) != shard {
            word = word.wrapping_add(1);
        }
        word.to_be_bytes()
    }

    /// Returns the odd number by which the first bytes of a connection ID are multiplied.
    pub fn multiplier(&self) -> u32 {
        self.multiplier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steering(shards: usize) -> Steering {
        let shards = NonZeroUsize::new(shards).expect("not zero");
        Steering::new(&Secrets::from_master(&[7; 32]), shards)
    }

    #[test]
    fn every_shard_gets_its_part_even_of_connection_ids_that_count_up() {
        for shards in [1, 2, 3, 8, 64, SHARDS_MAX] {
            let steering = steering(shards);
            let mut counts = vec![0_u32; shards];
            for word in 0..(1_000 * shards as u32) {
                counts[steering.shard(word.to_be_bytes())] += 1;
            }
            let is_fair = |count: &u32| (801..1_200).contains(count);
            assert!(counts.iter().all(is_fair), "{counts:?}");
        }
    }

    #[test]
    fn a_connection_id_can_be_made_for_every_shard() {
        let steering = steering(SHARDS_MAX);
        for shard in 0..SHARDS_MAX {
            assert_eq!(steering.shard(steering.fit([0xff; 4], shard)), shard);
        }
    }
}
