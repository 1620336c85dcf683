//! Any bytes at all: no panic, and nothing that is not in them.

use std::ops::Range;

use qecho_packet::wire::{Frame, frames, packets};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::sample::{delimited, hex};

const SEED: u64 = 9221;

/// Payloads of random frames, whole.
fn payload<'a>(random: &mut StdRng, kinds: &[Frame<'a>]) -> Vec<Frame<'a>> {
    let count = random.random_range(1..6);
    let mut chosen: Vec<Frame<'a>> = Vec::new();
    for _ in 0..count {
        let frame = kinds[random.random_range(0..kinds.len())].clone();
        // Neighbouring PADDING frames would be one.
        if !matches!(
            (&frame, chosen.last()),
            (Frame::Padding { .. }, Some(Frame::Padding { .. }))
        ) {
            chosen.push(frame);
        }
    }
    chosen
}

fn encode_all(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.write(&mut bytes));
    bytes
}

/// Changes, cuts or extends bytes.
fn mutate(random: &mut StdRng, bytes: &mut Vec<u8>) {
    for _ in 0..random.random_range(1..4) {
        let place = random.random_range(0..=bytes.len());
        match random.random_range(0..4) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, random.random()),
            2 if place < bytes.len() => bytes[place] = random.random(),
            _ if place < bytes.len() => bytes[place] ^= 1 << random.random_range(0..8),
            _ => bytes.push(random.random()),
        }
    }
}

fn noise(random: &mut StdRng) -> Vec<u8> {
    let length = random.random_range(0..80);
    (0..length).map(|_| random.random()).collect()
}

/// Where in a payload the bytes of a frame stand that it borrows.
fn place(payload: &[u8], borrowed: &[u8]) -> Range<usize> {
    let begin = borrowed.as_ptr() as usize - payload.as_ptr() as usize;
    begin..begin + borrowed.len()
}

fn borrowed<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    match frame {
        Frame::Crypto { data, .. } | Frame::Stream { data, .. } | Frame::Datagram { data } => {
            Some(data)
        }
        Frame::NewToken { token } => Some(token),
        Frame::ConnectionClose { reason, .. } => Some(reason),
        _ => None,
    }
}

/// Checks what must hold of every payload.
fn check_frames(payload: &[u8]) {
    let mut end = 0;
    let mut smallest = 0;
    let mut decoded = frames(payload);
    while let Some(frame) = decoded.next() {
        match frame {
            Ok(frame) => {
                if let Some(borrowed) = borrowed(&frame) {
                    let place = place(payload, borrowed);
                    assert!(end <= place.start && place.end <= payload.len());
                    end = place.end;
                }
                // The length need not be there where data reach to the end.
                let spare = match frame {
                    Frame::Stream { .. } | Frame::Datagram { .. } => length_of_length(&frame),
                    _ => 0,
                };
                smallest += encode_all(&[frame]).len() - spare;
            }
            Err(malformed) => {
                assert!(malformed.offset <= payload.len(), "{malformed}");
                assert!(!malformed.what.is_empty());
                assert!(decoded.next().is_none(), "a malformed frame is the last");
            }
        }
    }
    assert!(smallest <= payload.len(), "{smallest} of {}", payload.len());
}

fn length_of_length(frame: &Frame<'_>) -> usize {
    match borrowed(frame).map_or(0, <[u8]>::len) {
        0..=0x3f => 1,
        _ => 2,
    }
}

/// Checks what must hold of every datagram.
fn check_packets(datagram: &[u8], destination_length: usize) {
    let mut read = 0;
    let mut decoded = packets(datagram, destination_length);
    while let Some(packet) = decoded.next() {
        match packet {
            Ok(packet) => {
                assert_eq!(place(datagram, packet.bytes).start, read);
                assert!(!packet.bytes.is_empty());
                assert!(packet.number_offset <= packet.bytes.len());
                read += packet.bytes.len();
                assert_eq!(decoded.rest().len(), datagram.len() - read);
            }
            Err(malformed) => {
                assert!(
                    (read..=datagram.len()).contains(&malformed.offset),
                    "{malformed}"
                );
                assert!(decoded.next().is_none(), "a malformed packet is the last");
                return;
            }
        }
    }
    let padding = decoded.rest();
    assert!(padding.iter().all(|byte| *byte == 0), "{padding:?}");
    assert!(read > 0 || padding.is_empty(), "it pads a packet");
    let whole = read + padding.len();
    assert_eq!(whole, datagram.len(), "all other bytes belong to a packet");
}

#[test]
fn frames_that_were_put_together_are_taken_apart_again() {
    let mut random = StdRng::seed_from_u64(SEED);
    let kinds: Vec<_> = delimited().into_iter().map(|(_, frame)| frame).collect();
    for _ in 0..10_000 {
        let chosen = payload(&mut random, &kinds);
        let bytes = encode_all(&chosen);
        let decoded: Result<Vec<_>, _> = frames(&bytes).collect();
        assert_eq!(decoded.as_ref(), Ok(&chosen), "{bytes:02x?}");
    }
}

#[test]
fn mutated_frames_never_panic_and_stay_within_their_payload() {
    let mut random = StdRng::seed_from_u64(SEED);
    let kinds: Vec<_> = delimited().into_iter().map(|(_, frame)| frame).collect();
    for _ in 0..40_000 {
        let mut bytes = encode_all(&payload(&mut random, &kinds));
        mutate(&mut random, &mut bytes);
        check_frames(&bytes);
    }
}

#[test]
fn noise_never_panics_as_frames() {
    let mut random = StdRng::seed_from_u64(SEED);
    for _ in 0..30_000 {
        check_frames(&noise(&mut random));
    }
}

#[test]
fn mutated_packets_never_panic_and_stay_within_their_datagram() {
    let mut random = StdRng::seed_from_u64(SEED);
    let kinds = [
        "c0 00000001 08 8394c8f03e515708 00 02 aabb 4008 0102030405060708",
        "d0 00000001 01aa 01bb 03 010203",
        "e0 00000001 01aa 01bb 05 0102030405",
        "f0 00000001 00 01bb 746f6b656e 04a265ba2eff4d829058fb3f0f2496ba",
        "80 00000000 02 0102 00 00000001 6b3343cf",
        "c0 6b3343cf 01aa 01bb 010203",
        "40 0102030405060708 0102",
    ]
    .map(hex);
    for _ in 0..40_000 {
        let pick = |random: &mut StdRng| kinds[random.random_range(0..kinds.len())].clone();
        let mut datagram = [pick(&mut random), pick(&mut random)].concat();
        mutate(&mut random, &mut datagram);
        check_packets(&datagram, random.random_range(0..=20));
    }
}

#[test]
fn noise_never_panics_as_packets() {
    let mut random = StdRng::seed_from_u64(SEED);
    for _ in 0..30_000 {
        let mut datagram = noise(&mut random);
        // Half of them claim to be of version 1.
        if let [first, a, b, c, d, ..] = &mut datagram[..]
            && random.random()
        {
            *first |= 0x80;
            [*a, *b, *c, *d] = [0, 0, 0, 1];
        }
        check_packets(&datagram, 8);
    }
}
