//! Packets as endpoints seal them.

use super::{Secret, Suite};

const LONG_HEADER: u8 = 0x80;
const FIXED_BIT: u8 = 0x40;
const KEY_PHASE: u8 = 0x04;

/// Bytes of frames that there are at least: what protects the header is
/// sampled from them (RFC 9001 §5.4.2).
const FRAMES_MIN: usize = 4;
const TAG_LENGTH: usize = 16;

/// A packet before its protection.
#[derive(Clone)]
pub(crate) struct Unsealed {
    /// The first of its direction; it protects headers.
    pub(crate) first: Secret,
    /// That of its key phase; it protects what is in the packet.
    pub(crate) secret: Secret,
    pub(crate) suite: Suite,
    /// All before the packet number, and for long headers before the length.
    pub(crate) head: Vec<u8>,
    pub(crate) key_phase: bool,
    pub(crate) number: u64,
    /// Bytes in which the number is told.
    pub(crate) number_length: usize,
    pub(crate) frames: Vec<u8>,
}

impl Unsealed {
    /// Seals it (RFC 9001 §5.3, §5.4).
    pub(crate) fn seal(&self) -> Vec<u8> {
        let mut packet = self.head.clone();
        packet[0] |= FIXED_BIT | (self.number_length - 1) as u8;
        if self.key_phase {
            packet[0] |= KEY_PHASE;
        }
        let mut frames = self.frames.clone();
        frames.resize(frames.len().max(FRAMES_MIN), 0);
        if packet[0] & LONG_HEADER != 0 {
            let length = self.number_length + frames.len() + TAG_LENGTH;
            packet.extend((0x4000 | length as u16).to_be_bytes());
        }
        let number_offset = packet.len();
        let number = self.number.to_be_bytes();
        packet.extend(&number[number.len() - self.number_length..]);
        let key = self.secret.packet_key(self.suite);
        key.seal(self.number, &packet, &mut frames);
        packet.extend(frames);
        let header_key = self.first.header_key(self.suite);
        header_key.protect(&mut packet, number_offset, self.number_length);
        packet
    }
}
