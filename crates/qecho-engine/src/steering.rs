//! Steering: the shard of a connection ID, as we and the kernel compute it.
//!
//! A packet of a client that has changed its port or address hashes anywhere,
//! so the kernel is given a classic BPF program that computes the shard from
//! the destination connection ID alone, which needs no privilege: the sum of its
//! words, each times a secret number, `Σ wᵢ · Kᵢ mod 2³²`, of which the upper half, as a
//! fraction of 2¹⁶, is that of the shards: every bit has its part in the highest ones. Ours have eight bytes, which are two words. A client may choose up
//! to twenty for its first packets: of a longer one the last twelve bytes count, too, so
//! that every byte does.
//!
//! The multiplications spread the connection IDs that clients choose, and who
//! does not know the numbers cannot aim them at one shard. They are no cipher: who sees
//! many connection IDs and which shard serves them can work the numbers out, and
//! then load one shard of the server more than the others.

use std::num::NonZeroUsize;

use crate::{connection_id::LENGTH, limits::SHARDS_MAX, secrets::Secrets};

/// Offset of the connection ID in a long header and in a short one (RFC 8999 §5), of the
/// byte before it that has its length, and bytes of a word.
const LONG: usize = 6;
const SHORT: usize = 1;
const ID_LENGTH: usize = 5;
const WORD: usize = 4;

/// Secret numbers for the words of a connection ID: the first two, and the last three of one
/// with more than eight bytes.
pub type Multipliers = [u32; 5];

/// Division of a server's connection IDs among its shards.
#[derive(Clone, Copy)]
pub struct Steering {
    multipliers: Multipliers,
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
            // Odd, so that they lose no bit of the connection ID.
            multipliers: secrets.steering_multipliers().map(|number| number | 1),
            shards: shards.get().min(SHARDS_MAX) as u32,
        }
    }

    /// Returns how many shards there are.
    pub fn shards(&self) -> usize {
        self.shards as usize
    }

    /// Returns the shard of a connection ID of ours.
    pub(crate) fn shard(&self, id: [u8; LENGTH]) -> usize {
        let sum = self.sum([0, WORD].map(|at| word(&id, at)));
        self.shard_of(sum.unwrap_or(0))
    }

    /// Returns the shard of a datagram, as the kernel's program does.
    pub fn owner(&self, datagram: &[u8]) -> usize {
        self.hash(datagram).map_or(0, |sum| self.shard_of(sum))
    }

    fn hash(&self, datagram: &[u8]) -> Option<u32> {
        let is_long = datagram.first()? & 0x80 != 0;
        let at = if is_long { LONG } else { SHORT };
        let sum = self.sum([at, at + WORD].map(|at| word(datagram, at)))?;
        match *datagram.get(ID_LENGTH)? as usize {
            length if is_long && length > LENGTH => {
                let end = LONG + length;
                let words = [3, 2, 1].map(|back| word(datagram, end - back * WORD));
                let mut products = words.into_iter().zip(&self.multipliers[2..]);
                products.try_fold(sum, |sum, (word, by)| {
                    Some(sum.wrapping_add(word?.wrapping_mul(*by)))
                })
            }
            _ => Some(sum),
        }
    }

    /// Adds up the first words.
    fn sum(&self, words: [Option<u32>; 2]) -> Option<u32> {
        let [first, second] = self.multipliers.first_chunk()?.to_owned();
        let product = words[0]?.wrapping_mul(first);
        Some(product.wrapping_add(words[1]?.wrapping_mul(second)))
    }

    fn shard_of(&self, sum: u32) -> usize {
        (((sum >> 16) * self.shards) >> 16) as usize
    }

    /// Returns the odd numbers by which the words of a connection ID are multiplied.
    pub fn multipliers(&self) -> Multipliers {
        self.multipliers
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
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
            for number in 0..(1_000 * shards as u64) {
                counts[steering.shard(number.rotate_right(32).to_be_bytes())] += 1;
            }
            let is_fair = |count: &u32| (801..1_200).contains(count);
            assert!(counts.iter().all(is_fair), "{counts:?}");
        }
    }

    /// A first packet with this connection ID.
    fn first(id: &[u8]) -> Vec<u8> {
        let header = [0xc0, 0, 0, 0, 1, id.len() as u8];
        [&header, id, &[0; 1_200]].concat()
    }

    #[test]
    fn every_byte_of_the_connection_id_of_a_first_packet_counts() {
        let steering = steering(SHARDS_MAX);
        for length in 8..=20 {
            for at in 0..length {
                let mut id = vec![7; length];
                let shards = (0..=255).map(|byte| {
                    id[at] = byte;
                    steering.owner(&first(&id))
                });
                let different: std::collections::BTreeSet<_> = shards.collect();
                assert!(different.len() > 16, "byte {at} of {length}");
            }
        }
    }

    #[test]
    fn one_connection_id_leads_to_one_shard_whatever_is_around_it() {
        let steering = steering(SHARDS_MAX);
        for length in 8..=20 {
            let mut packet = first(&vec![9; length]);
            let owner = steering.owner(&packet);
            packet[6 + length..].fill(0xff);
            packet[0] = 0xff;
            assert_eq!(steering.owner(&packet), owner);
        }
        let id = [3; 8];
        let short = [&[0x40][..], &id, &[1; 20]].concat();
        assert_eq!(steering.owner(&short), steering.shard(id));
        assert_eq!(steering.owner(&first(&id)), steering.shard(id));
    }
}
