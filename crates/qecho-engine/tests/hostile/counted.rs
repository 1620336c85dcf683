//! Attacks that other stacks had to learn about: what each of them is answered by, in bytes
//! and datagrams, and what it makes the server keep.

use std::{io, net::SocketAddr};

use qecho_engine::{CloseReason, limits};
use qecho_testkit::{
    counting::{allocated_by, freed_by_dropping},
    initial::{client_hello, client_hello_with, initial},
    seed::ShowsSeed,
};
use quinn_proto::Dir;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use crate::{
    attack::{Attack, Server},
    frames::{Frames, packed},
};

const KB: usize = 1_000;

fn stranger(number: u16) -> SocketAddr {
    ([198, 51, 100, 1], 5_000 + number).into()
}

/// Returns the sizes of the datagrams that the victim has sent since it had sent `before`.
fn sent_since(attack: &Attack, before: usize) -> Vec<usize> {
    let sent = attack.sent[before..].iter();
    sent.map(|(_, data)| data.len()).collect()
}

#[test]
fn a_flood_of_path_challenges_is_answered_by_one_datagram_for_each_that_brings_them() {
    let mut attack = Attack::on(Server::deaf());
    attack.run(500);
    let challenges = packed(0..20_000_u64, |frames, number| {
        frames.bytes(&[0x1a]).bytes(&number.to_be_bytes())
    });
    let (before, packets) = (attack.sent.len(), challenges.len());
    attack.send(challenges);
    let sent = sent_since(&attack, before);
    assert!(packets > 100, "{packets}");
    // And an acknowledgement now and then.
    assert!(sent.len() <= 2 * packets, "{} for {packets}", sent.len());
    let bytes: usize = sent.iter().sum();
    assert!(
        bytes <= packets * 1_300,
        "{bytes} bytes for {packets} packets"
    );
}

#[test]
fn a_flood_of_retired_connection_ids_costs_at_most_100_kb() {
    let idle = freed_by_dropping(Attack::on(Server::deaf()).victim);
    let mut attack = Attack::on(Server::deaf());
    attack.run(500);
    let (before, packets) = (attack.sent.len(), 3_000);
    for number in 0..packets {
        // RETIRE_CONNECTION_ID.
        attack.send([Frames::default().varint(0x19).varint(number).into_packet()]);
    }
    let closed = &attack.victim.application().closed;
    assert_eq!(closed.len(), 0, "each is one that there is: {closed:?}");
    let bytes: usize = sent_since(&attack, before).iter().sum();
    let most = packets as usize * 400;
    assert!(bytes <= most, "{bytes} bytes for {packets} packets");
    let kept = freed_by_dropping(attack.victim).saturating_sub(idle);
    assert!(kept <= 100 * KB, "{kept} bytes");
}

#[test]
fn who_acknowledges_what_was_never_sent_is_closed_at_once() {
    // ACK of all up to a number (RFC 9000 §19.3).
    for largest in [1_000, 1 << 20] {
        let mut attack = Attack::on(Server::deaf());
        attack.run(500);
        let ack = Frames::default().varint(0x02).varint(largest);
        let ack = ack.varint(0).varint(0).varint(0);
        attack.send([ack.into_packet()]);
        let closed = &attack.victim.application().closed;
        let is_violation = matches!(
            closed.as_slice(),
            [CloseReason::Violation { code: 0x0a, .. }]
        );
        assert!(is_violation, "{largest}: {closed:?}");
    }
}

#[test]
fn who_acknowledges_packets_before_they_come_is_found_out_within_2_mb() {
    let mut attack = Attack::on(Server::parrot());
    attack.run(500);
    attack.deaf = true;
    let numbers = (0, attack.sent.len() as u64);
    let before = attack.sent.len();
    for offset in 0..4_000 {
        let data = [b'x'; 900];
        // As many as the server can have sent at most, not one of them heard.
        let sent = (attack.sent.len() - before) as u64 + numbers.1;
        let frames = Frames::default().stream(0, offset * 900, &data);
        let frames = frames.varint(0x02).varint(sent.saturating_sub(1));
        let frames = frames.varint(0).varint(0).varint(sent.saturating_sub(1));
        attack.send([frames.into_packet()]);
        if !attack.victim.application().closed.is_empty() {
            break;
        }
    }
    let closed = &attack.victim.application().closed;
    let is_violation = matches!(
        closed.as_slice(),
        [CloseReason::Violation { code: 0x0a, .. }]
    );
    assert!(is_violation, "{closed:?}");
    let bytes: usize = sent_since(&attack, before).iter().sum();
    assert!(bytes <= 2_000 * KB, "{bytes} bytes");
}

