use crate::wire;

use super::{super::vectors::*, *};

const SUITES: [Suite; 3] = [
    Suite::Aes128GcmSha256,
    Suite::Aes256GcmSha384,
    Suite::ChaCha20Poly1305Sha256,
];

fn secret_bytes(secret: &Secret) -> &[u8] {
    &secret.bytes[..secret.length.into()]
}

fn expanded(secret: &str, suite: Suite, label: &[u8], length: usize) -> Vec<u8> {
    let secret = Secret::new(&bytes(secret)).expect("it is a hash");
    let mut out = vec![0; length];
    secret.expand(suite, label, &mut out);
    out
}

/// Opens the only packet of a datagram; returns the bare header and the
/// payload.
fn open(datagram: &str, secret: &Secret, suite: Suite, number: u64) -> (Vec<u8>, Vec<u8>) {
    let datagram = bytes(datagram);
    let packet = wire::packets(&datagram, 0).next();
    let packet = packet.expect("there is one").expect("it is well-formed");
    let unprotected = secret.header_key(suite).unprotect(&packet);
    let unprotected = unprotected.expect("there is a sample");
    let payload = secret.packet_key(suite).open(&unprotected, number);
    (unprotected.head, payload.expect("it is authentic"))
}

#[test]
fn initial_secrets_are_those_of_rfc_9001_appendix_a1() {
    let original = ConnectionId::new(&bytes(ORIGINAL_DESTINATION)).expect("8 bytes");
    for (sender, secret) in [Side::Client, Side::Server]
        .into_iter()
        .zip(INITIAL_SECRETS)
    {
        assert_eq!(
            secret_bytes(&Secret::initial(&original, sender)),
            bytes(secret)
        );
    }
    let [client, server] = INITIAL_SECRETS;
    let expanded = |secret, label, length| expanded(secret, SUITES[0], label, length);
    for (secret, label, key) in [
        (client, &b"quic key"[..], "1f369613dd76d5467730efcbe3b1a22d"),
        (client, b"quic iv", "fa044b2f42a3fd3b46fb255c"),
        (client, b"quic hp", "9f50449e04a0e810283a1e9933adedd2"),
        (server, b"quic key", "cf3a5331653c364c88f0f379b6067e37"),
        (server, b"quic iv", "0ac1493ca1905853b0bba03e"),
        (server, b"quic hp", "c206b8d9b9f0f37644430b490eeaa314"),
    ] {
        assert_eq!(expanded(secret, label, key.len() / 2), bytes(key));
    }
}

#[test]
fn initial_packets_of_rfc_9001_appendices_a2_and_a3_open() {
    let original = ConnectionId::new(&bytes(ORIGINAL_DESTINATION)).expect("8 bytes");
    let secret = Secret::initial(&original, Side::Client);
    let mut frames = bytes(CLIENT_INITIAL_FRAMES);
    frames.resize(1_162, 0);
    assert_eq!(
        open(CLIENT_INITIAL, &secret, SUITES[0], 2),
        (bytes(CLIENT_INITIAL_HEADER), frames)
    );
    let secret = Secret::initial(&original, Side::Server);
    assert_eq!(
        open(SERVER_INITIAL, &secret, SUITES[0], 1),
        (bytes(SERVER_INITIAL_HEADER), bytes(SERVER_INITIAL_FRAMES))
    );
}

#[test]
fn the_retry_packet_of_rfc_9001_appendix_a4_is_valid() {
    let original = ConnectionId::new(&bytes(ORIGINAL_DESTINATION)).expect("8 bytes");
    let mut packet = bytes(RETRY);
    assert!(is_valid_retry(&original, &packet));
    assert!(!is_valid_retry(&ConnectionId::default(), &packet));
    assert!(!is_valid_retry(&original, &packet[..10]));
    packet[15] ^= 1;
    assert!(!is_valid_retry(&original, &packet));
}

#[test]
fn the_chacha20_packet_of_rfc_9001_appendix_a5_opens() {
    let suite = Suite::ChaCha20Poly1305Sha256;
    let secret = Secret::new(&bytes(CHACHA20_SECRET)).expect("it is a hash");
    let expanded = |label, length| expanded(CHACHA20_SECRET, suite, label, length);
    let key = "c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8";
    assert_eq!(expanded(&b"quic key"[..], 32), bytes(key));
    assert_eq!(expanded(b"quic iv", 12), bytes("e0459b3474bdd0e44a41c144"));
    let key = "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4";
    assert_eq!(expanded(b"quic hp", 32), bytes(key));
    assert_eq!(
        secret_bytes(&secret.next(suite)),
        bytes(CHACHA20_NEXT_SECRET)
    );
    assert_eq!(
        open(CHACHA20_PACKET, &secret, suite, CHACHA20_NUMBER),
        (bytes(CHACHA20_HEADER), vec![1])
    );
}

#[test]
fn every_suite_has_keys_and_secrets_of_its_own_length() {
    for suite in SUITES {
        let length = suite.hash().hmac_algorithm().digest_algorithm().output_len;
        let secret = Secret::new(&vec![7; length]).expect("it is a hash");
        assert!(secret.suites().contains(&suite));
        let next = secret.next(suite);
        assert_ne!(secret_bytes(&next), secret_bytes(&secret));
        assert_eq!(usize::from(next.length), length);
        secret.packet_key(suite);
        secret.header_key(suite);
    }
    assert!(Secret::new(&[0; 33]).is_none());
}

#[test]
fn packets_too_short_for_a_sample_have_no_header() {
    let key = Secret::new(&[0; 32])
        .expect("it is a hash")
        .header_key(SUITES[0]);
    for length in 2..40 {
        let datagram = vec![0x40; length];
        let packet = wire::packets(&datagram, 0).next();
        let packet = packet.expect("there is one").expect("it is well-formed");
        assert_eq!(key.unprotect(&packet).is_some(), length >= 21);
    }
}
