//! Packets as endpoints seal them, for tests.

use aws_lc_rs::aead;

use super::keys::{Secret, Suite};

/// What a packet is to be.
#[derive(Clone)]
pub(super) struct Unsealed {
    pub(super) secret: Secret,
    pub(super) suite: Suite,
    /// All before the packet number, and for long headers before the length.
    /// The number will have two bytes.
    pub(super) head: Vec<u8>,
    /// How often the keys were updated before.
    pub(super) generation: u64,
    pub(super) number: u64,
    pub(super) frames: Vec<u8>,
}

impl Unsealed {
    /// Seals a packet (RFC 9001 §5.3, §5.4).
    pub(super) fn seal(&self) -> Vec<u8> {
        let mut head = self.head.clone();
        head[0] |= 0x41;
        if head[0] & 0x80 == 0 && self.generation % 2 == 1 {
            head[0] |= 0x04;
        }
        let mut frames = self.frames.clone();
        frames.resize(frames.len().max(4), 0);
        if head[0] & 0x80 != 0 {
            let length = 2 + frames.len() + 16;
            head.extend((0x4000 | length as u16).to_be_bytes());
        }
        let number_offset = head.len();
        head.extend((self.number as u16).to_be_bytes());
        let mut secret = self.secret.clone();
        for _ in 0..self.generation {
            secret = secret.next(self.suite);
        }
        let key = secret.packet_key(self.suite);
        let (key, nonce) = key.to_seal(self.number);
        key.seal_in_place_append_tag(nonce, aead::Aad::from(&head), &mut frames)
            .expect("it is short");
        let mut packet = head;
        packet.extend(frames);
        let header_key = self.secret.header_key(self.suite);
        header_key.protect(&mut packet, number_offset);
        packet
    }
}
