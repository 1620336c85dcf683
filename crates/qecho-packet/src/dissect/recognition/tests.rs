//! What is taken for QUIC, and what is not.

use super::*;
use crate::{Observation, dissect::Dissector};

const CLIENT: &str = "192.0.2.1:50000";
const SERVER: &str = "192.0.2.2:3389";

/// Judges datagrams one after the other; those that begin with `<` come back.
fn judged(datagrams: &[(bool, Vec<u8>)]) -> (Vec<Recognized>, Recognition) {
    let mut dissector = Dissector::default();
    let mut recognition = Recognition::default();
    let ends = [CLIENT, SERVER].map(|end| end.parse().expect("it is an address"));
    let mut verdicts = Vec::new();
    for (back, payload) in datagrams {
        let [source, destination] = match back {
            false => ends,
            true => [ends[1], ends[0]],
        };
        let seen = CapturedDatagram::new(source, destination, payload);
        dissector.datagram(&seen, &mut |observation| {
            if let Observation::Datagram(datagram) = observation {
                verdicts.push(recognition.judge(&seen, &datagram));
            }
        });
    }
    (verdicts, recognition)
}

fn alone(payload: &[u8]) -> Recognized {
    judged(&[(false, payload.to_vec())]).0[0]
}

fn padded(head: &[u8], size: usize) -> Vec<u8> {
    let mut payload = head.to_vec();
    payload.resize(size, 0);
    payload
}

/// A long header of a version, with connection IDs of eight bytes.
fn long(version: u32, size: usize) -> Vec<u8> {
    let ids = [8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 7, 6, 5, 4, 3, 2, 1];
    padded(&[&[0xc0], &version.to_be_bytes()[..], &ids].concat(), size)
}

#[test]
fn media_and_remote_desktops_are_no_quic() {
    // RFC 3550: version 2, PCMU, the first packet of a stream.
    let rtp = |sequence: u8, size| padded(&[0x80, 0, 0, sequence, 0, 0, 0, 160, 9, 9, 9, 9], size);
    // MS-RDPEUDP §2.2.2: all ones, a window of 64, SYN, sizes; filled to 1,232 bytes.
    let syn = [255, 255, 255, 255, 0, 64, 0, 1, 7, 7, 7, 7, 4, 208, 4, 208];
    let random: Vec<u8> = (0..1_232_u32)
        .map(|index| (index * 151 + 200) as u8)
        .collect();
    for payload in [
        rtp(0, 172),
        rtp(1, 172),
        rtp(0, 1_300),
        rtp(1, 1_300),
        padded(&syn, 1_232),
        random,
        // Nothing but a first bit.
        padded(&[0x80], 1_200),
        padded(&[0xff; 40], 1_200),
        // An H.264 start code behind something.
        padded(&[0x81, 0, 0, 0, 1, 0x67], 1_200),
    ] {
        assert_eq!(alone(&payload), Recognized::Other, "{:x?}", &payload[..16]);
    }
}

#[test]
fn other_versions_are_quic_whatever_their_size() {
    for version in [0x6b33_43cf, 0xff00_001d, 0xface_b002] {
        for size in [30, 1_200] {
            let verdict = alone(&long(version, size));
            assert_eq!(verdict, Recognized::OtherVersion(version), "{size}");
        }
    }
    let q046 = padded(
        &[&[0xc3], &b"Q046"[..], &[0x50, 1, 2, 3, 4, 5, 6, 7, 8]].concat(),
        200,
    );
    assert_eq!(alone(&q046), Recognized::OtherVersion(0x5130_3436));
    // Google's first form has flags, a connection ID and then the version.
    let q043 = padded(
        &[&[0x09, 1, 2, 3, 4, 5, 6, 7, 8], &b"Q043"[..]].concat(),
        1_350,
    );
    let answer = padded(&[0x08, 1, 2, 3, 4, 5, 6, 7, 8, 1], 60);
    let (verdicts, _) = judged(&[(false, q043), (true, answer)]);
    assert_eq!(verdicts, [Recognized::Opaque(0x5130_3433); 2]);
}

#[test]
fn a_version_that_nobody_knows_must_look_like_a_beginning() {
    let unknown = 0xdead_beef;
    let whole = long(unknown, 1_200);
    assert_eq!(alone(&whole), Recognized::OtherVersion(unknown));
    assert_eq!(alone(&whole[..1_199]), Recognized::Other);
    for (at, byte) in [(0, 0x80), (5, 21), (5, 3), (14, 21), (23, 0x7f)] {
        let mut changed = whole.clone();
        changed[at] = byte;
        assert_eq!(alone(&changed), Recognized::Other, "{at}");
    }
    let other = (false, padded(b"GET", 30));
    let (verdicts, _) = judged(&[other, (false, whole)]);
    assert_eq!(verdicts, [Recognized::Other; 2]);
}

#[test]
fn version_negotiation_answers_something_or_offers_what_somebody_speaks() {
    let negotiation = |version: u32| {
        let mut packet = long(0, 23);
        packet[0] = 0x80;
        packet.extend(version.to_be_bytes());
        packet
    };
    assert_eq!(alone(&negotiation(1)), Recognized::Quic);
    assert_eq!(alone(&negotiation(0xff00_001d)), Recognized::Quic);
    assert_eq!(alone(&negotiation(0x1234_5678)), Recognized::Other);
    assert_eq!(alone(&negotiation(1)[..23]), Recognized::Other);
    let asks = (false, long(0xdead_beef, 1_200));
    let (verdicts, _) = judged(&[asks, (true, negotiation(0x1234_5678))]);
    assert_eq!(verdicts[1], Recognized::Quic);
}

#[test]
fn what_has_only_short_headers_may_be_quic_that_began_before() {
    let short = |first: u8| (first.is_multiple_of(2), padded(&[first, 1, 2, 3], 40));
    let (verdicts, recognition) = judged(&[0x40, 0x41, 0x5e, 0x7f].map(short));
    assert_eq!(verdicts, [Recognized::Other; 4]);
    assert_eq!(recognition.perhaps_late(), 4);
    let (_, greased) = judged(&[0x40, 0x01, 0x12, 0x7f, 0x03].map(short));
    assert_eq!(greased.perhaps_late(), 5);
    // NTP, DTLS, media among others, always the same.
    for other in [
        [0x1b, 0x1c, 0x24, 0x23],
        [20, 22, 23, 24],
        [0x40, 0x41, 0x42, 0x80],
        [0x41; 4],
    ] {
        let (_, recognition) = judged(&other.map(short));
        assert_eq!(recognition.perhaps_late(), 0, "{other:x?}");
    }
    let (_, few) = judged(&[0x40, 0x41, 0x42].map(short));
    assert_eq!(few.perhaps_late(), 0);
}
