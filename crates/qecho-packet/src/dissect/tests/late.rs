//! Captures that lack the beginning of a connection, or a part of it.

use super::{
    opening::{RANDOM, answered, begun, id, long, short, to_client},
    *,
};
use crate::{
    dissect::key_log::LABELS,
    protection::{Secret, Suite, unsealed::Unsealed},
    wire::PacketType,
};

/// The source connection ID of the Retry in RFC 9001 Appendix A.4.
const RETRY_SOURCE: &str = "f067a5502a4262b5";

/// Knows the secrets of some other sessions and, if wanted, the right ones.
fn with_secrets(right: bool) -> Dissector {
    let mut dissector = Dissector::default();
    let others = (1..4_u8).map(|other| format!("{other:02x}").repeat(32));
    for random in others.chain(right.then(|| RANDOM.to_owned())) {
        for (index, label) in LABELS.iter().enumerate() {
            let digit = if random == RANDOM { index } else { 0x77 };
            let secret = format!("{digit:02x}").repeat(32);
            dissector.add_secrets(&format!("{label} {random} {secret}\n"));
        }
    }
    dissector
}

/// Returns the only packet of a datagram, with the side that is told to have begun.
fn first(dissector: &mut Dissector, seen: CapturedDatagram<'_>) -> (Option<Side>, DecodedDatagram) {
    let mut told = told(dissector, &[seen]);
    let Some(Observation::Datagram(dissected)) = told.pop() else {
        panic!("{told:?}");
    };
    let begun = told.pop().map(|observation| match observation {
        Observation::ConnectionStarted {
            side,
            original_destination,
            ..
        } => {
            assert!(original_destination.is_empty(), "nobody has seen it");
            side
        }
        other => panic!("{other:?}"),
    });
    (begun, dissected)
}

fn number(dissected: &DecodedDatagram) -> Option<u64> {
    let opened = dissected.packets[0].decrypted.as_ref();
    opened.map(|opened| opened.number)
}

#[test]
fn a_connection_that_began_before_its_capture_is_opened_by_the_secrets_that_fit() {
    for (sent, number_length, updates) in [(0, 1, 0), (300, 1, 0), (65_000, 1, 1), (70_000, 2, 0)] {
        let mut dissector = with_secrets(true);
        let packet = Unsealed {
            number_length,
            ..short(2, updates, sent)
        };
        let (begun, dissected) = first(&mut dissector, from_client(&packet.seal()));
        assert_eq!(
            (begun, number(&dissected)),
            (Some(Side::Client), Some(sent))
        );
        assert_eq!(dissected.direction, Direction::Sent);
        let answer = Unsealed {
            number_length: 1,
            ..to_client(1_000)
        };
        let (begun, dissected) = first(&mut dissector, from_server(&answer.seal()));
        assert_eq!((begun, number(&dissected)), (None, Some(1_000)));
        assert_eq!(dissected.direction, Direction::Received);
    }
}

#[test]
fn who_is_client_and_server_shows_in_whose_secret_fits() {
    for (direction, side, told) in [
        (None, Side::Client, Direction::Received),
        (Some(Direction::Received), Side::Client, Direction::Received),
        (Some(Direction::Sent), Side::Server, Direction::Sent),
    ] {
        let packet = to_client(7).seal();
        let seen = CapturedDatagram {
            direction,
            ..from_server(&packet)
        };
        let (begun, dissected) = first(&mut with_secrets(true), seen);
        assert_eq!((begun, number(&dissected)), (Some(side), Some(7)));
        assert_eq!(dissected.direction, told);
    }
}

#[test]
fn who_sends_what_only_one_side_does_is_known_without_secrets() {
    let high = SocketAddr::new(SERVER.ip(), CLIENT.port() + 1);
    for (first, from_client_first) in [
        (bytes(RETRY), false),
        // Shorter than any client's.
        (bytes(SERVER_INITIAL), false),
        (
            bytes("d000000001000040140123456789abcdef0123456789abcdef01234567"),
            true,
        ),
    ] {
        let mut dissector = Dissector::default();
        let back = to_client(0).seal();
        let there = CapturedDatagram::new(high, CLIENT, &first);
        let answer = CapturedDatagram::new(CLIENT, high, &back);
        let [first, second] = [there, answer].map(|seen| {
            let direction = dissected(&mut dissector, seen).direction;
            direction == Direction::Sent
        });
        assert_eq!((first, second), (from_client_first, !from_client_first));
    }
}

