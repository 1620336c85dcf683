//! What a client does wrong by itself, seen from its server.

use std::time::Duration;

use qecho_packet::wire::{ConnectionId, Header, PacketType, packets};
use qecho_peer::{
    endpoint::{Ended, retry, version_negotiation},
    faults::Fault,
    network::{Ecn, Network, PathId},
    script::{Opened, Probe},
    simulated::Far,
};

use crate::ends::{client, script_server_config, to_client};

/// What a client does about a packet without protection that answers its first one.
fn answered(faults: &[Fault], answer: impl Fn(&Header) -> Vec<u8>) -> (Opened, Option<Ended>) {
    let mut network = client(|rules| rules, faults.iter().copied());
    let until = network.now() + Duration::from_secs(1);
    let first = network.receive(until).unwrap();
    let header = packets(&first.datagram, 0).next().unwrap().unwrap().header;
    network.send(first.path, &answer(&header), Ecn::NotEct);
    let mut config = script_server_config();
    config.behaviour.times_out = false;
    let opened = Probe::server(&mut network, config).open();
    (opened, network.far.endpoint.ended().cloned())
}

#[test]
fn a_client_that_falls_for_what_is_not_for_it_shows_it() {
    let in_use = |header: &Header| version_negotiation(header, &[0x0a0a_0a0a, 1]);
    let foreign = |header: &Header| {
        let mut header = header.clone();
        header.destination = ConnectionId::new(&[4; 8]).unwrap();
        version_negotiation(&header, &[0x0a0a_0a0a])
    };
    let none = |header: &Header| version_negotiation(header, &[0x0a0a_0a0a]);
    let source = ConnectionId::new(&[8; 8]).unwrap();
    let wrong_tag = move |header: &Header| {
        let mut packet = retry(header, source, b"token");
        *packet.last_mut().unwrap() ^= 1;
        packet
    };
    let empty_token = move |header: &Header| retry(header, source, b"");

    let goes_on = (Opened::Confirmed, None);
    assert_eq!(answered(&[], in_use), goes_on);
    assert_eq!(answered(&[], foreign), goes_on);
    assert_eq!(answered(&[], wrong_tag), goes_on);
    assert_eq!(answered(&[], empty_token), goes_on);
    assert_ne!(
        answered(&[Fault::DiesOfVersionNegotiation], in_use),
        goes_on
    );
    assert_ne!(
        answered(&[Fault::DiesOfVersionNegotiation], foreign),
        goes_on
    );
    assert_ne!(answered(&[Fault::DiesOfRetry], wrong_tag), goes_on);
    assert_ne!(answered(&[Fault::DiesOfRetry], empty_token), goes_on);
    let (opened, ended) = answered(&[], none);
    assert_eq!(opened, Opened::Silent);
    assert_eq!(ended, Some(Ended::VersionNegotiation(vec![0x0a0a_0a0a])));
    assert_eq!(answered(&[Fault::IgnoresVersionNegotiation], none), goes_on);
}

#[test]
fn a_client_shows_its_first_packet() {
    let first = |fault: Option<Fault>| {
        let mut network = client(|rules| rules, fault);
        let until = network.now() + Duration::from_secs(1);
        let datagram = network.receive(until).unwrap().datagram;
        let header = packets(&datagram, 0).next().unwrap().unwrap().header;
        assert_eq!(header.packet_type, PacketType::Initial);
        (datagram.len() >= 1_200, header.destination.len() >= 8)
    };
    assert_eq!(first(None), (true, true));
    assert_eq!(first(Some(Fault::UnpaddedInitials)), (false, true));
    assert_eq!(first(Some(Fault::ShortDestination)), (true, false));
}

#[test]
fn a_client_that_ignores_a_retry_does_not_connect() {
    let open = |fault: Option<Fault>| {
        let mut network = client(|rules| rules, fault);
        let mut config = script_server_config();
        config.retry_token = Some(b"token".to_vec());
        Probe::server(&mut network, config).open()
    };
    assert_eq!(open(None), Opened::Confirmed);
    assert_ne!(open(Some(Fault::IgnoresRetry)), Opened::Confirmed);
}

#[test]
fn a_client_that_falls_for_a_second_retry_does_not_connect() {
    let open = |fault: Option<Fault>| {
        let mut network = client(|rules| rules, fault);
        let until = network.now() + Duration::from_millis(50);
        let first = network.receive(until).unwrap();
        let header = packets(&first.datagram, 0).next().unwrap().unwrap().header;
        for source in [8, 9] {
            let source = ConnectionId::new(&[source; 8]).unwrap();
            network.send(first.path, &retry(&header, source, b"token"), Ecn::NotEct);
        }
        network.receive(until);
        network
            .far
            .endpoint
            .retry_source()
            .map(|source| source[0])
            .filter(|_| network.far.deadline().is_some())
    };
    assert_eq!(open(None), Some(8));
    assert_eq!(open(Some(Fault::DiesOfSecondRetry)), None);
}

#[test]
fn a_client_ends_by_a_stateless_reset_unless_it_ignores_it() {
    let ended = |fault: Option<Fault>| {
        let mut network = client(|rules| rules, fault);
        to_client(&mut network, |probe| {
            let token = probe.endpoint().connection_ids().local[0]
                .reset_token
                .unwrap();
            let reset = [vec![0x41; 40], token.to_vec()].concat();
            probe.endpoint_mut().send_raw(PathId(0), reset, Ecn::NotEct);
            probe.settle(Duration::from_millis(100));
        });
        network.far.endpoint.ended().cloned()
    };
    assert_eq!(ended(None), Some(Ended::Reset));
    assert_eq!(ended(Some(Fault::IgnoresReset)), None);
}
