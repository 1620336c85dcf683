//! Packets that the echo client and server do not send one another.

use super::*;
use crate::{
    dissect::key_log::LABELS,
    protection::{Secret, Suite, unsealed::Unsealed},
    wire::{ConnectionId, Header, PacketType},
};

const CHACHA20: Suite = Suite::ChaCha20Poly1305Sha256;
/// The random of the ClientHello of RFC 9001 Appendix A.2.
pub(super) const RANDOM: &str = "ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c";
/// The server's connection ID in RFC 9001 Appendix A.3; the client's has no
/// bytes.
const SERVER_ID: &str = "f067a5502a4262b5";

fn secret(label: usize) -> Secret {
    Secret::new(&[label as u8; 32]).expect("it is a hash")
}

pub(super) fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).expect("it is short")
}

/// A long header of version 1.
pub(super) fn long(packet_type: PacketType, destination: &[u8], source: &[u8]) -> Header {
    Header::long(packet_type, 1, id(destination), id(source))
}

/// Knows the client's first packet, and all secrets.
pub(super) fn begun() -> Dissector {
    let mut dissector = Dissector::default();
    for (index, label) in LABELS.iter().enumerate() {
        let secret = format!("{index:02x}").repeat(32);
        dissector.add_secrets(&format!("{label} {RANDOM} {secret}\n"));
    }
    told(&mut dissector, &[from_client(&bytes(CLIENT_INITIAL))]);
    dissector
}

/// Knows the server's answer, too.
pub(super) fn answered() -> Dissector {
    let mut dissector = begun();
    told(&mut dissector, &[from_server(&bytes(SERVER_INITIAL))]);
    dissector
}

/// A 1-RTT packet to the client.
pub(super) fn to_client(number: u64) -> Unsealed {
    Unsealed {
        header: Header::short(ConnectionId::default()),
        ..short(3, 0, number)
    }
}

/// A 1-RTT packet to the server.
pub(super) fn short(label: usize, generation: u64, number: u64) -> Unsealed {
    Unsealed {
        secret: secret(label),
        suite: CHACHA20,
        updates: generation,
        header: Header::short(id(&bytes(SERVER_ID))),
        number,
        number_length: 2,
        frames: vec![1],
    }
}