#[test]
fn a_handshake_packet_behind_one_that_nobody_can_open_tells_the_connection() {
    let initial = bytes(SERVER_INITIAL);
    let handshake = Unsealed {
        header: long(PacketType::Handshake, &[], &bytes(RETRY_SOURCE)),
        ..short(1, 0, 0)
    };
    let datagram = [initial, handshake.seal()].concat();
    let (begun, dissected) = first(&mut with_secrets(true), from_server(&datagram));
    assert_eq!(begun, Some(Side::Client));
    assert_eq!(
        dropped(&dissected),
        [Some(DropReason::BeginningNotCaptured), None]
    );
}

#[test]
fn where_no_secret_fits_it_is_said_and_not_tried_for_ever() {
    let packet = short(2, 0, 0).seal();
    let mut dissector = with_secrets(false);
    let left = |dissector: &Dissector| dissector.key_log.search_work.get();
    let mut works = vec![left(&dissector)];
    for _ in 0..20 {
        let dissected = dissected(&mut dissector, from_client(&packet));
        assert_eq!(
            dropped(&dissected),
            [Some(DropReason::BeginningNotCaptured)]
        );
        works.push(left(&dissector));
    }
    assert!(works[0] > works[1], "{works:?}");
    assert_eq!(works[19], works[20], "its addresses were tried enough");
    dissector.key_log.search_work.set(100);
    for port in 1..1_000 {
        let seen = CapturedDatagram {
            source: SocketAddr::new(CLIENT.ip(), port),
            ..from_client(&packet)
        };
        told(&mut dissector, &[seen]);
    }
    assert_eq!(left(&dissector), 0);
}

#[test]
fn a_client_hello_that_was_cut_off_is_no_reason_not_to_open_what_is_whole() {
    let initial = bytes(CLIENT_INITIAL);
    let cut = |payload| CapturedDatagram {
        cut: true,
        ..from_client(payload)
    };
    let answer = bytes(SERVER_INITIAL);
    for (right, expected) in [
        (true, None),
        (false, Some(DropReason::ClientHelloNotCaptured)),
    ] {
        let mut dissector = with_secrets(right);
        told(&mut dissector, &[cut(&initial[..40])]);
        // The server's packet is cut as well: it begins nothing of its own.
        let seen = CapturedDatagram {
            cut: true,
            ..from_server(&answer[..40])
        };
        let dissected = dissected(&mut dissector, seen);
        assert_eq!(
            (dissected.connection, dissected.direction),
            (Some(1), Direction::Received)
        );
        let (begun, dissected) = first(&mut dissector, from_client(&short(2, 0, 400).seal()));
        assert_eq!((begun, dissected.connection), (None, Some(1)));
        assert_eq!(dropped(&dissected), [expected]);
    }
    let mut dissector = Dissector::default();
    told(&mut dissector, &[cut(&initial[..40])]);
    let told = dissected(&mut dissector, from_server(&to_client(0).seal()));
    assert_eq!(dropped(&told), [Some(DropReason::NoSecrets)]);
}

#[test]
fn a_retry_behind_the_handshake_changes_nothing() {
    let retry = bytes(RETRY);
    let handshake = Unsealed {
        header: long(PacketType::Handshake, &bytes(ORIGINAL_DESTINATION), &[]),
        ..short(0, 0, 0)
    };
    let destination = bytes(RETRY_SOURCE);
    let other_hello = [&[6, 0, 40, 1, 0, 0, 36, 3, 3][..], &[7; 34]].concat();
    let initial = Unsealed {
        secret: Secret::initial(&id(&destination), Side::Client),
        suite: Suite::Aes128GcmSha256,
        header: long(PacketType::Initial, &destination, &[]),
        frames: other_hello,
        ..short(2, 0, 9)
    };
    let (handshake, initial) = (handshake.seal(), initial.seal());
    let mut heeded = begun();
    told(&mut heeded, &[from_server(&retry)]);
    let first = dissected(&mut heeded, from_client(&initial));
    assert_eq!(dropped(&first), [None], "before it, it does");
    let mut dissector = answered();
    let opened = dissected(&mut dissector, from_client(&handshake));
    assert_eq!(dropped(&opened), [None]);
    told(&mut dissector, &[from_server(&retry)]);
    let late = dissected(&mut dissector, from_client(&initial));
    assert_eq!(dropped(&late), [Some(DropReason::NotAuthentic)]);
    // The secrets are still found by the ClientHello that counted.
    let data = dissected(&mut dissector, from_client(&short(2, 0, 0).seal()));
    assert_eq!(dropped(&data), [None]);
}
