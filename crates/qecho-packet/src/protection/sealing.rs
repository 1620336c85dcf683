//! Seals packets.

use std::fmt;

use super::{Generation, SAMPLE_OFFSET, Secret, Suite, TAG_LENGTH, keys::HeaderKey};
use crate::wire::{Header, KEY_PHASE, PacketType, write_integer};

/// Keys that seal packets of one kind, as one side sends them.
pub struct SealingKeys {
    suite: Suite,
    /// The same in all generations.
    header: HeaderKey,
    current: Generation,
}

/// Returns the bytes that a sealed packet has from its packet number on, which a long header
/// tells as its Length (RFC 9000 §17.2).
pub fn sealed_length(number_length: usize, payload: &[u8]) -> usize {
    number_length + padded_length(number_length, payload) + TAG_LENGTH
}

/// Returns the bytes of a payload that is long enough: with the packet number four, behind
/// which the sample is taken (RFC 9001 §5.4.2).
fn padded_length(number_length: usize, payload: &[u8]) -> usize {
    payload
        .len()
        .max(SAMPLE_OFFSET.saturating_sub(number_length))
}

impl SealingKeys {
    /// Derives the keys of the first generation from a secret.
    pub fn new(secret: &Secret, suite: Suite) -> Self {
        Self {
            suite,
            header: secret.header_key(suite),
            current: Generation::new(0, secret.clone(), suite),
        }
    }

    /// Goes on to the keys of the next key phase (RFC 9001 §6.1), which 1-RTT packets alone
    /// have.
    pub fn update(&mut self) {
        self.current = self.current.next(self.suite);
    }

    /// Returns how many key updates there were.
    pub fn generation(&self) -> u64 {
        self.current.number
    }

    /// Seals a packet of a protected kind (RFC 9001 §5.3, §5.4): writes its header, with the
    /// key phase or the Length, and pads a payload that is too short for header protection by
    /// zeros, which are PADDING frames.
    ///
    /// # Panics
    /// If `number_length` is not 1 to 4.
    pub fn seal_packet(
        &self,
        header: &Header,
        number: u64,
        number_length: usize,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut head = Vec::new();
        header.write(&mut head);
        head[0] |= number_length.wrapping_sub(1) as u8 & 0x03;
        match header.packet_type {
            PacketType::OneRtt if self.current.has_phase(true) => head[0] |= KEY_PHASE,
            PacketType::OneRtt => {}
            _ => write_integer(&mut head, sealed_length(number_length, payload) as u64),
        }
        self.seal(&head, number, number_length, payload)
    }

    /// Seals a packet (RFC 9001 §5.3, §5.4) whose `head`, all before the packet number, is
    /// taken as it is: with the length of the packet number, the key phase and the reserved
    /// bits in its first byte and, if it is long, the Length, which [`sealed_length`] returns.
    ///
    /// A payload that is too short for header protection is padded by zeros, which are PADDING
    /// frames.
    ///
    /// # Panics
    /// If `number_length` is not 1 to 4, or the head is empty.
    pub fn seal(&self, head: &[u8], number: u64, number_length: usize, payload: &[u8]) -> Vec<u8> {
        assert!(
            (1..=4).contains(&number_length),
            "a packet number has 1 to 4 bytes, not {number_length}"
        );
        assert!(!head.is_empty(), "a packet has a first byte");
        let mut packet = head.to_vec();
        let number_bytes = number.to_be_bytes();
        packet.extend_from_slice(&number_bytes[number_bytes.len() - number_length..]);
        let mut sealed = payload.to_vec();
        sealed.resize(padded_length(number_length, payload), 0);
        self.current.key.seal(number, &packet, &mut sealed);
        packet.extend(sealed);
        self.header.protect(&mut packet, head.len(), number_length);
        packet
    }
}

impl fmt::Debug for SealingKeys {
    /// Tells no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKeys")
            .field("suite", &self.suite)
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
