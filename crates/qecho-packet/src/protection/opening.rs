//! Opens packets.

use std::fmt;

use super::{
    Generation, Secret, Suite,
    keys::{HeaderKey, PacketKey, Unprotected},
};
use crate::{DecryptedPacket, wire::Protected};

/// Keys that open one side's packets of one kind, one generation after another (RFC 9001 §6).
///
/// They follow the key phase by themselves. A packet that does not authenticate changes nothing.
pub struct OpeningKeys {
    suite: Suite,
    /// The same in all generations.
    header: HeaderKey,
    /// For packets that were reordered on their way.
    previous: Option<PacketKey>,
    current: Generation,
    /// Derived when the key phase changes for the first time.
    next: Option<Box<Generation>>,
}

/// Packet numbers of one packet number space, as one side sends them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The largest that was seen.
    pub largest: Option<u64>,
    /// The largest that the other side has acknowledged.
    ///
    /// The sender says as much of a number as tells it from this one (RFC 9000
    /// §A.2). Where a capture has a gap, `largest` may be too far off.
    pub acknowledged: Option<u64>,
}

/// Packet numbers that are tried where nothing is known of them, by the bytes that tell a number's
/// end: one byte leaves 256 candidates below 65,536.
const NUMBERS_SEARCHED_MAX: [u64; 4] = [256, 4, 1, 1];

impl fmt::Debug for OpeningKeys {
    /// Tells no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpeningKeys")
            .field("suite", &self.suite)
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

impl OpeningKeys {
    /// Derives the keys of the first generation from a secret.
    pub fn new(secret: &Secret, suite: Suite) -> Self {
        Self {
            suite,
            header: secret.header_key(suite),
            previous: None,
            current: Generation::new(0, secret.clone(), suite),
            next: None,
        }
    }

    /// Returns how many key updates there were.
    pub fn generation(&self) -> u64 {
        self.current.number
    }

    /// Opens a packet, if it is authentic.
    ///
    /// `numbers` tell the whole of its packet number; those of a packet that is opened are
    /// for the caller to note.
    pub fn open(&mut self, packet: &Protected<'_>, numbers: Numbers) -> Option<DecryptedPacket> {
        let unprotected = self.header.unprotect(packet)?;
        self.decrypt(&unprotected, numbers)
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
            let opened = self.decrypt(&unprotected, numbers);
            if opened.is_some() {
                return opened;
            }
        }
        None
    }

    fn decrypt(&mut self, packet: &Unprotected<'_>, numbers: Numbers) -> Option<DecryptedPacket> {
        let (number, generation, payload) = self.decrypt_by_phase(packet, numbers)?;
        Some(DecryptedPacket {
            number,
            number_length: packet.number.length,
            first_byte: packet.first_byte(),
            key_phase: packet.number.key_phase,
            generation,
            payload,
        })
    }

    fn decrypt_by_phase(
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
    /// Notes the number of a packet that was opened.
    pub fn saw(&mut self, number: u64) {
        self.largest = self.largest.max(Some(number));
    }

    /// Notes a number that the other side has acknowledged.
    pub fn acknowledges(&mut self, number: u64) {
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
