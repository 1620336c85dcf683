//! Keys of packet protection, as they derive from secrets (RFC 9001 §5).

use aws_lc_rs::{
    aead::{self, quic},
    hkdf,
};

use crate::{
    Side,
    wire::{ConnectionId, PacketNumber, Protected},
};

/// RFC 9001 §5.2.
const INITIAL_SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
/// RFC 9001 §5.8.
const RETRY_KEY: [u8; 16] = [
    0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e,
];
/// RFC 9001 §5.8.
const RETRY_NONCE: [u8; 12] = [
    0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb,
];
/// Bytes of every tag, and of what is sampled to protect a header.
const TAG_LENGTH: usize = 16;
/// Bytes of the longest secret: a SHA-384 hash.
const SECRET_LENGTH_MAX: usize = 48;
/// Bytes of the longest key.
const KEY_LENGTH_MAX: usize = 32;
/// Distance of the sample from the beginning of the packet number (RFC 9001
/// §5.4.2).
const SAMPLE_OFFSET: usize = 4;

/// Cipher suites that protect packets once both ends agree (RFC 8446 §B.4).
///
/// AES-CCM, which nobody uses with QUIC, is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Aes128GcmSha256,
    Aes256GcmSha384,
    ChaCha20Poly1305Sha256,
}

/// A TLS secret, from which packet keys derive.
#[derive(Clone)]
pub(crate) struct Secret {
    bytes: [u8; SECRET_LENGTH_MAX],
    length: u8,
}

/// Opens packets.
pub(crate) struct PacketKey {
    key: aead::LessSafeKey,
    iv: [u8; aead::NONCE_LEN],
}

/// Takes the protection off headers.
pub(crate) struct HeaderKey(quic::HeaderProtectionKey);

/// A packet whose header is bare.
pub(crate) struct Unprotected<'a> {
    /// All bytes before the payload.
    head: Vec<u8>,
    /// The payload, with its tag.
    sealed: &'a [u8],
    pub(crate) number: PacketNumber,
}

/// Bytes that are asked of HKDF.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Suite {
    fn hash(self) -> hkdf::Algorithm {
        match self {
            Self::Aes128GcmSha256 | Self::ChaCha20Poly1305Sha256 => hkdf::HKDF_SHA256,
            Self::Aes256GcmSha384 => hkdf::HKDF_SHA384,
        }
    }

    fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128GcmSha256 => &aead::AES_128_GCM,
            Self::Aes256GcmSha384 => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305Sha256 => &aead::CHACHA20_POLY1305,
        }
    }

    fn header_protection(self) -> &'static quic::Algorithm {
        match self {
            Self::Aes128GcmSha256 => &quic::AES_128,
            Self::Aes256GcmSha384 => &quic::AES_256,
            Self::ChaCha20Poly1305Sha256 => &quic::CHACHA20,
        }
    }
}

impl Secret {
    /// Takes a secret of a key log; its length is that of a hash.
    pub(crate) fn new(secret: &[u8]) -> Option<Self> {
        if !matches!(secret.len(), 32 | 48) {
            return None;
        }
        let mut bytes = [0; SECRET_LENGTH_MAX];
        bytes[..secret.len()].copy_from_slice(secret);
        Some(Self {
            bytes,
            length: secret.len() as u8,
        })
    }

    /// Reads a secret as a key log writes it.
    pub(crate) fn read(digits: &str) -> Option<Self> {
        let mut bytes = [0; SECRET_LENGTH_MAX];
        Self::new(hexadecimal(digits, &mut bytes)?)
    }

    /// Returns the secret of a side's Initial packets (RFC 9001 §5.2).
    pub(crate) fn initial(destination: &ConnectionId, sender: Side) -> Self {
        let label: &[u8] = match sender {
            Side::Client => b"client in",
            Side::Server => b"server in",
        };
        let common = hkdf::Salt::new(hkdf::HKDF_SHA256, &INITIAL_SALT).extract(destination);
        let mut secret = Self {
            bytes: [0; SECRET_LENGTH_MAX],
            length: 32,
        };
        expand(&common, label, &mut secret.bytes[..32]);
        secret
    }

