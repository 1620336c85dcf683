//! The tag by which a client knows that a Retry packet answers its own Initial packet.

use aws_lc_rs::aead;

use super::TAG_LENGTH;
use crate::wire::{ConnectionId, VERSION_2};

/// RFC 9001 §5.8.
const RETRY_KEY: [u8; 16] = [
    0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e,
];
/// RFC 9001 §5.8.
const RETRY_NONCE: [u8; 12] = [
    0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb,
];

/// Those of version 2 (RFC 9369 §3.3.3).
const RETRY_KEY_2: [u8; 16] = [
    0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2, 0x60, 0xfb, 0xcb, 0xce, 0xad, 0x7c, 0xcc, 0x92,
];
const RETRY_NONCE_2: [u8; 12] = [
    0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a,
];

/// Returns the integrity tag of a Retry packet of version 1 or 2 that answers an Initial packet to
/// `original_destination` (RFC 9001 §5.8, RFC 9369 §3.3.3).
pub fn retry_tag(original_destination: &ConnectionId, retry_without_tag: &[u8]) -> [u8; 16] {
    let mut pseudo_packet = vec![original_destination.len() as u8];
    pseudo_packet.extend_from_slice(original_destination);
    pseudo_packet.extend_from_slice(retry_without_tag);
    let version = retry_without_tag.get(1..).and_then(<[u8]>::first_chunk);
    let (key, nonce) = match version.copied().map(u32::from_be_bytes) {
        Some(VERSION_2) => (&RETRY_KEY_2, RETRY_NONCE_2),
        _ => (&RETRY_KEY, RETRY_NONCE),
    };
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, key)
        .expect("the key of RFC 9001 §5.8 has AES-128's length");
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    let sealed = aead::LessSafeKey::new(key)
        .seal_in_place_separate_tag(nonce, aead::Aad::from(pseudo_packet), &mut [])
        .expect("sealing nothing stays within every limit of AES-GCM");
    let mut tag = [0; TAG_LENGTH];
    tag.copy_from_slice(sealed.as_ref());
    tag
}

/// Tells whether a Retry packet answers an Initial packet to `original_destination` (RFC 9001
/// §5.8).
pub fn is_valid_retry(original_destination: &ConnectionId, packet: &[u8]) -> bool {
    let split = packet.split_last_chunk::<TAG_LENGTH>();
    split.is_some_and(|(retry, tag)| retry_tag(original_destination, retry) == *tag)
}
