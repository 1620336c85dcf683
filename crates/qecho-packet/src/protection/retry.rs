//! The tag by which a client knows that a Retry packet answers its own Initial packet.

use aws_lc_rs::aead;

use super::TAG_LENGTH;
use crate::wire::ConnectionId;

/// RFC 9001 §5.8.
const RETRY_KEY: [u8; 16] = [
    0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e,
];
/// RFC 9001 §5.8.
const RETRY_NONCE: [u8; 12] = [
    0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb,
];

/// Returns the integrity tag of a Retry packet of version 1 that answers an Initial packet to
/// `original_destination` (RFC 9001 §5.8).
pub fn retry_tag(original_destination: &ConnectionId, retry_without_tag: &[u8]) -> [u8; 16] {
    let mut pseudo_packet = vec![original_destination.len() as u8];
    pseudo_packet.extend_from_slice(original_destination);
    pseudo_packet.extend_from_slice(retry_without_tag);
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, &RETRY_KEY)
        .expect("the key of RFC 9001 §5.8 has AES-128's length");
    let nonce = aead::Nonce::assume_unique_for_key(RETRY_NONCE);
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
