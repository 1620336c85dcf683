//! Opens the packets that one side sends, of one kind, and seals the like
//! (RFC 9001 §5, §6): for whoever has the secrets of a connection.

mod keys;
mod sealing;
#[cfg(test)]
pub(crate) mod vectors;

use crate::{DecryptedPacket, wire::Protected};

use self::keys::{HeaderKey, PacketKey, Unprotected};
pub(crate) use self::{
    keys::{Secret, Suite, hexadecimal, is_valid_retry},
    sealing::Unsealed,
};

/// Keys, one generation after another (RFC 9001 §6).
///
/// A packet that does not authenticate changes nothing.
pub(crate) struct Protection {
    suite: Suite,
    /// The same in all generations.
    header: HeaderKey,
    /// For packets that were reordered on their way.
    previous: Option<PacketKey>,
    current: Generation,
    /// Derived when the key phase changes for the first time.
    next: Option<Box<Generation>>,
}

struct Generation {
    number: u64,
    secret: Secret,
    key: PacketKey,
}

/// Packet numbers of one packet number space, as one side sends them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Numbers {
    /// The largest that was seen.
    pub(crate) largest: Option<u64>,
    /// The largest that the other side has acknowledged.
    ///
    /// The sender says as much of a number as tells it from this one (RFC 9000
    /// §A.2). Where a capture has a gap, `largest` may be too far off.
    pub(crate) acknowledged: Option<u64>,
}

/// Packet numbers that are tried where nothing is known of them, by the bytes that tell a number's
/// end: one byte leaves 256 candidates below 65,536.
const NUMBERS_SEARCHED_MAX: [u64; 4] = [256, 4, 1, 1];

impl Generation {
    fn new(number: u64, secret: Secret, suite: Suite) -> Self {
        let key = secret.packet_key(suite);
        Self {
            number,
            secret,
            key,
        }
    }

    fn next(&self, suite: Suite) -> Self {
        Self::new(self.number + 1, self.secret.next(suite), suite)
    }

    fn has_phase(&self, phase: bool) -> bool {
        (self.number % 2 == 1) == phase
    }
}

impl Protection {
    pub(crate) fn new(secret: &Secret, suite: Suite) -> Self {
        Self {
            suite,
            header: secret.header_key(suite),
            previous: None,
            current: Generation::new(0, secret.clone(), suite),
            next: None,
        }
    }

    /// Returns how many key updates there were.
    pub(crate) fn generation(&self) -> u64 {
        self.current.number
    }

    /// Opens a packet, if it is authentic.
    pub(crate) fn open(
        &mut self,
        packet: &Protected<'_>,
        numbers: Numbers,
    ) -> Option<DecryptedPacket> {
        let unprotected = self.header.unprotect(packet)?;
        let (number, generation, payload) = self.decrypt(&unprotected, numbers)?;
        Some(DecryptedPacket {
            number,
            number_length: unprotected.number.length,
            key_phase: unprotected.number.key_phase,
            generation,
            payload,
        })
    }

    /// Opens a packet of which nothing tells what number it may have, if it is among the first
    /// of a connection that can be guessed; subtracts what was tried from `work`.
    pub(crate) fn search(
        &mut self,
        packet: &Protected<'_>,
        work: &mut usize,
    ) -> Option<DecryptedPacket> {
        let unprotected = self.header.unprotect(packet)?;
        // RFC 9000 §17.2, §17.3.1: the reserved bits are 0, which most wrong keys miss.
        if !unprotected.has_reserved_bits_clear() {
            return None;
        }
        let length = unprotected.number.length;
        let window = 1_u64 << (8 * length);
        for start in (0..NUMBERS_SEARCHED_MAX[length - 1]).map(|index| index * window) {
            *work = work.checked_sub(1)?;
            let numbers = Numbers {
                largest: start.checked_sub(1),
                acknowledged: None,
            };
            if let Some((number, generation, payload)) = self.decrypt(&unprotected, numbers) {
                return Some(DecryptedPacket {
                    number,
                    number_length: length,
                    key_phase: unprotected.number.key_phase,
                    generation,
                    payload,
                });
            }
        }
        None
    }

    fn decrypt(
        &mut self,
        packet: &Unprotected<'_>,
        numbers: Numbers,
    ) -> Option<(u64, u64, Vec<u8>)> {
        let current = self.current.number;
        if self.current.has_phase(packet.number.key_phase) {
            let (number, payload) = numbers.open(&self.current.key, packet)?;
            return Some((number, current, payload));
        }
        let previous = self.previous.as_ref();
        if let Some((number, payload)) = previous.and_then(|key| numbers.open(key, packet)) {
            return Some((number, current - 1, payload));
        }
        let next = self
            .next
            .get_or_insert_with(|| Box::new(self.current.next(self.suite)));
        let (number, payload) = numbers.open(&next.key, packet)?;
        if let Some(next) = self.next.take() {
            let before = std::mem::replace(&mut self.current, *next);
            self.previous = Some(before.key);
        }
        Some((number, self.current.number, payload))
    }
}

impl Numbers {
    pub(crate) fn saw(&mut self, number: u64) {
        self.largest = self.largest.max(Some(number));
    }

    pub(crate) fn acknowledges(&mut self, number: u64) {
        self.acknowledged = self.acknowledged.max(Some(number));
    }

    fn open(self, key: &PacketKey, packet: &Unprotected<'_>) -> Option<(u64, Vec<u8>)> {
        let after = |number: Option<u64>| number.map_or(0, |number| number + 1);
        let number = packet.number.expand(after(self.largest));
        if let Some(payload) = key.open(packet, number) {
            return Some((number, payload));
        }
        let other = packet.number.expand(after(self.acknowledged));
        if other == number {
            return None;
        }
        key.open(packet, other).map(|payload| (other, payload))
    }
}