#[test]
fn packets_that_are_never_acknowledged_and_have_gaps_in_their_numbers_cost_at_most_250_kb() {
    let idle = freed_by_dropping(Attack::on(Server::deaf()).victim);
    let mut attack = Attack::on(Server::deaf());
    attack.run(500);
    attack.deaf = true;
    attack.loses_half = true;
    for _ in 0..10_000 {
        // Two at a time, of which one is lost.
        for _ in 0..2 {
            let mut datagrams = attack.attacker.connection.datagrams();
            let ping = crate::forgery::forged(&Frames::default().bytes(&[0x01]).padded());
            datagrams.send(ping.into(), false).expect("there is room");
        }
        attack.turn();
    }
    let kept = freed_by_dropping(attack.victim).saturating_sub(idle);
    assert!(kept <= 250 * KB, "{kept} bytes");
}

#[test]
fn streams_that_are_reset_at_once_are_answered_by_twice_their_bytes_at_most() {
    let mut attack = Attack::on(Server::parrot());
    attack.run(500);
    let before = attack.sent.len();
    let came = attack.reset_streams(2_000);
    assert_eq!(attack.victim.application().opened, 2_000);
    let went: usize = sent_since(&attack, before).iter().sum();
    assert!(went <= 2 * came, "{went} bytes for {came}");
    let closed = &attack.victim.application().closed;
    assert_eq!(closed.len(), 0, "{closed:?}");
}

#[test]
fn what_icmp_says_of_a_path_changes_nothing_of_what_is_sent_there() {
    let sizes = |is_told: bool| {
        let mut attack = Attack::on(Server::parrot());
        attack.run(500);
        let before = attack.sent.len();
        let id = attack.attacker.connection.streams().open(Dir::Bi);
        let id = id.expect("it is allowed");
        for _ in 0..100 {
            if is_told {
                let unreachable = io::Error::from(io::ErrorKind::HostUnreachable);
                let (now, to) = (attack.now(), attack.attacker.address);
                attack.victim.handle_unreachable(now, to, &unreachable);
            }
            let mut stream = attack.attacker.connection.send_stream(id);
            assert_eq!(stream.write(&[b'x'; 900]), Ok(900));
            attack.run(3);
        }
        assert_eq!(attack.victim.application().bytes, 90_000);
        sent_since(&attack, before).len()
    };
    let (told, untold) = (sizes(true), sizes(false));
    assert!(told <= untold + 5, "{told} datagrams, else {untold}");
}

#[test]
fn connection_ids_that_many_clients_choose_alike_make_one_connection_and_harm_none() {
    let mut attack = Attack::on(Server::parrot());
    attack.run(500);
    let hello = Frames::default().crypto(0, &client_hello(&[b"echo"]));
    let datagram = initial([7; 8], 0, &hello.into_packet(), 1_200);
    let work = allocated_by(|| attack.deliver(stranger(0), &datagram));
    for number in 1..1_000 {
        let again = allocated_by(|| attack.deliver(stranger(number), &datagram));
        assert!(again <= work, "{again} bytes, {work} at first");
    }
    assert_eq!(attack.victim.half_open(), 1);
    attack.send([Frames::default().stream(0, 0, b"hello").padded()]);
    assert_eq!(attack.victim.application().bytes, 5, "it is still served");
}

/// Returns transport parameters as nobody should send them (RFC 9000 §18).
fn odd_parameters(random: &mut StdRng) -> Vec<u8> {
    let mut parameters = Vec::new();
    for _ in 0..random.random_range(0..12) {
        parameters.push(random.random_range(0..0x22));
        let mut value = vec![0; random.random_range(0..10)];
        random.fill_bytes(&mut value);
        // Its true length, most times.
        let length = match random.random_range(0..10) {
            0 => random.random_range(0..64),
            _ => value.len() as u8,
        };
        parameters.push(length);
        parameters.extend(value);
    }
    parameters
}

#[test]
fn whatever_transport_parameters_a_client_has_it_costs_at_most_200_kb_and_three_times_its_bytes() {
    for seed in 0..200 {
        let _shows_seed = ShowsSeed(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let parameters = odd_parameters(&mut random);
        let hello = client_hello_with(&[b"echo"], &parameters);
        let datagram = initial(
            [7; 8],
            0,
            &Frames::default().crypto(0, &hello).into_packet(),
            1_200,
        );
        let mut attack = Attack::on(Server::deaf());
        let work = allocated_by(|| attack.deliver(stranger(0), &datagram));
        assert!(work <= 200 * KB, "{work} bytes were allocated");
        attack.run(5);
        for _ in 0..100 {
            attack.wait(limits::HANDSHAKE_DEADLINE / 50);
        }
        let went = attack.sent_to(stranger(0));
        assert!(went <= 3 * datagram.len(), "{went} bytes");
        assert_eq!(attack.victim.half_open(), 0, "it is gone in time");
    }
}
