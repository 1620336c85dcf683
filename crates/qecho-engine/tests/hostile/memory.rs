//! Memory that an attacker can make one connection keep, beside what the windows
//! allow: the stated bounds.

use qecho_engine::limits;
use qecho_testkit::counting::freed_by_dropping;

use crate::{
    attack::{Attack, Server},
    frames::{Frames, gap, packed},
};

const KB: usize = 1_000;

/// Returns the bytes that a shard keeps because of an attack: beside what it
/// keeps when nothing happens.
fn cost(server: fn() -> Server, attack: impl FnOnce(&mut Attack)) -> usize {
    let idle = freed_by_dropping(Attack::on(server()).victim);
    let mut attacked = Attack::on(server());
    attack(&mut attacked);
    let kept = freed_by_dropping(attacked.victim);
    kept.saturating_sub(idle)
}

/// Streams that a client opens: bidirectional ones and the others.
pub(crate) fn every_stream() -> impl Iterator<Item = u64> {
    (0..limits::STREAMS_PER_CONNECTION_MAX).flat_map(|index| [index << 2, index << 2 | 2])
}

#[test]
fn one_byte_gaps_on_one_stream_cost_at_most_130_kb() {
    for gaps in [500, 1_000, 1_020] {
        let cost = cost(Server::deaf, |attack| {
            attack.send(packed(0..gaps, gap(Some(0))));
            assert_eq!(attack.victim.application().closed, []);
        });
        assert!(cost <= 130 * KB, "{gaps} gaps cost {cost} bytes");
    }
}

#[test]
fn more_than_a_thousand_gaps_on_a_stream_end_the_connection() {
    let mut attack = Attack::on(Server::deaf());
    attack.send(packed(0..3_000, gap(Some(0))));
    let closed = &attack.victim.application().closed;
    assert_eq!(closed.len(), 1, "{closed:?}");
    let reason = closed[0].to_string();
    assert!(reason.contains("too many gaps"), "{reason}");
}

#[test]
fn one_byte_gaps_on_every_stream_cost_at_most_600_kb() {
    let cost = cost(Server::deaf, |attack| {
        for stream in every_stream() {
            let gaps = limits::GAPS_MAX as u64 / 200 - 1;
            attack.send(packed(0..gaps, gap(Some(stream))));
        }
        let Server { opened, closed, .. } = attack.victim.application();
        assert_eq!((*opened, closed.len()), (every_stream().count(), 0));
    });
    assert!(cost <= 600 * KB, "{cost} bytes");
}

#[test]
fn one_byte_pieces_that_are_echoed_and_never_acknowledged_cost_at_most_1_600_kb() {
    let cost = cost(Server::parrot, |attack| {
        attack.deaf = true;
        // A packet for each, so that nothing can be joined.
        attack.send((0..30_000).map(|at| Frames::default().stream(0, at, b"x").padded()));
        let echoed = attack.victim.application().bytes as u64;
        assert!(echoed <= limits::SEND_WINDOW_MIN, "{echoed} pieces");
    });
    assert!(cost <= 1_600 * KB, "{cost} bytes");
}

#[test]
fn one_byte_datagrams_that_are_echoed_and_never_acknowledged_cost_at_most_900_kb() {
    let cost = cost(Server::parrot, |attack| {
        attack.deaf = true;
        attack.send((0..20_000).map(|_| Frames::default().datagram(b"x").padded()));
        let echoed = attack.victim.application().datagrams;
        assert!(echoed < 20_000, "the queue is full at last");
    });
    assert!(cost <= 900 * KB, "{cost} bytes");
}

#[test]
fn a_flood_of_empty_datagrams_costs_at_most_600_kb() {
    let flood = || packed(0..500_000, |frames, _| frames.datagram(b""));
    let unread = cost(Server::deaf, |attack| attack.send(flood()));
    assert!(unread <= 600 * KB, "{unread} bytes when nobody reads");
    let echoed = cost(Server::parrot, |attack| {
        attack.deaf = true;
        attack.send(flood());
    });
    assert!(echoed <= 600 * KB, "{echoed} bytes when they are echoed");
}

/// Adds the frame of a number.
type Flood = dyn Fn(Frames, u64) -> Frames;

#[test]
fn floods_of_small_frames_cost_at_most_100_kb() {
    // RFC 9000 §19: the type, and what follows it.
    let floods: [(&str, &Flood); 6] = [
        ("PING", &|frames, _| frames.bytes(&[0x01])),
        ("CRYPTO with gaps", &|frames, at| {
            frames.crypto(1 + at % 8_000 * 2, b"x")
        }),
        ("NEW_CONNECTION_ID", &|frames, number| {
            frames.new_connection_id(2 + number, 2 + number)
        }),
        ("PATH_CHALLENGE", &|frames, number| {
            frames.bytes(&[0x1a]).bytes(&number.to_be_bytes())
        }),
        ("MAX_STREAM_DATA", &|frames, number| {
            frames.max_stream_data(number % 16 * 4, number)
        }),
        ("STREAMS_BLOCKED", &|frames, number| {
            frames.streams_blocked(number)
        }),
    ];
    for (name, frame) in floods {
        for deaf in [false, true] {
            let cost = cost(Server::deaf, |attack| {
                attack.deaf = deaf;
                attack.send(packed(0..50_000, frame));
            });
            assert!(cost <= 100 * KB, "{name}, deaf {deaf}: {cost} bytes");
        }
    }
}

#[test]
fn streams_that_are_reset_at_once_cost_at_most_100_kb() {
    let cost = cost(Server::parrot, |attack| {
        attack.reset_streams(5_000);
        let Server { opened, closed, .. } = attack.victim.application();
        assert_eq!((*opened, closed.len()), (5_000, 0), "{closed:?}");
    });
    assert!(cost <= 100 * KB, "{cost} bytes");
}
