//! Inputs that are made of others at random.

use rand::{RngExt, rngs::StdRng};

/// Bytes of the longest input.
pub const INPUT_BYTES_MAX: usize = 1 << 16;

/// Changes of one input, at most.
const CHANGES_MAX: usize = 8;

/// Values that parsers stumble over, big-endian.
const NUMBERS: [&[u8]; 9] = [
    &[0],
    &[0xff],
    &[0x40, 0],
    &[0x7f, 0xff],
    &[0xff, 0xff],
    &[0, 0, 0, 1],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xf8],
    &[0xff; 8],
];

/// Makes an input of two others.
pub fn mutated(one: &[u8], other: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut input = one.to_vec();
    for _ in 0..random.random_range(1..=CHANGES_MAX) {
        change(&mut input, other, random);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, other: &[u8], random: &mut StdRng) {
    let at = random.random_range(0..=input.len());
    let length = random.random_range(0..=(input.len() - at).min(64));
    match random.random_range(0..9) {
        0 => input.truncate(at),
        1 => input.insert(at, random.random()),
        2 => drop(input.drain(at..at + length)),
        3 => {
            let piece = input[at..at + length].to_vec();
            input.splice(at..at, piece);
        }
        4 => {
            let from = random.random_range(0..=other.len());
            let until = random.random_range(from..=other.len().min(from + 256));
            input.splice(at..at + length, other[from..until].iter().copied());
        }
        5 => {
            let number = NUMBERS[random.random_range(0..NUMBERS.len())];
            for (place, byte) in input[at..].iter_mut().zip(number) {
                *place = *byte;
            }
        }
        6 => input.extend((0..length).map(|_| random.random::<u8>())),
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
    }
}
