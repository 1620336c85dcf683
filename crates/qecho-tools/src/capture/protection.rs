//! Opens 1-RTT packets with the secrets of a key log (RFC 9001 §5, §6), as
//! their reader will, and makes packets that show it where to go on.

use aws_lc_rs::{
    aead::{self, AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, quic},
    hkdf,
};

/// Key updates of one direction that are followed; a reader has to be shown
/// each of them.
pub(super) const KEY_UPDATES_MAX: usize = 64;

const KEY_PHASE: u8 = 0x04;
const PACKET_NUMBER_LENGTH: u8 = 0x03;
const SAMPLE: usize = 16;

/// What protects the packets of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suite {
    Aes128,
    Aes256,
    ChaCha20,
}

impl Suite {
    /// Returns those that a secret so long may belong to.
    pub(super) fn of_secret(length: usize) -> &'static [Self] {
        match length {
            32 => &[Self::Aes128, Self::ChaCha20],
            48 => &[Self::Aes256],
            _ => &[],
        }
    }

    fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128 => &AES_128_GCM,
            Self::Aes256 => &AES_256_GCM,
            Self::ChaCha20 => &CHACHA20_POLY1305,
        }
    }

    fn header(self) -> &'static quic::Algorithm {
        match self {
            Self::Aes128 => &quic::AES_128,
            Self::Aes256 => &quic::AES_256,
            Self::ChaCha20 => &quic::CHACHA20,
        }
    }

    /// HKDF-Expand-Label (RFC 8446 §7.1).
    fn expand(self, secret: &[u8], label: &str, length: usize) -> Vec<u8> {
        struct Length(usize);
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let hash = match self {
            Self::Aes256 => hkdf::HKDF_SHA384,
            Self::Aes128 | Self::ChaCha20 => hkdf::HKDF_SHA256,
        };
        let mut info = (length as u16).to_be_bytes().to_vec();
        info.push(6 + label.len() as u8);
        info.extend(b"tls13 ");
        info.extend(label.as_bytes());
        info.push(0);
        let mut out = vec![0; length];
        hkdf::Prk::new_less_safe(hash, secret)
            .expand(&[&info], Length(length))
            .and_then(|okm| okm.fill(&mut out))
            .expect("a key is far shorter than HKDF allows");
        out
    }
}

/// The keys between two key updates.
struct Generation {
    secret: Vec<u8>,
    key: LessSafeKey,
    iv: Vec<u8>,
}

impl Generation {
    fn new(suite: Suite, secret: Vec<u8>) -> Self {
        let aead = suite.aead();
        let key = suite.expand(&secret, "quic key", aead.key_len());
        let key = aead::UnboundKey::new(aead, &key).expect("the key has its cipher's length");
        Self {
            key: LessSafeKey::new(key),
            iv: suite.expand(&secret, "quic iv", aead::NONCE_LEN),
            secret,
        }
    }

    /// RFC 9001 §6.1.
    fn next(&self, suite: Suite) -> Self {
        let length = self.secret.len();
        Self::new(suite, suite.expand(&self.secret, "quic ku", length))
    }

