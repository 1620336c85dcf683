//! Secrets, from which keys derive (RFC 9001 §5.1).

use std::fmt;

use aws_lc_rs::{
    aead::{self, quic},
    hkdf,
};

use super::keys::{HeaderKey, PacketKey};
use crate::{
    Side,
    wire::{ConnectionId, VERSION_1, VERSION_2},
};

/// RFC 9001 §5.2.
const INITIAL_SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
/// That of version 2 (RFC 9369 §3.3.1).
const INITIAL_SALT_2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb,
    0xf9, 0xbd, 0x2e, 0xd9,
];
/// Bytes of the longest secret: a SHA-384 hash.
const SECRET_LENGTH_MAX: usize = 48;
/// Bytes of the longest key.
const KEY_LENGTH_MAX: usize = 32;

/// Cipher suites that protect packets once both ends agree (RFC 8446 §B.4).
///
/// AES-CCM, which nobody uses with QUIC, is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// TLS_AES_128_GCM_SHA256
    Aes128GcmSha256,
    /// TLS_AES_256_GCM_SHA384
    Aes256GcmSha384,
    /// TLS_CHACHA20_POLY1305_SHA256
    ChaCha20Poly1305Sha256,
}

/// A secret of TLS, from which the keys of one side's packets of one kind derive (RFC 9001
/// §5.1).
#[derive(Clone)]
pub struct Secret {
    bytes: [u8; SECRET_LENGTH_MAX],
    length: u8,
    /// Whether the keys are those of version 2 (RFC 9369 §3.3.2), and not of version 1.
    is_of_version_2: bool,
}

impl fmt::Debug for Secret {
    /// Tells nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

/// Bytes that are asked of HKDF.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Suite {
    pub(super) fn hash(self) -> hkdf::Algorithm {
        match self {
            Self::Aes128GcmSha256 | Self::ChaCha20Poly1305Sha256 => hkdf::HKDF_SHA256,
            Self::Aes256GcmSha384 => hkdf::HKDF_SHA384,
        }
    }

    pub(super) fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128GcmSha256 => &aead::AES_128_GCM,
            Self::Aes256GcmSha384 => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305Sha256 => &aead::CHACHA20_POLY1305,
        }
    }

    pub(super) fn header_protection(self) -> &'static quic::Algorithm {
        match self {
            Self::Aes128GcmSha256 => &quic::AES_128,
            Self::Aes256GcmSha384 => &quic::AES_256,
            Self::ChaCha20Poly1305Sha256 => &quic::CHACHA20,
        }
    }
}

impl Secret {
    /// Takes a secret of TLS or of a key log, if its length is that of a hash: 32 or 48 bytes.
    pub fn new(secret: &[u8]) -> Option<Self> {
        if !matches!(secret.len(), 32 | 48) {
            return None;
        }
        let mut bytes = [0; SECRET_LENGTH_MAX];
        bytes[..secret.len()].copy_from_slice(secret);
        Some(Self {
            bytes,
            length: secret.len() as u8,
            is_of_version_2: false,
        })
    }

    /// Reads a secret as a key log writes it.
    pub(crate) fn read(digits: &str) -> Option<Self> {
        let mut bytes = [0; SECRET_LENGTH_MAX];
        Self::new(hexadecimal(digits, &mut bytes)?)
    }

    /// Returns the secret of a side's Initial packets, given the destination connection ID of
    /// the client's first one, or of the Retry's source (RFC 9001 §5.2). Their suite is
    /// [`Suite::Aes128GcmSha256`].
    pub fn initial(destination: &ConnectionId, sender: Side) -> Self {
        Self::initial_of(VERSION_1, destination, sender)
    }

    /// The same of a version: of [`VERSION_2`] (RFC 9369 §3.3.1), or else of version 1.
    pub fn initial_of(version: u32, destination: &ConnectionId, sender: Side) -> Self {
        let is_of_version_2 = version == VERSION_2;
        let salt = match is_of_version_2 {
            true => &INITIAL_SALT_2,
            false => &INITIAL_SALT,
        };
        let label: &[u8] = match sender {
            Side::Client => b"client in",
            Side::Server => b"server in",
        };
        let common = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(destination);
        let mut secret = Self {
            bytes: [0; SECRET_LENGTH_MAX],
            length: 32,
            is_of_version_2,
        };
        expand(&common, label, &mut secret.bytes[..32]);
        secret
    }

    /// Lets the keys that derive from it be those of a version: of [`VERSION_2`] (RFC 9369
    /// §3.3.2), or else of version 1.
    #[must_use]
    pub fn of_version(self, version: u32) -> Self {
        Self {
            is_of_version_2: version == VERSION_2,
            ..self
        }
    }

    /// Returns the suites whose hash has this length.
    pub(crate) fn suites(&self) -> &'static [Suite] {
        match self.length {
            32 => &[Suite::Aes128GcmSha256, Suite::ChaCha20Poly1305Sha256],
            _ => &[Suite::Aes256GcmSha384],
        }
    }

    /// Returns the secret after a key update (RFC 9001 §6.1).
    pub fn next(&self, suite: Suite) -> Self {
        let mut next = self.clone();
        self.expand(
            suite,
            [b"quic ku", b"quicv2 ku"],
            &mut next.bytes[..self.length.into()],
        );
        next
    }

    /// Returns its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length.into()]
    }

    pub(super) fn packet_key(&self, suite: Suite) -> PacketKey {
        let mut key = [0; KEY_LENGTH_MAX];
        let key = &mut key[..suite.aead().key_len()];
        let mut iv = [0; aead::NONCE_LEN];
        self.expand(suite, [b"quic key", b"quicv2 key"], key);
        self.expand(suite, [b"quic iv", b"quicv2 iv"], &mut iv);
        PacketKey::new(suite, key, iv)
    }

    pub(super) fn header_key(&self, suite: Suite) -> HeaderKey {
        let mut key = [0; KEY_LENGTH_MAX];
        let key = &mut key[..suite.header_protection().key_len()];
        self.expand(suite, [b"quic hp", b"quicv2 hp"], key);
        HeaderKey::new(suite, key)
    }

    /// Derives by the label of its version: the first one is that of version 1.
    pub(super) fn expand(&self, suite: Suite, labels: [&[u8]; 2], out: &mut [u8]) {
        let label = labels[usize::from(self.is_of_version_2)];
        let secret = hkdf::Prk::new_less_safe(suite.hash(), self.as_bytes());
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