/// Returns number and generation of the only packet of a datagram.
fn opened(dissector: &mut Dissector, seen: CapturedDatagram<'_>) -> Result<(u64, u64), DropReason> {
    let dissected = dissected(dissector, seen);
    assert_eq!(dissected.connection, Some(1));
    let [packet] = &dissected.packets[..] else {
        panic!("{dissected:?}");
    };
    match (&packet.decrypted, packet.dropped) {
        (Some(opened), None) => Ok((opened.number, opened.generation)),
        (None, Some(reason)) => Err(reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn zero_rtt_has_a_secret_and_a_suite_of_its_own() {
    let mut dissector = begun();
    for (label, kind, number) in [
        (4, PacketType::ZeroRtt, 0),
        (4, PacketType::ZeroRtt, 1),
        (0, PacketType::Handshake, 0),
    ] {
        let suite = match label {
            4 => Suite::Aes128GcmSha256,
            _ => CHACHA20,
        };
        let packet = Unsealed {
            suite,
            header: long(kind, &bytes(ORIGINAL_DESTINATION), &[]),
            ..short(label, 0, number)
        };
        let found = opened(&mut dissector, from_client(&packet.seal()));
        assert_eq!(found, Ok((number, 0)));
    }
    // Only clients send 0-RTT.
    let packet = bytes("d000000001000040140123456789abcdef0123456789abcdef01234567");
    let found = opened(&mut dissector, from_server(&packet));
    assert_eq!(found, Err(DropReason::NoSecrets));
}

#[test]
fn a_client_without_connection_id_is_known_by_addresses() {
    let mut dissector = begun();
    let to_client = |number| to_client(number).seal();
    // Nothing of the server's was captured before.
    let found = opened(&mut dissector, from_server(&to_client(0)));
    assert_eq!(found, Ok((0, 0)));
    // The client moves; an answer follows it.
    let moved = SocketAddr::new(CLIENT.ip(), 50_000);
    let packet = short(2, 0, 0).seal();
    let answer = to_client(1);
    let from_moved = CapturedDatagram {
        source: moved,
        ..from_client(&packet)
    };
    let to_moved = CapturedDatagram {
        destination: moved,
        ..from_server(&answer)
    };
    let server = bytes(SERVER_INITIAL);
    told(&mut dissector, &[from_server(&server)]);
    assert_eq!(opened(&mut dissector, from_moved), Ok((0, 0)));
    assert_eq!(opened(&mut dissector, to_moved), Ok((1, 0)));
}

#[test]
fn connection_ids_of_new_connection_id_frames_are_known_elsewhere() {
    let mut dissector = answered();
    let issued = [9; 12];
    let frame = [&[0x18, 1, 0, 12], &issued[..], &[0; 16]].concat();
    let issues = Unsealed {
        frames: frame,
        ..to_client(0)
    };
    let found = opened(&mut dissector, from_server(&issues.seal()));
    assert_eq!(found, Ok((0, 0)));
    let packet = Unsealed {
        header: Header::short(id(&issued)),
        ..short(2, 0, 0)
    };
    let packet = packet.seal();
    let elsewhere = CapturedDatagram {
        source: SocketAddr::new(CLIENT.ip(), 1),
        ..from_client(&packet)
    };
    assert_eq!(opened(&mut dissector, elsewhere), Ok((0, 0)));
}

#[test]
fn who_has_a_connection_id_of_no_bytes_is_found_though_it_issues_others() {
    let mut dissector = answered();
    let wrong = Unsealed {
        frames: [&[0x18, 1, 0, 12], &[9; 12][..], &[0; 16]].concat(),
        ..short(2, 0, 0)
    };
    let found = opened(&mut dissector, from_client(&wrong.seal()));
    assert_eq!(found, Ok((0, 0)));
    let found = opened(&mut dissector, from_server(&to_client(0).seal()));
    assert_eq!(found, Ok((0, 0)));
}

#[test]
fn an_unknown_connection_id_of_the_usual_length_is_tried() {
    let mut dissector = answered();
    let packet = |source: SocketAddr, number| {
        let packet = Unsealed {
            header: Header::short(id(&[1, 2, 3, 4, 5, 6, 7, 8])),
            ..short(2, 0, number)
        };
        (source, packet.seal())
    };
    let elsewhere = SocketAddr::new(CLIENT.ip(), 1);
    let mut connections = Vec::new();
    for (source, payload) in [
        packet(elsewhere, 0),
        packet(CLIENT, 1),
        packet(elsewhere, 2),
    ] {
        let seen = CapturedDatagram {
            source,
            ..from_client(&payload)
        };
        connections.push(dissected(&mut dissector, seen).connection);
    }
    assert_eq!(connections, [Some(1); 3], "its secrets tell the first");
}

#[test]
fn key_updates_are_followed_and_the_latest_key_before_is_kept() {
    let mut dissector = answered();
    let not_authentic = Err(DropReason::NotAuthentic);
    for (generation, number, found) in [
        (0, 0, Ok((0, 0))),
        (1, 2, Ok((2, 1))),
        (0, 1, Ok((1, 0))),
        (1, 3, Ok((3, 1))),
        (2, 6, Ok((6, 2))),
        (1, 5, Ok((5, 1))),
        (0, 4, not_authentic),
        (2, 7, Ok((7, 2))),
        (5, 8, not_authentic),
        (3, 9, Ok((9, 3))),
    ] {
        let packet = short(2, generation, number).seal();
        assert_eq!(opened(&mut dissector, from_client(&packet)), found);
        // What is not authentic changes nothing, whichever bit it has.
        for byte in [0, 9, 20] {
            for bit in 0..8 {
                let mut garbage = packet.clone();
                garbage[byte] ^= 1 << bit;
                if garbage[0] & 0x80 == 0 {
                    let found = opened(&mut dissector, from_client(&garbage));
                    assert_eq!(found, not_authentic, "{byte} {bit}");
                }
            }
        }
    }
}

#[test]
fn acknowledgements_help_over_gaps() {
    let mut dissector = answered();
    let first = short(2, 0, 0).seal();
    assert_eq!(opened(&mut dissector, from_client(&first)), Ok((0, 0)));
    let far = short(2, 0, 1_000_000).seal();
    let not_authentic = Err(DropReason::NotAuthentic);
    assert_eq!(opened(&mut dissector, from_client(&far)), not_authentic);
    // The server acknowledges up to 999,999.
    let acknowledgement = bytes("02800f423f000000");
    let answer = Unsealed {
        frames: acknowledgement,
        ..to_client(0)
    };
    let found = opened(&mut dissector, from_server(&answer.seal()));
    assert_eq!(found, Ok((0, 0)));
    let found = opened(&mut dissector, from_client(&far));
    assert_eq!(found, Ok((1_000_000, 0)));
}

#[test]
fn a_client_may_begin_anew_after_a_retry() {
    let mut dissector = begun();
    told(&mut dissector, &[from_server(&bytes(RETRY))]);
    let after_retry = bytes(SERVER_ID);
    let random = [0xab; 32];
    let hello = [&[0x06, 0, 38, 1, 0, 0, 34, 3, 3], &random[..]].concat();
    let initial = Unsealed {
        secret: Secret::initial(&id(&after_retry), Side::Client),
        suite: Suite::Aes128GcmSha256,
        header: Header {
            token: vec![1, 2, 3],
            ..long(PacketType::Initial, &after_retry, &[])
        },
        frames: hello,
        ..short(0, 0, 3)
    };
    let found = opened(&mut dissector, from_client(&initial.seal()));
    assert_eq!(found, Ok((3, 0)));
    let handshake = Unsealed {
        secret: secret(7),
        header: long(PacketType::Handshake, &after_retry, &[]),
        ..short(0, 0, 0)
    };
    let (random, secret) = ("ab".repeat(32), "07".repeat(32));
    dissector.add_secrets(&format!("{} {random} {secret}", LABELS[0]));
    let found = opened(&mut dissector, from_client(&handshake.seal()));
    assert_eq!(found, Ok((0, 0)));
}