    /// RFC 9001 §5.3.
    fn nonce(&self, number: u64) -> Nonce {
        let mut nonce = [0; aead::NONCE_LEN];
        nonce[4..].copy_from_slice(&number.to_be_bytes());
        for (byte, iv) in nonce.iter_mut().zip(&self.iv) {
            *byte ^= iv;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The 1-RTT packets of one direction.
pub(super) struct Direction {
    suite: Suite,
    header: quic::HeaderProtectionKey,
    first: Vec<u8>,
    now: Generation,
    next: Generation,
    updates: usize,
    /// The largest packet number so far.
    largest: Option<u64>,
}

impl Direction {
    pub(super) fn new(suite: Suite, secret: &[u8]) -> Self {
        let header = suite.header();
        let key = suite.expand(secret, "quic hp", header.key_len());
        let now = Generation::new(suite, secret.to_vec());
        Self {
            suite,
            header: quic::HeaderProtectionKey::new(header, &key)
                .expect("the key has its cipher's length"),
            first: secret.to_vec(),
            next: now.next(suite),
            now,
            updates: 0,
            largest: None,
        }
    }

    /// Returns how many key updates there were.
    pub(super) fn updates(&self) -> usize {
        self.updates
    }

    /// Opens a packet with a short header; returns its frames, if it is what
    /// it says.
    pub(super) fn open(&mut self, packet: &[u8], cid_length: usize) -> Option<Vec<u8>> {
        let start = 1 + cid_length;
        let sample = packet.get(start + 4..start + 4 + SAMPLE)?;
        let mask = self.header.new_mask(sample).ok()?;
        let first = packet[0] ^ (mask[0] & 0x1f);
        let end = start + usize::from(first & PACKET_NUMBER_LENGTH) + 1;
        let mut header = packet[..end].to_vec();
        header[0] = first;
        let mut truncated = 0;
        for (byte, mask) in header[start..].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
            truncated = (truncated << 8) | u64::from(*byte);
        }
        let expected = self.largest.map_or(0, |largest| largest + 1);
        let number = whole_number(expected, truncated, 8 * (end - start) as u32);
        let phase = usize::from(first & KEY_PHASE != 0);
        let updates = phase != self.updates % 2;
        let keys = if updates { &self.next } else { &self.now };
        let mut frames = packet[end..].to_vec();
        let opened = keys
            .key
            .open_in_place(keys.nonce(number), Aad::from(&header), &mut frames);
        let length = opened.ok()?.len();
        frames.truncate(length);
        if updates {
            let next = self.next.next(self.suite);
            self.now = std::mem::replace(&mut self.next, next);
            self.updates += 1;
        }
        self.largest = self.largest.max(Some(number));
        Some(frames)
    }

    /// Makes packets of PADDING frames that bring a reader who has seen
    /// `known` key updates to the packet number and the keys of now: the number
    /// has all of four bytes, and there is one packet for each key update. An
    /// older key phase would look like one more update.
    ///
    /// Nobody but the capture's readers must ever see them.
    pub(super) fn bookmarks(&self, cid: &[u8], known: usize) -> Vec<Vec<u8>> {
        let Some(largest) = self.largest else {
            return Vec::new();
        };
        let mut keys = Generation::new(self.suite, self.first.clone());
        let mut packets = Vec::new();
        for update in 0..=self.updates.min(KEY_UPDATES_MAX) {
            if update > 0 {
                keys = keys.next(self.suite);
            }
            if update >= known {
                packets.push(self.seal(cid, &keys, update, largest, &[0; 4]));
            }
        }
        packets
    }

    /// Seals four bytes of frames or more.
    fn seal(
        &self,
        cid: &[u8],
        keys: &Generation,
        update: usize,
        number: u64,
        frames: &[u8],
    ) -> Vec<u8> {
        let phase = if update % 2 == 1 { KEY_PHASE } else { 0 };
        let mut packet = vec![0x40 | phase | PACKET_NUMBER_LENGTH];
        packet.extend(cid);
        let start = packet.len();
        packet.extend((number as u32).to_be_bytes());
        let mut sealed = frames.to_vec();
        keys.key
            .seal_in_place_append_tag(keys.nonce(number), Aad::from(&packet), &mut sealed)
            .expect("frames of one packet are not too long");
        debug_assert!(sealed.len() >= SAMPLE, "the sample begins with them");
        let mask = self
            .header
            .new_mask(&sealed[..SAMPLE])
            .expect("the sample has its length");
        packet.extend(sealed);
        packet[0] ^= mask[0] & 0x1f;
        for (byte, mask) in packet[start..start + 4].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
        }
        packet
    }
}

/// RFC 9000, appendix A.3.
fn whole_number(expected: u64, truncated: u64, bits: u32) -> u64 {
    let window = 1_u64 << bits;
    let candidate = (expected & !(window - 1)) | truncated;
    if candidate + window / 2 <= expected {
        candidate + window
    } else if candidate > expected + window / 2 && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
impl Direction {
    /// Makes a packet as its sender would, for tests.
    pub(super) fn sealed(&self, cid: &[u8], number: u64, frames: &[u8]) -> Vec<u8> {
        self.seal(cid, &self.now, self.updates, number, frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
        (0..text.len()).step_by(2).map(digit).collect()
    }

    /// RFC 9001, appendix A.5.
    #[test]
    fn the_packet_of_the_specification_opens() {
        let secret = "9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b";
        let mut direction = Direction::new(Suite::ChaCha20, &hex(secret));
        direction.largest = Some(654_360_563);
        let packet = hex("4cfe4189655e5cd55c41f69080575d7999c25a5bfb");
        assert_eq!(direction.open(&packet, 0), Some(vec![1]));
        assert_eq!(direction.largest, Some(654_360_564));
    }

    /// RFC 9000, appendix A.3.
    #[test]
    fn a_packet_number_is_the_nearest_to_the_expected_one() {
        assert_eq!(whole_number(0xa82f_30eb, 0x9b32, 16), 0xa82f_9b32);
        assert_eq!(whole_number(0, 255, 8), 255);
        assert_eq!(whole_number(256, 255, 8), 255);
        assert_eq!(whole_number(255, 0, 8), 256);
    }

    #[test]
    fn a_reader_follows_the_bookmarks_to_any_number_and_key() {
        for suite in [Suite::Aes128, Suite::Aes256, Suite::ChaCha20] {
            let length = if suite == Suite::Aes256 { 48 } else { 32 };
            let new = || Direction::new(suite, &vec![7; length]);
            let mut ahead = new();
            for _ in 0..5 {
                let next = ahead.next.next(suite);
                ahead.now = std::mem::replace(&mut ahead.next, next);
                ahead.updates += 1;
            }
            ahead.largest = Some(1_000_000);
            let mut reader = new();
            reader.largest = Some(3);
            let bookmarks = ahead.bookmarks(b"12345678", 0);
            assert_eq!(bookmarks.len(), 6);
            assert_eq!(ahead.bookmarks(b"12345678", 4), bookmarks[4..]);
            for bookmark in bookmarks {
                assert_eq!(reader.open(&bookmark, 8), Some(vec![0; 4]));
            }
            assert_eq!(reader.largest, ahead.largest);
            assert_eq!(reader.now.secret, ahead.now.secret);
        }
    }

    #[test]
    fn what_is_no_packet_of_the_connection_changes_nothing() {
        let mut direction = Direction::new(Suite::Aes128, &[7; 32]);
        let mut other = Direction::new(Suite::Aes128, &[8; 32]);
        other.largest = Some(9);
        let foreign = other.bookmarks(b"12345678", 0);
        for packet in [&foreign[0][..], &[], &[0x40; 29], &[0xff; 1_200]] {
            assert_eq!(direction.open(packet, 8), None);
        }
        assert_eq!((direction.largest, direction.updates), (None, 0));
    }
}
