use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::*;
use crate::{protection::vectors::*, wire::Malformed};

mod late;
mod opening;
mod rotation;
mod segments;

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000);
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 443);

fn from_client(payload: &[u8]) -> CapturedDatagram<'_> {
    CapturedDatagram::new(CLIENT, SERVER, payload)
}

fn from_server(payload: &[u8]) -> CapturedDatagram<'_> {
    CapturedDatagram::new(SERVER, CLIENT, payload)
}

/// Takes datagrams in; returns what is told.
fn told(dissector: &mut Dissector, datagrams: &[CapturedDatagram<'_>]) -> Vec<Observation> {
    let mut told = Vec::new();
    for seen in datagrams {
        dissector.datagram(seen, &mut |observation| told.push(observation));
    }
    told
}

/// Takes one datagram in, which begins nothing.
fn dissected(dissector: &mut Dissector, seen: CapturedDatagram<'_>) -> DecodedDatagram {
    let mut told = told(dissector, &[seen]);
    let dissected = match (told.pop(), told.len()) {
        (Some(Observation::Datagram(dissected)), 0) => dissected,
        other => panic!("{other:?}"),
    };
    let size: usize = dissected.packets.iter().map(|packet| packet.size).sum();
    assert_eq!(size, seen.payload.len());
    dissected
}

fn dropped(dissected: &DecodedDatagram) -> Vec<Option<DropReason>> {
    let packets = dissected.packets.iter();
    packets.map(|packet| packet.dropped).collect()
}

#[test]
fn a_connection_begins_with_the_initial_packet_of_its_client() {
    let datagram = bytes(CLIENT_INITIAL);
    for (direction, side) in [
        (None, Side::Client),
        (Some(Direction::Sent), Side::Client),
        (Some(Direction::Received), Side::Server),
    ] {
        let seen = CapturedDatagram {
            direction,
            ..from_client(&datagram)
        };
        let told = told(&mut Dissector::default(), &[seen]);
        let [
            Observation::ConnectionStarted { .. },
            Observation::Datagram(dissected),
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        let Observation::ConnectionStarted {
            connection: 1,
            side: begun,
            local,
            remote,
            original_destination,
        } = &told[0]
        else {
            panic!("{told:?}");
        };
        let ends = match side {
            Side::Client => (CLIENT, SERVER),
            Side::Server => (SERVER, CLIENT),
        };
        assert_eq!((*local, *remote), ends);
        assert_eq!((dissected.local, dissected.remote), ends);
        assert_eq!(*begun, side);
        assert_eq!(original_destination[..], bytes(ORIGINAL_DESTINATION));
        assert_eq!(dissected.connection, Some(1));
        let opened = dissected.packets[0].decrypted.as_ref();
        assert_eq!(opened.map(|opened| opened.number), Some(2));
    }
}

#[test]
fn a_server_without_the_clients_connection_id_is_known_by_addresses() {
    let (initial, answer) = (bytes(CLIENT_INITIAL), bytes(SERVER_INITIAL));
    let mut dissector = Dissector::default();
    told(&mut dissector, &[from_client(&initial)]);
    let answer = dissected(&mut dissector, from_server(&answer));
    assert_eq!(
        (answer.connection, answer.direction),
        (Some(1), Direction::Received)
    );
    let opened = answer.packets[0].decrypted.as_ref().expect("it opens");
    assert_eq!(opened.payload, bytes(SERVER_INITIAL_FRAMES));
    // The server's own connection ID is known from now on, wherever the
    // client is.
    let mut short = vec![0x40; 50];
    short[1..9].copy_from_slice(&bytes("f067a5502a4262b5"));
    let elsewhere = CapturedDatagram {
        source: SocketAddr::new(CLIENT.ip(), 1),
        ..from_client(&short)
    };
    let moved = dissected(&mut dissector, elsewhere);
    assert_eq!(
        (moved.connection, moved.direction),
        (Some(1), Direction::Sent)
    );
    assert_eq!(dropped(&moved), [Some(DropReason::NoSecrets)]);
}

#[test]
fn a_retry_packet_is_checked() {
    let (initial, retry) = (bytes(CLIENT_INITIAL), bytes(RETRY));
    let mut dissector = Dissector::default();
    told(&mut dissector, &[from_client(&initial)]);
    let mut forged = retry.clone();
    forged[16] ^= 1;
    let forged = dissected(&mut dissector, from_server(&forged));
    assert_eq!(dropped(&forged), [Some(DropReason::InvalidRetry)]);
    let first = dissected(&mut dissector, from_server(&retry));
    assert_eq!((first.connection, dropped(&first)), (Some(1), vec![None]));
    let second = dissected(&mut dissector, from_server(&retry));
    assert_eq!(dropped(&second), [Some(DropReason::InvalidRetry)]);
}

#[test]
fn what_belongs_to_no_connection_is_told_with_the_reason() {
    let mut dissector = Dissector::default();
    let mut forged = bytes(CLIENT_INITIAL);
    forged[600] ^= 1;
    let grease = bytes("c0aaaaaaaa01020103ffffff");
    let negotiation = bytes("8000000000010301020000000112345678");
    let mut short = vec![0x40; 50];
    short[30] = 9;
    for (datagram, reason) in [
        (forged, Some(DropReason::BeginningNotCaptured)),
        (
            bytes(SERVER_INITIAL),
            Some(DropReason::BeginningNotCaptured),
        ),
        (bytes(RETRY), Some(DropReason::BeginningNotCaptured)),
        (short, Some(DropReason::BeginningNotCaptured)),
        (grease, Some(DropReason::UnsupportedVersion)),
        (negotiation, None),
    ] {
        let told = dissected(&mut dissector, from_server(&datagram));
        assert_eq!(
            (told.connection, told.direction),
            (None, Direction::Received)
        );
        assert_eq!(dropped(&told), [reason], "{told:?}");
        assert_eq!(told.packets[0].tail, datagram.last_chunk().copied());
    }
    let told = dissected(&mut dissector, from_client(&[0xc0, 0, 0]));
    assert_eq!(told.direction, Direction::Sent);
    assert!(matches!(
        dropped(&told)[..],
        [Some(DropReason::Malformed(_))]
    ));
    let nothing = dissected(&mut dissector, from_client(&[]));
    assert!(nothing.packets.is_empty());
}

#[test]
fn junk_after_a_packet_is_a_packet_without_header() {
    for byte in [0xff, 0x01, 0x55] {
        let mut datagram = bytes(CLIENT_INITIAL);
        let size = datagram.len();
        datagram.extend([byte; 40]);
        let told = told(&mut Dissector::default(), &[from_client(&datagram)]);
        let [_, Observation::Datagram(dissected)] = &told[..] else {
            panic!("{told:?}");
        };
        let [first, junk] = &dissected.packets[..] else {
            panic!("{dissected:?}");
        };
        assert!(first.decrypted.is_some());
        assert_eq!((first.size, junk.size), (size, 40));
        assert!(junk.header.is_none());
        assert!(matches!(
            junk.dropped,
            Some(DropReason::Malformed(Malformed { offset, .. })) if offset >= size
        ));
    }
}

#[test]
fn zero_bytes_after_a_packet_are_padding_also_where_the_capture_ends() {
    let mut datagram = bytes(CLIENT_INITIAL);
    let size = datagram.len();
    datagram.extend([0; 40]);
    for (length, cut) in [(size + 40, false), (size + 7, true)] {
        let seen = CapturedDatagram {
            cut,
            ..from_client(&datagram[..length])
        };
        let told = told(&mut Dissector::default(), &[seen]);
        let Some(Observation::Datagram(dissected)) = told.last() else {
            panic!("{told:?}");
        };
        assert_eq!(dropped(dissected), [None, Some(DropReason::Padding)]);
        assert_eq!(dissected.packets[1].size, length - size);
    }
}

#[test]
fn what_is_cut_still_shows_whose_it_is() {
    let initial = bytes(CLIENT_INITIAL);
    for length in 1..initial.len() {
        let seen = CapturedDatagram {
            cut: true,
            ..from_client(&initial[..length])
        };
        let mut dissector = Dissector::default();
        let told = told(&mut dissector, &[seen]);
        let Some(Observation::Datagram(dissected)) = told.last() else {
            panic!("{told:?}");
        };
        assert_eq!(dropped(dissected), [Some(DropReason::Cut)]);
        assert_eq!(dissected.packets[0].size, length);
        assert_eq!(dissected.connection.is_some(), length >= 15, "{length}");
        assert_eq!(dissected.packets[0].header.is_some(), length >= 15);
    }
}

#[test]
fn the_connection_that_was_idle_for_longest_makes_room() {
    let mut dissector = Dissector::new(2, SESSIONS_MAX);
    let cut = |destination: u8| {
        let mut datagram = bytes(CLIENT_INITIAL);
        datagram[6..14].fill(destination);
        datagram.truncate(100);
        datagram
    };
    let mut observations = Vec::new();
    for destination in [1, 2, 1, 3] {
        let datagram = cut(destination);
        let seen = CapturedDatagram {
            cut: true,
            ..from_client(&datagram)
        };
        dissector.datagram(&seen, &mut |one| observations.push(one));
    }
    dissector.finish(&mut |one| observations.push(one));
    let lives: Vec<_> = observations
        .iter()
        .filter_map(|observation| match observation {
            Observation::ConnectionStarted { connection, .. } => Some((true, *connection)),
            Observation::ConnectionRemoved { connection } => Some((false, *connection)),
            _ => None,
        })
        .collect();
    let expected = [
        (true, 1),
        (true, 2),
        (false, 2),
        (true, 3),
        (false, 1),
        (false, 3),
    ];
    assert_eq!(lives, expected);
    let gone = dissected(&mut dissector, from_server(&bytes(SERVER_INITIAL)));
    assert_eq!(gone.connection, None);
}
