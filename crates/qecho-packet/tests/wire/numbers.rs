//! Packet numbers (RFC 9000 §17.1, §A.3; RFC 9001 §A).

use qecho_packet::wire::PacketNumber;
use rand::{RngExt, SeedableRng, rngs::StdRng};

const NUMBER_MAX: u64 = (1 << 62) - 1;

/// The low bytes of a number, as a header has them.
fn truncated(number: u64, length: usize) -> PacketNumber {
    let bytes = &number.to_be_bytes()[8 - length..];
    PacketNumber::read(length as u8 - 1, bytes).expect("the number is there")
}

/// RFC 9000 §A.3, word for word, on integers that cannot wrap.
fn expand_as_the_rfc_has_it(number: PacketNumber, expected: u64) -> u64 {
    let expected = i128::from(expected);
    let window = 1_i128 << (8 * number.length);
    let half = window / 2;
    let candidate = expected & !(window - 1) | i128::from(number.truncated);
    let expanded = if candidate <= expected - half && candidate < (1 << 62) - window {
        candidate + window
    } else if candidate > expected + half && candidate >= window {
        candidate - window
    } else {
        candidate
    };
    u64::try_from(expanded).expect("it is a number of 62 bits")
}

#[test]
fn the_example_of_rfc_9000_appendix_a3_expands() {
    let number = truncated(0x9b32, 2);
    assert_eq!(number.expand(0xa82f_30eb), 0xa82f_9b32);
}

#[test]
fn the_packet_numbers_of_rfc_9001_appendix_a_are_read() {
    // §A.2, §A.3 and §A.5, with header protection removed.
    let client = PacketNumber::read(0xc3, &[0, 0, 0, 2]).expect("it is there");
    assert_eq!((client.truncated, client.length), (2, 4));
    let server = PacketNumber::read(0xc1, &[0, 1, 0xff]).expect("it is there");
    assert_eq!((server.truncated, server.length), (1, 2));
    let short = PacketNumber::read(0x42, &[0x00, 0xbf, 0xf4]).expect("it is there");
    assert_eq!((short.length, short.key_phase), (3, false));
    assert_eq!(short.expand(654_360_564), 654_360_564);
}

#[test]
fn the_key_phase_is_a_bit_of_short_headers_alone() {
    let key_phase = |first| PacketNumber::read(first, &[0]).map(|number| number.key_phase);
    assert_eq!(key_phase(0x44), Some(true));
    assert_eq!(key_phase(0x40), Some(false));
    assert_eq!(key_phase(0xc4), Some(false));
}

#[test]
fn a_number_that_is_cut_is_none() {
    for length in 1..=4 {
        let bytes = [0; 4];
        assert!(PacketNumber::read(length - 1, &bytes[..usize::from(length) - 1]).is_none());
        assert!(PacketNumber::read(length - 1, &bytes[..length.into()]).is_some());
    }
}

#[test]
fn the_first_packet_of_a_space_is_itself() {
    for length in 1..=4 {
        for number in [0, 1, 127, 128] {
            assert_eq!(truncated(number, length).expand(0), number);
        }
    }
    // Nothing is below 0, so what is far above stays there.
    assert_eq!(truncated(255, 1).expand(0), 255);
}

#[test]
fn the_nearest_number_is_meant() {
    let one_byte = |low, expected| truncated(low, 1).expand(expected);
    assert_eq!(one_byte(0x00, 0xff), 0x100);
    assert_eq!(one_byte(0xff, 0x100), 0xff);
    // Half a window away it is the higher one.
    assert_eq!(one_byte(0x80, 0x200), 0x280);
    assert_eq!(one_byte(0x00, 0x280), 0x300);
    assert_eq!(one_byte(0x81, 0x200), 0x181);
    assert_eq!(one_byte(0x80, 0x201), 0x280);
}

#[test]
fn near_the_last_number_nothing_is_beyond_it() {
    for length in 1..=4 {
        let window = 1_u64 << (8 * length);
        for distance in [0, 1, 2, window / 2, window - 1] {
            let number = NUMBER_MAX - distance;
            assert_eq!(truncated(number, length).expand(number), number);
            let expanded = truncated(number, length).expand(NUMBER_MAX);
            assert!(expanded <= NUMBER_MAX, "{expanded:#x}");
        }
        assert!(truncated(0, length).expand(NUMBER_MAX) <= NUMBER_MAX);
        // What is expected after the last number cannot come.
        truncated(0, length).expand(NUMBER_MAX + 1);
    }
}

#[test]
fn numbers_expand_as_rfc_9000_has_it() {
    let seed = 9000;
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..20_000 {
        let bits = random.random_range(0..=62);
        let expected = random.random::<u64>() & ((1 << bits) - 1);
        let number = truncated(random.random(), random.random_range(1..=4));
        let wanted = expand_as_the_rfc_has_it(number, expected);
        assert_eq!(
            number.expand(expected),
            wanted,
            "{number:?} after {expected:#x}"
        );
    }
}
