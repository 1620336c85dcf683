//! Packets that no well-behaved endpoint sends leave as they were told to.

use std::time::Duration;

use qecho_packet::{
    Dir, Direction, Side, StreamId,
    wire::{ConnectionId, Frame, PacketType, packets},
};
use qecho_peer::{
    network::{Ecn, PathId, Received},
    packet::{Packet, Phase, empty, handshake, initial, one_rtt, raw},
    received::{ReceivedPacket, Unopened},
    rules::Rules,
    tls::Level,
};

use crate::world::{Pair, assert_lives, open_pair, pair};

/// Sends a packet to the far end and returns what is opened there.
fn sent(pair: &mut Pair, packet: Packet) -> Option<ReceivedPacket> {
    let before = pair.far.received().len();
    pair.near.send(packet);
    pair.run(Duration::from_millis(15));
    pair.far.received().get(before).cloned()
}

#[test]
fn header_bits_and_numbers_arrive_as_told() {
    let mut pair = open_pair();
    let packet = sent(&mut pair, one_rtt([Frame::Ping]).reserved_bits(0b10)).unwrap();
    assert_eq!(packet.reserved_bits(), 0b10);
    assert_eq!(packet.frames()[0], Frame::Ping);

    let packet = sent(&mut pair, one_rtt([Frame::Ping]).without_fixed_bit()).unwrap();
    assert_eq!(packet.first_byte & 0x40, 0);

    let number = pair.near.next_number(Level::OneRtt) + 100;
    let told = one_rtt([Frame::Ping]).numbered(number).number_in(3);
    let packet = sent(&mut pair, told.clone()).unwrap();
    assert_eq!((packet.number, packet.number_length), (number, 3));
    assert_eq!(pair.near.next_number(Level::OneRtt), number + 1);
    assert!(!pair.near.was_sent(Level::OneRtt, number - 1));

    let again = sent(&mut pair, told).unwrap();
    assert!(!again.is_processed, "the same number comes twice");

    let packet = sent(&mut pair, one_rtt([Frame::Ping]).pad_to(700)).unwrap();
    assert_eq!(packet.datagram_size, 700);
    assert_lives(&pair.far);
}

#[test]
fn a_packet_without_frames_has_none_and_bytes_are_no_frames() {
    let mut pair = open_pair();
    let packet = sent(&mut pair, empty(Level::OneRtt)).unwrap();
    assert_eq!(packet.payload, b"");
    let bytes = raw([0x40, 0x01, 0x7f]);
    let packet = sent(&mut pair, empty(Level::OneRtt).with([bytes])).unwrap();
    assert_eq!(packet.payload, [0x40, 0x01, 0x7f]);
}

#[test]
fn packets_under_next_and_previous_keys_do_not_change_the_senders() {
    let mut pair = open_pair();
    pair.far.behaviour.follows_key_updates = false;
    let packet = sent(&mut pair, one_rtt([Frame::Ping]).phase(Phase::Next)).unwrap();
    assert_eq!((packet.generation, packet.key_phase), (1, true));
    assert_eq!(pair.near.generation(), 0);
    let packet = sent(&mut pair, one_rtt([Frame::Ping])).unwrap();
    assert_eq!((packet.generation, packet.key_phase), (0, false));
    pair.near.update_keys();
    let packet = sent(&mut pair, one_rtt([Frame::Ping]).phase(Phase::Previous)).unwrap();
    assert_eq!(packet.generation, 0);
    let packet = sent(&mut pair, one_rtt([Frame::Ping])).unwrap();
    assert_eq!(packet.generation, 1);
}

#[test]
fn data_that_nobody_takes_is_not_what_a_streams_own_data_follows() {
    let mut pair = open_pair();
    let id = StreamId::new(Side::Client, Dir::Bidirectional, 0);
    let data = || Frame::Stream {
        id,
        offset: 0,
        fin: true,
        data: b"dropped",
    };
    // One is not authentic, and the keys of the other are gone.
    for packet in [one_rtt([data()]).corrupt(), handshake([data()])] {
        let taken = sent(&mut pair, packet.once());
        assert!(taken.is_none_or(|taken| !taken.is_processed));
    }
    pair.near.write(id, b"hello", true);
    pair.run(Duration::from_millis(15));
    let stream = pair.far.stream(id).expect("it is there");
    assert!(stream.is_whole());
    assert_eq!(stream.data, b"hello");
}

#[test]
fn what_nobody_can_open_is_recorded_as_what_it_is() {
    let mut pair = open_pair();
    let foreign = ConnectionId::new(b"stranger").unwrap();
    let cases = [
        (one_rtt([Frame::Ping]).corrupt(), Unopened::NotAuthentic),
        (
            one_rtt([Frame::Ping]).destination(foreign),
            Unopened::ForeignDestination,
        ),
        (
            handshake([Frame::Ping]).version(0x1a2a_3a4a),
            Unopened::Unexpected,
        ),
    ];
    for (packet, why) in cases {
        assert_eq!(sent(&mut pair, packet.clone()), None);
        let last = pair.far.record().unopened.last().unwrap();
        assert_eq!(last.why, why, "{packet:?}");
    }
    let cut = pair.near.seal(pair.now, &handshake([Frame::Ping])).unwrap();
    let cut = &cut[..cut.len() - 1];
    pair.near.send_raw(PathId(0), cut, Ecn::NotEct);
    pair.run(Duration::from_millis(15));
    let last = pair.far.record().unopened.last().unwrap();
    assert!(matches!(last.why, Unopened::Malformed(_)), "{last:?}");
    assert_lives(&pair.far);
}

