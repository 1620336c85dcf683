//! What a server does wrong without a connection, or with all of them.

use qecho_packet::wire::{ConnectionId, Frame};
use qecho_peer::{
    faults::Fault,
    network::{Ecn, Network, PathId},
    packet::{initial, one_rtt},
    script::{Opened, Probe},
    simulated::{Conditions, Simulated, SimulatedServer},
};

use crate::ends::{answers, client_config, good_server, long, received, shows};

#[test]
fn version_negotiation_is_wrong_or_missing() {
    let grease = 0x1a2a_3a4a;
    let ids = |length: usize| (vec![1; length], vec![2; length - 1]);
    // One packet, with these IDs swapped.
    let is_right = |server: SimulatedServer, length: usize| {
        let (destination, source) = ids(length);
        let answers = answers(server, &long(grease, &destination, &source, 1_200));
        let [answer] = &answers[..] else {
            return false;
        };
        let size = 7 + destination.len() + source.len();
        let expected = long(0, &source, &destination, size);
        answer[0] & 0x80 != 0 && answer[1..].starts_with(&expected[1..])
    };
    for fault in [
        Fault::NoVersionNegotiation,
        Fault::TwoVersionNegotiations,
        Fault::UnswappedVersionNegotiation,
    ] {
        shows(fault, true, |server| is_right(server, 8));
    }
    shows(Fault::CutVersionNegotiation, true, |server| {
        is_right(server, 30)
    });
    let count = |datagram: Vec<u8>| move |server| answers(server, &datagram).len();
    let small = long(grease, &[1; 8], &[2; 8], 1_199);
    shows(Fault::VersionNegotiationToSmall, 0, count(small));
    let itself = long(0, &[1; 8], &[2; 8], 1_200);
    shows(Fault::VersionNegotiationToItself, 0, count(itself));
    let too_long = long(1, &[1; 21], &[2; 8], 1_200);
    shows(Fault::AnswersLongConnectionIds, 0, count(too_long));
}

#[test]
fn stateless_resets_are_too_large_or_answer_too_little() {
    let short = |size| [vec![0x40], vec![9; size - 1]].concat();
    let sizes = |size| {
        move |server: SimulatedServer| {
            let answers = answers(server, &short(size));
            answers
                .iter()
                .all(|answer| answer.len() < size && answer[0] & 0xc0 == 0x40)
        }
    };
    shows(Fault::LargeReset, true, sizes(100));
    assert_eq!(answers(good_server(), &short(100)).len(), 1);
    shows(Fault::ResetToTiny, 0, |server| {
        answers(server, &short(20)).len()
    });
}

#[test]
fn a_server_that_crashes_or_is_silent_shows_it() {
    let serves_after = |server, datagram: &[u8]| {
        let mut network = Simulated::new(server, Conditions::default());
        network.send(PathId(0), datagram, Ecn::NotEct);
        received(&mut network);
        Probe::client(&mut network, client_config()).open() == Opened::Confirmed
    };
    shows(Fault::DiesOfNoise, true, |server| serves_after(server, &[]));
    shows(Fault::Silent, true, |server| {
        serves_after(server, &[0x40; 30])
    });
    shows(Fault::Crashes, true, |server| {
        let mut network = Simulated::new(server, Conditions::default());
        let mut probe = Probe::client(&mut network, client_config());
        assert_eq!(probe.open(), Opened::Confirmed);
        probe.reaction_to(one_rtt([Frame::HandshakeDone]));
        drop(probe);
        let mut config = client_config();
        config.seed += 1;
        Probe::client(&mut network, config).open() == Opened::Confirmed
    });
    let unauthentic = |server| {
        let mut network = Simulated::new(server, Conditions::default());
        let mut probe = Probe::client(&mut network, client_config());
        let now = probe.now();
        let endpoint = probe.endpoint_mut();
        let mut bytes = endpoint.transmit(now).unwrap().bytes;
        drop(probe);
        *bytes.last_mut().unwrap() ^= 1;
        network.send(PathId(0), &bytes, Ecn::NotEct);
        received(&mut network).len()
    };
    shows(Fault::AnswersUnauthentic, 0, unauthentic);
}

#[test]
fn a_foreign_packet_behind_a_good_one_takes_it_along_where_the_fault_is() {
    shows(Fault::DropsMixedDatagrams, true, |server| {
        let mut network = Simulated::new(server, Conditions::default());
        let mut probe = Probe::client(&mut network, client_config());
        let now = probe.now();
        let good = probe.endpoint_mut().transmit(now).unwrap().bytes;
        let other = ConnectionId::new(&[6; 8]).unwrap();
        let foreign = initial([Frame::Ping]).destination(other).pad_to(0);
        let foreign = probe.endpoint_mut().seal(now, &foreign).unwrap();
        let mixed = [good, foreign].concat();
        probe.endpoint_mut().send_raw(PathId(0), mixed, Ecn::NotEct);
        probe.endpoint_mut().behaviour.resends = false;
        probe.open() == Opened::Confirmed
    });
}
