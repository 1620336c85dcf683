//! Protection of packets before TLS has keys: Initial secrets and the Retry
//! integrity tag (RFC 9001 §5.2, §5.8). Version 1 alone.

use aws_lc_rs::aead;
use quinn_proto::{ConnectionId, Side, crypto};
use rustls::{crypto::aws_lc_rs::cipher_suite, quic};

/// RFC 9001 §5.8.
const RETRY_KEY: [u8; 16] = [
    0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e,
];
/// RFC 9001 §5.8.
const RETRY_NONCE: [u8; 12] = [
    0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb,
];
/// Length of the AEAD tag that ends a Retry packet.
pub(super) const RETRY_TAG_LENGTH: usize = 16;

/// Derives the Initial keys from the client's first destination connection ID.
pub(super) fn keys(destination_cid: &ConnectionId, side: Side) -> crypto::Keys {
    let suite = cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .and_then(|suite| suite.quic_suite())
        .expect("TLS_AES_128_GCM_SHA256 is a TLS 1.3 suite with QUIC support");
    let side = match side {
        Side::Client => rustls::Side::Client,
        Side::Server => rustls::Side::Server,
    };
    boxed(suite.keys(destination_cid, side, quic::Version::V1))
}

/// Hands rustls keys to the QUIC state machine.
pub(super) fn boxed(keys: quic::Keys) -> crypto::Keys {
    crypto::Keys {
        header: crypto::KeyPair {
            local: Box::new(keys.local.header),
            remote: Box::new(keys.remote.header),
        },
        packet: crypto::KeyPair {
            local: Box::new(keys.local.packet),
            remote: Box::new(keys.remote.packet),
        },
    }
}

/// Computes the integrity tag over a Retry packet, whose bytes are given in
/// one or more parts and without the tag.
pub(super) fn retry_tag(original_destination_cid: &ConnectionId, packet: &[&[u8]]) -> [u8; 16] {
    let mut pseudo_packet = vec![original_destination_cid.len() as u8];
    pseudo_packet.extend_from_slice(original_destination_cid);
    for part in packet {
        pseudo_packet.extend_from_slice(part);
    }
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, &RETRY_KEY)
        .expect("the key of RFC 9001 §5.8 has AES-128's length");
    let tag = aead::LessSafeKey::new(key)
        .seal_in_place_separate_tag(
            aead::Nonce::assume_unique_for_key(RETRY_NONCE),
            aead::Aad::from(pseudo_packet),
            &mut [],
        )
        .expect("sealing nothing stays within every limit of AES-GCM");
    let mut bytes = [0; RETRY_TAG_LENGTH];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_retry_packet_of_rfc_9001_appendix_a4_has_its_tag() {
        let original = ConnectionId::new(&[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08]);
        let packet = [
            0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x08, 0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62,
            0xb5, 0x74, 0x6f, 0x6b, 0x65, 0x6e,
        ];
        let tag = [
            0x04, 0xa2, 0x65, 0xba, 0x2e, 0xff, 0x4d, 0x82, 0x90, 0x58, 0xfb, 0x3f, 0x0f, 0x24,
            0x96, 0xba,
        ];
        assert_eq!(retry_tag(&original, &[&packet]), tag);
        assert_eq!(retry_tag(&original, &[&packet[..7], &packet[7..]]), tag);
    }
}
