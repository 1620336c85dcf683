//! Ranges of acknowledged packets (RFC 9000 §19.3.1).

use std::ops::RangeInclusive;

use qecho_packet::wire::{Ack, Frame, Malformed, frames};

use super::sample::hex;

fn decode(payload: &str) -> Result<Ack, Malformed> {
    let payload = hex(payload);
    let mut decoded = frames(&payload);
    match decoded.next().expect("there is a frame")? {
        Frame::Ack(ack) => Ok(ack),
        other => panic!("{other:?} is no ACK"),
    }
}

fn ranges(payload: &str) -> Vec<RangeInclusive<u64>> {
    decode(payload).expect("it is an ACK").ranges
}

#[test]
fn ranges_descend_with_at_least_one_packet_between_them() {
    assert_eq!(
        ranges("02 14 00 02 04 00 02 03 00"),
        [16..=20, 12..=14, 7..=7]
    );
    assert_eq!(ranges("02 00 00 00 00"), [0..=0]);
    // The last range ends exactly at 0.
    assert_eq!(ranges("02 05 00 01 01 00 02"), [4..=5, 0..=2]);
    assert_eq!(ranges("02 02 00 01 00 00 00"), [2..=2, 0..=0]);
}

#[test]
fn the_largest_is_the_first_ranges_end() {
    let ack = decode("02 ffffffffffffffff 4019 00 00").expect("it is an ACK");
    assert_eq!(ack.largest(), (1 << 62) - 1);
    assert_eq!(ack.delay, 25);
    assert_eq!(ack.ecn, None);
}

#[test]
fn ranges_below_zero_are_malformed() {
    let underruns = [
        // The first range, by one and by all that can be said.
        "02 05 00 00 06",
        "02 05 00 00 ffffffffffffffff",
        // A gap: from 4 there is no packet below 3.
        "02 05 00 01 01 03 00",
        "02 05 00 01 01 ffffffffffffffff 00",
        "02 05 00 01 05 00 00",
        // A later range.
        "02 05 00 01 01 00 03",
        "02 05 00 01 01 00 ffffffffffffffff",
    ];
    for underrun in underruns {
        let error = decode(underrun).expect_err("it reaches below 0");
        assert_eq!(error.what, "ACK: it reaches below 0", "{underrun}");
        assert!(error.offset <= 1, "{underrun}: {}", error.offset);
    }
}

#[test]
fn a_lie_about_the_number_of_ranges_ends_with_the_packet() {
    let error = decode("02 3f 00 ffffffffffffffff 00 00 00 00 00").expect_err("it is a lie");
    assert_eq!((error.offset, error.what), (16, "ACK"));
}
