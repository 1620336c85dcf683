//! Packets of small frames that leave gaps: what an attacker can make the state machine
//! do, counted in bytes that it allocates to put fragments in order.

use qecho_testkit::{counting::allocated_by, initial::initial};

use crate::{
    attack::{Attack, Server},
    frames::{Frames, gap, packed, packed_to},
    memory::every_stream,
};

const KB: usize = 1_000;

/// Returns frames of as many gaps as fit into a packet of `size` bytes.
fn gaps(stream: Option<u64>, size: usize) -> Vec<u8> {
    let numbers = 0..size as u64;
    let mut packets = packed_to(size, numbers, gap(stream));
    packets.swap_remove(0)
}

#[test]
fn a_first_packet_of_gaps_from_an_invented_address_costs_at_most_100_kb_of_copying() {
    for size in [1_200, 1_472, 2_400, 4_000, 9_000, 60_000] {
        let mut attack = Attack::on(Server::deaf());
        let datagram = initial([size as u8; 8], 0, &gaps(None, size - 80), size);
        let other = ([198, 51, 100, 1], 5_000).into();
        let work = allocated_by(|| attack.deliver(other, &datagram));
        assert!(work <= 100 * KB, "{size} bytes of gaps: {work} bytes");
        assert_eq!(attack.victim.half_open(), 0, "{size}");
    }
}

#[test]
fn gaps_that_few_first_packets_do_not_have_add_up_to_at_most_100_kb_of_copying_each() {
    let mut attack = Attack::on(Server::deaf());
    let other = ([198, 51, 100, 1], 5_000).into();
    let packets = packed_to(120, 0..4_000, gap(None));
    for (number, frames) in packets.iter().take(200).enumerate() {
        let datagram = initial([9; 8], number as u8, frames, 1_200);
        let work = allocated_by(|| attack.deliver(other, &datagram));
        assert!(work <= 100 * KB, "packet {number}: {work} bytes");
    }
}

#[test]
fn a_packet_of_gaps_of_a_connected_peer_costs_at_most_1_000_kb_of_copying() {
    for stream in [Some(0), None] {
        for size in [1_200, 1_472, 9_000, 60_000] {
            let mut attack = Attack::with_mtu(Server::deaf(), size);
            let frames = gaps(stream, usize::from(size) - 120);
            let work = allocated_by(|| attack.send([frames]));
            // Beside that the attacker's own end allocates, and the packets themselves.
            let most = 1_000 * KB + 8 * usize::from(size);
            assert!(work <= most, "{stream:?}, {size} bytes: {work} bytes");
        }
    }
}

#[test]
fn packets_over_many_streams_that_all_have_gaps_cost_at_most_1_000_kb_of_copying_each() {
    let mut attack = Attack::on(Server::deaf());
    let streams: Vec<u64> = every_stream().collect();
    for id in &streams {
        // More are allowed as a client uses those that it may.
        attack.send([Frames::default().stream(*id, 0, b"x").padded()]);
    }
    for number in 0..1_000 {
        for frames in packed(streams.iter(), |frames, id| gap(Some(*id))(frames, number)) {
            let work = allocated_by(|| attack.send([frames]));
            assert!(work <= 1_000 * KB, "gap {number}: {work} bytes");
        }
        if !attack.victim.application().closed.is_empty() {
            break;
        }
    }
    let closed = &attack.victim.application().closed;
    assert_eq!(closed.len(), 1, "who goes on is closed: {closed:?}");
    let (reason, expected) = (
        closed[0].to_string(),
        "packets whose frames leave too many gaps",
    );
    assert!(reason.contains(expected), "{reason}");
}

#[test]
fn one_packet_of_too_many_gaps_is_lost_and_the_connection_goes_on() {
    let mut attack = Attack::with_mtu(Server::deaf(), 60_000);
    attack.send([gaps(Some(0), 50_000)]);
    attack.send([Frames::default().stream(4, 0, b"hello").padded()]);
    let Server { opened, closed, .. } = attack.victim.application();
    assert_eq!((*opened, closed.len()), (2, 0), "{closed:?}");
}

#[test]
fn pieces_that_come_again_after_the_end_of_their_streams_do_not_end_a_connection() {
    let mut attack = Attack::on(Server::parrot());
    let id = |index: u64| index << 2 | 2;
    for batch in 0..2_000 {
        let streams = batch * 3..batch * 3 + 3;
        // STREAM with length and FIN.
        let whole = |frames: Frames, index| {
            frames
                .varint(0x0b)
                .varint(id(index))
                .varint(4)
                .bytes(b"abcd")
        };
        attack.send(packed(streams.clone(), whole));
        // A network repeats packets, and a sender what it holds for lost.
        let again = |frames: Frames, index| {
            let frames = frames.stream(id(index), 1, b"b");
            frames.stream(id(index), 3, b"d")
        };
        attack.send(packed(streams, again));
    }
    let Server { bytes, closed, .. } = attack.victim.application();
    assert_eq!((*bytes, closed.len()), (2_000 * 3 * 4, 0), "{closed:?}");
}
