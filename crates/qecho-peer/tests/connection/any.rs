//! Any frames at all, at any level and time.

use std::time::Duration;

use qecho_packet::wire::{INTEGER_MAX, write_integer};
use qecho_peer::{packet::empty, tls::Level};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::world::pair;

/// Frames whose fields are drawn among those that limits are near.
fn frames(random: &mut StdRng) -> Vec<u8> {
    const NUMBERS: [u64; 12] = [
        0,
        1,
        2,
        3,
        4,
        20,
        63,
        1_000,
        1 << 16,
        1 << 60,
        INTEGER_MAX - 1,
        INTEGER_MAX,
    ];
    let mut bytes = Vec::new();
    for _ in 0..random.random_range(1..6) {
        bytes.push(random.random_range(1..0x32));
        for _ in 0..random.random_range(0..8) {
            let number = NUMBERS[random.random_range(0..NUMBERS.len())];
            write_integer(&mut bytes, number);
        }
    }
    bytes
}

#[test]
fn any_frames_at_any_time_do_no_harm_to_either_side() {
    let mut came = 0;
    for seed in 0..50 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut pair = pair(|_, _| {});
        for _ in 0..60 {
            let levels = [
                Level::Initial,
                Level::Handshake,
                Level::OneRtt,
                Level::OneRtt,
            ];
            let level = levels[random.random_range(0..levels.len())];
            let packet = empty(level).with([frames(&mut random)]).once();
            let end = match random.random() {
                true => &mut pair.near,
                false => &mut pair.far,
            };
            // It goes on whatever the other says.
            end.behaviour.heeds_close = false;
            end.send(packet);
            pair.run(Duration::from_millis(random.random_range(0..15)));
        }
        pair.run(Duration::from_secs(5));
        came += pair.near.received().len() + pair.far.received().len();
    }
    assert!(came >= 50 * 20, "{came} packets came");
}