    /// Returns the suites whose hash has this length.
    pub(crate) fn suites(&self) -> &'static [Suite] {
        match self.length {
            32 => &[Suite::Aes128GcmSha256, Suite::ChaCha20Poly1305Sha256],
            _ => &[Suite::Aes256GcmSha384],
        }
    }

    /// Returns the secret after a key update (RFC 9001 §6.1).
    pub(crate) fn next(&self, suite: Suite) -> Self {
        let mut next = self.clone();
        self.expand(suite, b"quic ku", &mut next.bytes[..self.length.into()]);
        next
    }

    pub(crate) fn packet_key(&self, suite: Suite) -> PacketKey {
        let mut key = [0; KEY_LENGTH_MAX];
        let key = &mut key[..suite.aead().key_len()];
        let mut iv = [0; aead::NONCE_LEN];
        self.expand(suite, b"quic key", key);
        self.expand(suite, b"quic iv", &mut iv);
        let key = aead::UnboundKey::new(suite.aead(), key).expect("it has the suite's length");
        PacketKey {
            key: aead::LessSafeKey::new(key),
            iv,
        }
    }

    pub(crate) fn header_key(&self, suite: Suite) -> HeaderKey {
        let mut key = [0; KEY_LENGTH_MAX];
        let key = &mut key[..suite.header_protection().key_len()];
        self.expand(suite, b"quic hp", key);
        let key = quic::HeaderProtectionKey::new(suite.header_protection(), key);
        HeaderKey(key.expect("it has the suite's length"))
    }

    fn expand(&self, suite: Suite, label: &[u8], out: &mut [u8]) {
        let secret = hkdf::Prk::new_less_safe(suite.hash(), &self.bytes[..self.length.into()]);
        expand(&secret, label, out);
    }
}

/// HKDF-Expand-Label without context (RFC 8446 §7.1).
fn expand(secret: &hkdf::Prk, label: &[u8], out: &mut [u8]) {
    let prefix: &[u8] = b"tls13 ";
    let length = (out.len() as u16).to_be_bytes();
    let label_length = [(prefix.len() + label.len()) as u8];
    let info: [&[u8]; 5] = [&length, &label_length, prefix, label, &[0]];
    secret
        .expand(&info, Length(out.len()))
        .and_then(|expanded| expanded.fill(out))
        .expect("a key is far shorter than 255 hashes");
}

impl HeaderKey {
    /// Takes the protection off a packet's header (RFC 9001 §5.4.1), unless
    /// the packet is too short to have any.
    pub(crate) fn unprotect<'a>(&self, packet: &Protected<'a>) -> Option<Unprotected<'a>> {
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
    pub(crate) fn protect(&self, packet: &mut [u8], number_offset: usize, number_length: usize) {
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
    /// Tells whether the bits that are protected and mean nothing are 0 (RFC 9000 §17.2,
    /// §17.3.1).
    pub(crate) fn has_reserved_bits_clear(&self) -> bool {
        let first = self.head[0];
        let long = first & 0x80 != 0;
        first & if long { 0x0c } else { 0x18 } == 0
    }
}

impl PacketKey {
    /// Returns what is in a packet, if this key and number are its own.
    pub(crate) fn open(&self, packet: &Unprotected<'_>, number: u64) -> Option<Vec<u8>> {
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
    pub(crate) fn seal(&self, number: u64, head: &[u8], payload: &mut Vec<u8>) {
        let aad = aead::Aad::from(head);
        self.key
            .seal_in_place_append_tag(self.nonce(number), aad, payload)
            .expect("what is in one packet is not too long");
    }
}

/// Tells whether a Retry packet answers an Initial packet to `original` (RFC
/// 9001 §5.8).
pub(crate) fn is_valid_retry(original: &ConnectionId, packet: &[u8]) -> bool {
    let Some((content, tag)) = packet.split_last_chunk::<TAG_LENGTH>() else {
        return false;
    };
    let mut pseudo_packet = vec![original.len() as u8];
    pseudo_packet.extend_from_slice(original);
    pseudo_packet.extend_from_slice(content);
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, &RETRY_KEY)
        .expect("the key of RFC 9001 §5.8 has AES-128's length");
    let nonce = aead::Nonce::assume_unique_for_key(RETRY_NONCE);
    let aad = aead::Aad::from(pseudo_packet);
    let mut sealed = *tag;
    aead::LessSafeKey::new(key)
        .open_in_place(nonce, aad, &mut sealed)
        .is_ok()
}

/// Reads digits into `bytes`; returns as many as there are.
pub(crate) fn hexadecimal<'a>(digits: &str, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
    let digits = digits.as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let bytes = bytes.get_mut(..pairs.len())?;
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let high = char::from(*high).to_digit(16)?;
        let low = char::from(*low).to_digit(16)?;
        *byte = (high << 4 | low) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
