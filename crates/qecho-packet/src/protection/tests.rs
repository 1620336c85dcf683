//! The packets of RFC 9001 Appendix A, opened and sealed, and packets that none should send.

mod version_2;

use super::{vectors::*, *};
use crate::{
    DecryptedPacket, Side,
    wire::{self, ConnectionId, Header, PacketType, write_integer_in},
};

const SUITES: [Suite; 3] = [
    Suite::Aes128GcmSha256,
    Suite::Aes256GcmSha384,
    Suite::ChaCha20Poly1305Sha256,
];

fn original() -> ConnectionId {
    ConnectionId::new(&bytes(ORIGINAL_DESTINATION)).expect("8 bytes")
}

/// The server's connection ID in Appendix A.
fn server_id() -> ConnectionId {
    ConnectionId::new(&bytes("f067a5502a4262b5")).expect("8 bytes")
}

fn expanded(secret: &str, suite: Suite, label: &[u8], length: usize) -> Vec<u8> {
    let secret = Secret::new(&bytes(secret)).expect("it is a hash");
    let mut out = vec![0; length];
    secret.expand(suite, [label; 2], &mut out);
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
    let original = original();
    for (sender, secret) in [Side::Client, Side::Server]
        .into_iter()
        .zip(INITIAL_SECRETS)
    {
        let derived = Secret::initial(&original, sender);
        assert_eq!(derived.as_bytes(), bytes(secret));
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
    let original = original();
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
fn the_retry_packet_of_rfc_9001_appendix_a4_is_valid_and_is_written_so() {
    let original = original();
    let mut packet = bytes(RETRY);
    let header = Header {
        token: b"token".to_vec(),
        ..Header::long(PacketType::Retry, 1, ConnectionId::default(), server_id())
    };
    let mut retry = Vec::new();
    header.write(&mut retry);
    // The RFC's example sets the bits that mean nothing.
    retry[0] |= 0x0f;
    retry.extend(retry_tag(&original, &retry));
    assert_eq!(retry, packet);
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
    assert_eq!(secret.next(suite).as_bytes(), bytes(CHACHA20_NEXT_SECRET));
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
        assert_ne!(next.as_bytes(), secret.as_bytes());
        assert_eq!(next.as_bytes().len(), length);
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

/// Opens the only packet of a datagram, given the next number.
fn opened(keys: &mut OpeningKeys, datagram: &[u8], next: u64) -> Option<DecryptedPacket> {
    let packet = wire::packets(datagram, 8).next();
    let packet = packet.expect("there is one").expect("it is well-formed");
    assert_eq!(packet.bytes, datagram);
    let largest = next.checked_sub(1);
    let numbers = Numbers {
        largest,
        ..Numbers::default()
    };
    keys.open(&packet, numbers)
}

#[test]
fn initial_packets_of_rfc_9001_appendices_a2_and_a3_are_sealed_so() {
    let mut frames = bytes(CLIENT_INITIAL_FRAMES);
    frames.resize(1_162, 0);
    let none = ConnectionId::default();
    let client = Header::long(PacketType::Initial, 1, original(), none);
    let server = Header::long(PacketType::Initial, 1, none, server_id());
    let keys = |side| SealingKeys::new(&Secret::initial(&original(), side), SUITES[0]);
    let sealed = keys(Side::Client).seal_packet(&client, 2, 4, &frames);
    assert_eq!(sealed, bytes(CLIENT_INITIAL));
    let frames = bytes(SERVER_INITIAL_FRAMES);
    let sealed = keys(Side::Server).seal_packet(&server, 1, 2, &frames);
    assert_eq!(sealed, bytes(SERVER_INITIAL));
    // The same with a head that is given.
    let head = bytes(SERVER_INITIAL_HEADER);
    let sealed = keys(Side::Server).seal(&head[..head.len() - 2], 1, 2, &frames);
    assert_eq!(sealed, bytes(SERVER_INITIAL));
}

#[test]
fn the_chacha20_packet_of_rfc_9001_appendix_a5_is_sealed_so() {
    let secret = Secret::new(&bytes(CHACHA20_SECRET)).expect("it is a hash");
    let keys = SealingKeys::new(&secret, Suite::ChaCha20Poly1305Sha256);
    let header = Header::short(ConnectionId::default());
    let sealed = keys.seal_packet(&header, CHACHA20_NUMBER, 3, &[1]);
    assert_eq!(sealed, bytes(CHACHA20_PACKET));
}

#[test]
fn what_is_sealed_opens_in_every_suite_over_key_updates() {
    for suite in SUITES {
        let length = suite.hash().hmac_algorithm().digest_algorithm().output_len;
        let secret = Secret::new(&vec![9; length]).expect("it is a hash");
        let mut sealing = SealingKeys::new(&secret, suite);
        let mut opening = OpeningKeys::new(&secret, suite);
        let header = Header {
            spin: true,
            ..Header::short(original())
        };
        for number in 0..12 {
            if number % 3 == 2 {
                sealing.update();
            }
            let number_length = number as usize % 4 + 1;
            let datagram = sealing.seal_packet(&header, number, number_length, b"\x01\x01\x01");
            let packet = opened(&mut opening, &datagram, number).expect("it is authentic");
            assert_eq!(packet.payload, b"\x01\x01\x01");
            assert_eq!(
                (packet.number, packet.number_length),
                (number, number_length)
            );
            assert_eq!(packet.generation, sealing.generation());
            let phase = sealing.generation() as u8 % 2;
            let first = 0x60 | phase << 2 | (number_length as u8 - 1);
            assert_eq!((packet.first_byte, packet.key_phase), (first, phase == 1));
        }
        assert_eq!((sealing.generation(), opening.generation()), (4, 4));
    }
}

#[test]
fn a_payload_is_padded_no_further_than_the_sample_reaches() {
    let secret = Secret::new(&[3; 32]).expect("it is a hash");
    let sealing = SealingKeys::new(&secret, SUITES[0]);
    let header = Header::long(PacketType::Handshake, 1, original(), server_id());
    for number_length in 1..=4 {
        for length in 0..6 {
            let payload = vec![1; length];
            let datagram = sealing.seal_packet(&header, 7, number_length, &payload);
            let mut opening = OpeningKeys::new(&secret, SUITES[0]);
            let packet = opened(&mut opening, &datagram, 7).expect("it is authentic");
            let mut padded = payload.clone();
            padded.resize(length.max(4 - number_length), 0);
            assert_eq!(packet.payload, padded);
            let whole = 1 + 4 + 9 + 9 + 1 + sealed_length(number_length, &payload);
            assert_eq!(datagram.len(), whole);
        }
    }
}

#[test]
fn a_head_is_sealed_with_every_bit_that_is_given() {
    let secret = Secret::new(&[3; 32]).expect("it is a hash");
    let sealing = SealingKeys::new(&secret, SUITES[0]);
    for first in 0..=0xff_u8 {
        let number_length = usize::from(first & 0x03) + 1;
        let is_long = first & 0x80 != 0;
        // Of version 1, only an Initial has a token, and a Retry is not sealed.
        if is_long && !matches!(first >> 4 & 0x03, 1 | 2) {
            continue;
        }
        let mut head = vec![first];
        if is_long {
            head.extend([0, 0, 0, 1, 0, 0]);
            let length = sealed_length(number_length, b"frames");
            write_integer_in(&mut head, length as u64, 8);
        } else {
            head.extend_from_slice(&original());
        }
        let datagram = sealing.seal(&head, 5, number_length, b"frames");
        let mut opening = OpeningKeys::new(&secret, SUITES[0]);
        let packet = opened(&mut opening, &datagram, 5);
        // A key phase that is not that of the keys makes the receiver take others.
        let lies = !is_long && first & 0x04 != 0;
        assert_eq!(packet.is_none(), lies, "{first:#x}");
        let Some(packet) = packet else { continue };
        assert_eq!((packet.first_byte, packet.number), (first, 5));
        assert_eq!(packet.payload, b"frames");
    }
}

#[test]
fn a_number_whose_length_the_first_byte_lies_about_is_sealed_as_it_is_given() {
    let secret = Secret::new(&[3; 32]).expect("it is a hash");
    let sealing = SealingKeys::new(&secret, SUITES[0]);
    let head = [&[0x41], &original()[..]].concat();
    let datagram = sealing.seal(&head, 5, 1, &[1; 8]);
    assert_eq!(datagram.len(), head.len() + 1 + 8 + 16);
    let mut opening = OpeningKeys::new(&secret, SUITES[0]);
    assert!(opened(&mut opening, &datagram, 5).is_none());
}

#[test]
fn lengths_that_no_packet_number_has_are_refused() {
    let secret = Secret::new(&[3; 32]).expect("it is a hash");
    let sealing = SealingKeys::new(&secret, SUITES[0]);
    let header = Header::short(original());
    for number_length in [0, 5, 256, usize::MAX] {
        let seal = || sealing.seal_packet(&header, 0, number_length, &[1]);
        let seal = std::panic::AssertUnwindSafe(seal);
        assert!(std::panic::catch_unwind(seal).is_err(), "{number_length}");
    }
}

#[test]
fn keys_and_secrets_are_not_shown() {
    let secret = Secret::new(&[0xab; 32]).expect("it is a hash");
    let sealing = SealingKeys::new(&secret, SUITES[0]);
    let opening = OpeningKeys::new(&secret, SUITES[0]);
    assert_eq!(format!("{secret:?}"), "Secret { .. }");
    let keys = "Keys { suite: Aes128GcmSha256, generation: 0, .. }";
    assert_eq!(format!("{sealing:?}"), format!("Sealing{keys}"));
    assert_eq!(format!("{opening:?}"), format!("Opening{keys}"));
}
