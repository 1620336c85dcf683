//! Keys of packets and of their headers (RFC 9001 §5.3, §5.4).

use aws_lc_rs::aead::{self, quic};

use super::{SAMPLE_OFFSET, Suite, TAG_LENGTH};
use crate::wire::{PacketNumber, Protected};

/// Opens and seals packets.
pub(super) struct PacketKey {
    key: aead::LessSafeKey,
    iv: [u8; aead::NONCE_LEN],
}

/// Takes the protection off headers, and puts it on.
pub(super) struct HeaderKey(quic::HeaderProtectionKey);

/// A packet whose header is bare.
pub(super) struct Unprotected<'a> {
    /// All bytes before the payload.
    pub(super) head: Vec<u8>,
    /// The payload, with its tag.
    sealed: &'a [u8],
    pub(super) number: PacketNumber,
}

impl HeaderKey {
    pub(super) fn new(suite: Suite, key: &[u8]) -> Self {
        let key = quic::HeaderProtectionKey::new(suite.header_protection(), key);
        Self(key.expect("it has the suite's length"))
    }

    /// Takes the protection off a packet's header (RFC 9001 §5.4.1), unless
    /// the packet is too short to have any.
    pub(super) fn unprotect<'a>(&self, packet: &Protected<'a>) -> Option<Unprotected<'a>> {
        let bytes = packet.bytes;
        let [first_mask, number_mask @ ..] = self.mask(bytes, packet.number_offset)?;
        let first = bytes[0] ^ first_mask;
        let length = usize::from(first & 0x03) + 1;
        let (head, sealed) = bytes.split_at(packet.number_offset + length);
        let mut head = head.to_vec();
        head[0] = first;
        for (byte, mask) in head[packet.number_offset..].iter_mut().zip(number_mask) {
            *byte ^= mask;
        }
        let number = PacketNumber::read(first, &head[packet.number_offset..])?;
        Some(Unprotected {
            head,
            sealed,
            number,
        })
    }

    /// Returns what hides the first byte and the packet number.
    fn mask(&self, packet: &[u8], number_offset: usize) -> Option<[u8; 5]> {
        let sample = number_offset + SAMPLE_OFFSET;
        let sample = packet.get(sample..sample + TAG_LENGTH)?;
        let mut mask = self.0.new_mask(sample).ok()?;
        let long = packet[0] & 0x80 != 0;
        mask[0] &= if long { 0x0f } else { 0x1f };
        Some(mask)
    }

    /// Protects the header of a packet whose number has so many bytes.
    pub(super) fn protect(&self, packet: &mut [u8], number_offset: usize, number_length: usize) {
        let mask = self.mask(packet, number_offset);
        let [first, number @ ..] = mask.expect("the packet is long enough");
        packet[0] ^= first;
        let bytes = packet[number_offset..].iter_mut().take(number_length);
        for (byte, mask) in bytes.zip(number) {
            *byte ^= mask;
        }
    }
}

impl Unprotected<'_> {
    /// Returns the first byte of the packet.
    pub(super) fn first_byte(&self) -> u8 {
        self.head[0]
    }

    /// Tells whether the bits that are protected and mean nothing are 0 (RFC 9000 §17.2,
    /// §17.3.1).
    pub(super) fn has_reserved_bits_clear(&self) -> bool {
        let first = self.first_byte();
        let long = first & 0x80 != 0;
        first & if long { 0x0c } else { 0x18 } == 0
    }
}

impl PacketKey {
    pub(super) fn new(suite: Suite, key: &[u8], iv: [u8; aead::NONCE_LEN]) -> Self {
        let key = aead::UnboundKey::new(suite.aead(), key).expect("it has the suite's length");
        Self {
            key: aead::LessSafeKey::new(key),
            iv,
        }
    }

    /// Returns what is in a packet, if this key and number are its own.
    pub(super) fn open(&self, packet: &Unprotected<'_>, number: u64) -> Option<Vec<u8>> {
        let mut payload = packet.sealed.to_vec();
        let aad = aead::Aad::from(&packet.head);
        let opened = self
            .key
            .open_in_place(self.nonce(number), aad, &mut payload);
        let length = opened.ok()?.len();
        payload.truncate(length);
        Some(payload)
    }

    /// RFC 9001 §5.3.
    fn nonce(&self, number: u64) -> aead::Nonce {
        let mut nonce = self.iv;
        for (byte, part) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= part;
        }
        aead::Nonce::assume_unique_for_key(nonce)
    }

    /// Seals what is in a packet, whose header stands already, at its end.
    pub(super) fn seal(&self, number: u64, head: &[u8], payload: &mut Vec<u8>) {
        let aad = aead::Aad::from(head);
        self.key
            .seal_in_place_append_tag(self.nonce(number), aad, payload)
            .expect("what is in one packet is not too long");
    }
}