#[test]
fn coalesced_packets_are_one_datagram_and_each_is_seen() {
    let mut pair = open_pair();
    let before = pair.far.received().len();
    let foreign = ConnectionId::new(b"stranger").unwrap();
    pair.near.send_datagram(vec![
        initial([Frame::Ping]).pad_to(0),
        handshake([Frame::Ping]).destination(foreign),
        handshake([Frame::Ping]),
        one_rtt([Frame::Ping]),
    ]);
    pair.run(Duration::from_millis(15));
    let came = &pair.far.received()[before..];
    let levels: Vec<_> = came.iter().map(|packet| packet.level).collect();
    assert_eq!(levels, [Level::Initial, Level::Handshake, Level::OneRtt]);
    assert!(
        came.iter()
            .all(|packet| packet.datagram == came[0].datagram)
    );
    let processed: Vec<_> = came.iter().map(|packet| packet.is_processed).collect();
    assert_eq!(processed, [false, false, true], "two levels are over");
    let foreign = pair.far.record().unopened_as(Unopened::ForeignDestination);
    assert_eq!(foreign.count(), 1);
}

#[test]
fn initial_packets_are_padded_unless_told_otherwise() {
    let mut pair = pair(|_, _| {});
    pair.near.send(initial([Frame::Ping]));
    pair.near
        .send(initial([Frame::Ping]).pad_to(0).token(*b"token"));
    pair.near.send(initial([Frame::Ping]).pad_to(1_400));
    pair.run(Duration::ZERO);
    let sent: Vec<_> = pair.near.record().directed(Direction::Sent).collect();
    assert_eq!(sent[0].bytes.len(), 1_200);
    assert!(sent[1].bytes.len() < 100);
    let header = packets(&sent[1].bytes, 8).next().unwrap().unwrap().header;
    assert_eq!(header.token, b"token");
    assert_eq!(header.packet_type, PacketType::Initial);
    assert_eq!(sent[2].bytes.len(), 1_400);
}

#[test]
fn the_length_of_a_long_header_can_lie() {
    let mut pair = pair(|_, _| {});
    pair.near.send(initial([Frame::Ping]).length(0x3fff));
    pair.run(Duration::ZERO);
    let sent = pair.near.record().directed(Direction::Sent).next().unwrap();
    assert!(packets(&sent.bytes, 8).next().unwrap().is_err());
}

#[test]
fn a_packet_waits_for_its_keys_and_ecn_is_told() {
    let mut pair = pair(|_, _| {});
    pair.near.send(handshake([Frame::Ping]).ecn(Ecn::Ce));
    pair.near.send(one_rtt([Frame::Ping]).ecn(Ecn::Ect0));
    pair.until("it is confirmed", |pair| pair.near.is_confirmed());
    pair.run(Duration::from_millis(100));
    let marked: Vec<_> = pair
        .far
        .received()
        .iter()
        .filter(|packet| packet.ecn != Ecn::NotEct)
        .map(|packet| (packet.level, packet.ecn))
        .collect();
    assert_eq!(
        marked,
        [(Level::Handshake, Ecn::Ce), (Level::OneRtt, Ecn::Ect0)]
    );
    let packets = pair.near.record().at_level(Level::OneRtt);
    let ecn = packets
        .flat_map(|packet| packet.frames())
        .find_map(|frame| match frame {
            Frame::Ack(ack) => ack.ecn,
            _ => None,
        });
    assert_eq!(ecn.map(|ecn| (ecn.ect0, ecn.ce)), Some((1, 0)));
}

#[test]
fn all_that_an_endpoint_sends_by_itself_has_the_ecn_codepoint_that_it_was_told() {
    let mut pair = pair(|client, _| client.behaviour.ecn = Ecn::Ect0);
    pair.until("it is confirmed", |pair| pair.near.is_confirmed());
    let came = pair.far.received();
    assert!(came.len() > 2 && came.iter().all(|packet| packet.ecn == Ecn::Ect0));
    let handshake = pair.near.record().at_level(Level::Handshake);
    assert!(handshake.count() > 0);
    assert_lives(&pair.near);
}

#[test]
fn a_datagram_of_any_bytes_does_no_harm() {
    let mut pair = open_pair();
    for length in 0..200 {
        let datagram: Vec<u8> = (0..length).map(|at| (at * 37 + length) as u8).collect();
        let received = Received {
            path: PathId(0),
            datagram,
            ecn: Ecn::NotEct,
        };
        pair.near.receive(pair.now, &received);
        pair.far.receive(pair.now, &received);
    }
    pair.run(Duration::from_secs(1));
    assert_lives(&pair.near);
    assert_lives(&pair.far);
}

#[test]
fn rules_discard_and_close() {
    let mut pair = open_pair();
    let rules = Rules::default().refusing(|frame| *frame == Frame::Ping);
    pair.far = pair.far.with_rules(rules);
    let unfixed = sent(&mut pair, one_rtt([Frame::Ping]).without_fixed_bit()).unwrap();
    assert!(!unfixed.is_processed);
    assert_lives(&pair.far);
    let ping = sent(&mut pair, one_rtt([Frame::Ping]).once()).unwrap();
    assert!(!ping.is_processed);
    pair.run(Duration::from_millis(15));
    let close = pair.near.closed().unwrap();
    assert_eq!((close.code, close.frame_type), (0x01, None));
    assert_eq!(close.reason, b"this mutant refuses it");
    assert_eq!(pair.far.violation().unwrap().code, 0x01);
}
