//! What an attacker can make a connection keep.

use crate::{
    attack::{Attack, Deaf, Frames, Parrot, packed},
    counting::freed_by_dropping,
};

const KB: usize = 1_000;

/// Returns the bytes that a shard with one connection keeps after `act`.
fn kept(act: impl FnOnce(&mut Attack)) -> usize {
    let mut attack = Attack::on(Deaf::default());
    assert_eq!(attack.victim.application().connected, 1);
    act(&mut attack);
    println!(
        "opened {} closed {:?}",
        attack.victim.application().opened,
        attack.victim.application().closed
    );
    freed_by_dropping(attack.into_victim())
}

#[test]
fn one_byte_gaps_on_one_stream() {
    for count in [500, 1_000, 1_020, 2_000, 100_000] {
        let bytes = kept(|attack| {
            attack.send(packed(0..count, |frames, number| {
                frames.stream(0, 1 + 2 * number, b"x")
            }));
        });
        println!("{count} gaps: {bytes}");
        assert!(bytes < 200 * KB);
    }
}

#[test]
fn one_byte_gaps_on_many_streams() {
    for streams in [16, 100, 1_000] {
        let bytes = kept(|attack| {
            for stream in 0..streams {
                attack.send(packed(0..1_000, |frames, number| {
                    frames.stream(4 * stream, 1 + 2 * number, b"x")
                }));
            }
        });
        println!("{streams} streams: {bytes}");
    }
}

#[test]
fn nothing() {
    println!("nothing {}", kept(|_| {}));
}

#[test]
fn one_byte_pieces_echoed_and_never_acknowledged() {
    for count in [1_000_u64, 10_000, 20_000] {
        let mut attack = Attack::on(Parrot::default());
        attack.deaf = true;
        attack.send((0..count).map(|n| {
            Frames::default()
                .stream(0, n, b"x")
                .bytes(&[0; 1000])
                .into_packet()
        }));
        let p = attack.victim.application();
        println!("{} {:?}", p.bytes, p.closed);
        let bytes = freed_by_dropping(attack.into_victim());
        println!("{count} pieces: {bytes}: {} each", bytes / count as usize);
    }
}

#[test]
fn one_byte_datagrams_echoed_and_never_acknowledged() {
    for count in [1_000_u64, 20_000] {
        let mut attack = Attack::on(Parrot::default());
        attack.deaf = true;
        attack.send((0..count).map(|_| {
            Frames::default()
                .datagram(b"x")
                .bytes(&[0; 1000])
                .into_packet()
        }));
        let p = attack.victim.application();
        println!("{} {:?}", p.datagrams, p.closed);
        let bytes = freed_by_dropping(attack.into_victim());
        println!(
            "{count} datagrams: {bytes}: {} each",
            bytes / count as usize
        );
    }
}
