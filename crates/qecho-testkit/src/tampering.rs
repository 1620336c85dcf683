//! Real captures, and what may happen to them on their way to a reader.

use rand::{RngExt, rngs::StdRng};

/// As the writer of a capture with a limit comments what it repeats.
const REPEATED: &str = "repeated: so its connection began; it opens what follows";

const ENHANCED_PACKET: [u8; 4] = [6, 0, 0, 0];

/// Lengths that parsers stumble over.
const NUMBERS: [u32; 8] = [
    0,
    1,
    11,
    0xffff,
    0x0100_0000,
    0x7fff_ffff,
    0xffff_fff0,
    0xffff_ffff,
];

/// Returns captures with their secrets inside; one of them begins with packets
/// that are repeated of another.
pub fn samples() -> [Vec<u8>; 2] {
    let capture = include_bytes!("../../qecho-packet/tests/captures/segmented.pcapng").to_vec();
    let mut repeated = 0;
    let commented = blocks(&capture).map(|block| {
        if !block.starts_with(&ENHANCED_PACKET) || repeated == 4 {
            return block.to_vec();
        }
        repeated += 1;
        let mut body = block[8..block.len() - 4].to_vec();
        body.extend([1, 0, REPEATED.len() as u8, 0]);
        body.extend(REPEATED.as_bytes());
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend([0; 4]);
        let length = (body.len() as u32 + 12).to_le_bytes();
        [&ENHANCED_PACKET[..], &length, &body, &length].concat()
    });
    let commented = commented.collect::<Vec<_>>().concat();
    [capture, commented]
}

/// Returns the blocks of a file, as far as they can be told.
fn blocks(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = file;
    std::iter::from_fn(move || {
        let length = rest.get(4..8)?;
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let (block, after) = rest.split_at_checked(length.max(12))?;
        rest = after;
        Some(block)
    })
}

/// Changes a file in one way.
pub fn tamper(file: &mut Vec<u8>, random: &mut StdRng) {
    let at = random.random_range(0..file.len());
    match random.random_range(0..12) {
        0..=4 => file[at] = random.random(),
        5 => {
            let number = NUMBERS[random.random_range(0..NUMBERS.len())];
            let places = file[at & !3..].iter_mut();
            for (byte, new) in places.zip(number.to_le_bytes()) {
                *byte = new;
            }
        }
        6 => file.truncate(at.max(1)),
        7 => {
            let end = (at + random.random_range(0..100)).min(file.len());
            file.drain(at..end);
            file.push(0);
        }
        _ => splice(file, random),
    }
}

/// Moves, repeats or leaves out a block as a whole, or a part of one that
/// keeps its length.
fn splice(file: &mut Vec<u8>, random: &mut StdRng) {
    let mut blocks: Vec<Vec<u8>> = blocks(file).map(<[u8]>::to_vec).collect();
    if blocks.is_empty() {
        return;
    }
    let [one, other] = [(); 2].map(|()| random.random_range(0..blocks.len()));
    match random.random_range(0..4) {
        0 => blocks.swap(one, other),
        1 => blocks.insert(one, blocks[other].clone()),
        2 => {
            blocks.remove(one);
        }
        _ => {
            let length = blocks[one].len().min(blocks[other].len());
            let at = random.random_range(0..length);
            let piece = blocks[other][at..length].to_vec();
            blocks[one][at..length].copy_from_slice(&piece);
        }
    }
    blocks.truncate(200);
    *file = blocks.concat();
    if file.is_empty() {
        file.push(0);
    }
}
