//! Lost datagrams.

use std::time::Duration;

use qecho_packet::{Dir, Direction, Side, StreamId, wire::Frame};
use qecho_peer::{endpoint::Endpoint, packet::one_rtt, tls::Level};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::world::{assert_lives, open_pair, pair};

const STREAM: fn() -> StreamId = || StreamId::new(Side::Client, Dir::Bidirectional, 0);

#[test]
fn a_handshake_survives_the_loss_of_any_one_datagram() {
    for direction in [Direction::Sent, Direction::Received] {
        for number in 0..6 {
            let mut pair = pair(|_, _| {});
            pair.is_lost = Box::new(move |of, index| of == direction && index == number);
            pair.until("both have confirmed", |pair| {
                pair.near.is_confirmed() && pair.far.is_confirmed()
            });
            assert_lives(&pair.near);
            assert_lives(&pair.far);
        }
    }
}

#[test]
fn everything_arrives_where_a_third_is_lost() {
    for seed in 0..20 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut pair = pair(|_, _| {});
        pair.is_lost = Box::new(move |_, _| random.random_range(0..3) == 0);
        let data = vec![7; 30_000];
        pair.near.write(STREAM(), &data, true);
        pair.far.write(STREAM(), &data, true);
        pair.until("all came", |pair| {
            let is_whole = |end: &Endpoint| end.stream(STREAM()).is_some_and(|one| one.is_whole());
            is_whole(&pair.near) && is_whole(&pair.far) && pair.near.is_confirmed()
        });
        assert_lives(&pair.near);
        assert_lives(&pair.far);
    }
}

#[test]
fn what_is_never_acknowledged_is_probed_for_ever_more_slowly() {
    let mut pair = open_pair();
    pair.far.behaviour.acknowledges = false;
    let before = pair.near.record().datagrams.len();
    pair.near
        .send(one_rtt([Frame::MaxData { maximum: 1 << 30 }]));
    pair.run(Duration::from_secs(20));
    let record = pair.near.record();
    let sent = record.datagrams[before..]
        .iter()
        .filter(|one| one.direction == Direction::Sent);
    let times: Vec<_> = sent.map(|sent| sent.at).collect();
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((4..=10).contains(&gaps.len()), "{gaps:?}");
    for gaps in gaps.windows(2) {
        let ratio = gaps[1].as_secs_f64() / gaps[0].as_secs_f64();
        assert!((1.9..2.1).contains(&ratio), "{gaps:?}");
    }
    let packets = pair.far.received().iter();
    let packets = packets.filter(|packet| {
        let credit = Frame::MaxData { maximum: 1 << 30 };
        packet.frames().contains(&credit)
    });
    assert_eq!(
        packets.count(),
        gaps.len() + 1,
        "each probe has the frame again"
    );
}

#[test]
fn odd_packets_and_those_that_are_sent_once_stay_lost() {
    let mut pair = open_pair();
    let number = pair.near.next_number(Level::OneRtt);
    pair.near
        .send(one_rtt([Frame::MaxData { maximum: 1 << 30 }]).once());
    pair.near.send(one_rtt([Frame::Ping]).corrupt());
    pair.is_lost = Box::new(|_, _| true);
    pair.run(Duration::from_secs(10));
    assert_eq!(pair.near.next_number(Level::OneRtt), number + 2);
    assert!(pair.near.was_sent(Level::OneRtt, number));
    assert!(!pair.near.is_acknowledged(Level::OneRtt, number));
}

#[test]
fn acknowledgements_can_be_held_back_and_come_then() {
    let mut pair = open_pair();
    pair.far.behaviour.acknowledgement_delay = Duration::from_millis(300);
    pair.near.behaviour.resends = false;
    let number = pair.near.next_number(Level::OneRtt);
    pair.near.send(one_rtt([Frame::Ping]));
    let begin = pair.now;
    pair.until("it is acknowledged", |pair| {
        pair.near.is_acknowledged(Level::OneRtt, number)
    });
    assert_eq!(pair.now - begin, Duration::from_millis(320));
}
