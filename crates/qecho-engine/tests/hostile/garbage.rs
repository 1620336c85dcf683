//! Packets that are encrypted as they should be, with frames that nobody
//! should send: no panic, and the connection is closed or lives on.

use qecho_testkit::seed::ShowsSeed;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use crate::{
    attack::{Attack, Server},
    frames::{Frames, PACKET_ROOM},
};

const SEEDS: u64 = 400;

/// Sends one packet after another, each made by `frames`, on a connection for
/// each seed.
fn attack(frames: fn(&mut StdRng) -> Vec<u8>) {
    let mut closed = 0;
    for seed in 0..SEEDS {
        let _shows_seed = ShowsSeed(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let mut attack = Attack::on(Server::parrot());
        for _ in 0..10 {
            attack.send([frames(&mut random)]);
        }
        // Everything is forgotten in the end, whatever it was.
        attack.deaf = true;
        attack.run_slowly(400);
        assert_eq!(attack.victim.connections(), 0);
        assert_eq!(attack.victim.half_open(), 0);
        closed += attack.victim.application().closed.len();
    }
    assert_eq!(closed as u64, SEEDS, "each connection is closed once");
}

#[test]
fn random_bytes_as_frames() {
    attack(|random| {
        let mut frames = vec![0; random.random_range(1..PACKET_ROOM)];
        random.fill_bytes(&mut frames);
        frames
    });
}

#[test]
fn random_values_in_real_frames() {
    attack(|random| {
        let mut frames = Frames::default();
        while !frames.is_full() {
            // RFC 9000 §19: what most frames are made of.
            let kind = random.random_range(0..0x32);
            frames = frames.varint(kind);
            for _ in 0..random.random_range(0..4) {
                let small = random.random_range(0..80);
                let large = random.random_range(0..1 << 29);
                let value = if random.random() { small } else { large };
                frames = frames.varint(value);
            }
        }
        frames.into_packet()
    });
}

#[test]
fn frames_for_streams_in_every_state() {
    attack(|random| {
        let mut frames = Frames::default();
        while !frames.is_full() {
            let id = random.random_range(0..40);
            let place = random.random_range(0..30);
            frames = match random.random_range(0..8) {
                0 => frames.reset_stream(id, 1, place),
                1 => frames.varint(0x05).varint(id).varint(2),
                2 => frames.max_stream_data(id, place),
                // STREAM with FIN.
                3 => frames
                    .varint(0x0f)
                    .varint(id)
                    .varint(place)
                    .varint(1)
                    .bytes(b"f"),
                _ => frames.stream(id, place, b"some data"),
            };
        }
        frames.into_packet()
    });
}
