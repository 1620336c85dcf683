//! Clients that choose by name, and what comes beside them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use qecho_echo::client::Command;
use qecho_io::{Listen, PortEvent, Ports};
use qecho_packet::wire::{PacketType, VERSION_1, packets};
use qecho_probe::{
    conform::{Runner, Selection, Side, Verdict},
    visiting::{NamedVisit, VisitOutcome, VisitorsByName},
};

use crate::{PATIENCE, beginning, server_config, start, start_by_name};

/// Time in which everything comes on a machine that has more to do.
const LONG: Duration = Duration::from_secs(60);

/// Stops a server at its end, also at that of a test that fails.
struct Stopping<'s>(&'s AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Serves while a test goes on with the address and what is told of visits; returns what was told
/// and not read by it.
fn while_serving(test: impl FnOnce(SocketAddr, &Receiver<NamedVisit>)) -> Vec<NamedVisit> {
    let place = Listen::Address("127.0.0.1:0".parse().unwrap());
    while_serving_at(place, |addresses, visits| test(addresses[0], visits))
}

/// The same at a place, with all addresses that it has.
fn while_serving_at(
    place: Listen,
    test: impl FnOnce(Vec<SocketAddr>, &Receiver<NamedVisit>),
) -> Vec<NamedVisit> {
    let stopped = Arc::new(AtomicBool::new(false));
    let visitors = VisitorsByName::bind(
        place,
        Selection::new(Side::Client).rows().unwrap(),
        Arc::new(|_| server_config()),
        PATIENCE,
        Runner::new("visitors"),
        Arc::clone(&stopped),
    );
    let visitors = visitors.unwrap();
    let addresses = visitors.addresses();
    let (told, visits) = channel();
    thread::scope(|scope| {
        let serving = scope.spawn(move || visitors.serve(&move |visit| told.send(visit).unwrap()));
        let stopping = Stopping(&stopped);
        test(addresses, &visits);
        drop(stopping);
        serving.join().unwrap().unwrap();
    });
    visits.try_iter().collect()
}

/// Initial packets of version 1 by their looks, which no keys open.
fn noise(number: u64) -> Vec<u8> {
    let mut datagram = vec![0xc0, 0, 0, 0, 1, 8];
    datagram.extend(number.to_be_bytes());
    // No source, no token, and all the rest.
    datagram.extend([0, 0, 0x44, 0x9e]);
    datagram.resize(1_200, number as u8);
    datagram
}

#[test]
fn a_thousand_datagrams_of_noise_take_none_of_the_places() {
    let rest = while_serving(|address, visits| {
        let mut ports = Ports::open(address).unwrap();
        for number in 0..1_000 {
            ports.send(0, &noise(number), 0).unwrap();
        }
        let client = start(address);
        client.send(Command::Finish);
        // It ends by itself, and nobody else has come.
        let visit = visits.recv_timeout(LONG).unwrap();
        assert_eq!(visit.server_name.as_deref(), Some("localhost"));
        assert!(
            matches!(visit.outcome, VisitOutcome::Ordinary(_)),
            "{visit:?}"
        );
        client.wait().unwrap();
    });
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn another_version_is_answered_by_the_one_that_there_is_and_is_no_visit() {
    let rest = while_serving(|address, _| {
        let mut ports = Ports::open(address).unwrap();
        let mut first = beginning(&ports, 1);
        first[1..5].copy_from_slice(&0x1a2a_3a4a_u32.to_be_bytes());
        // A small one would be answered by more than it deserves.
        ports.send(0, &first[..1_199], 0).unwrap();
        ports.send(0, &first, 0).unwrap();
        let answer = ports.receive(ports.now() + LONG).unwrap();
        let Some(PortEvent::Datagram { contents, .. }) = answer else {
            panic!("{answer:?}");
        };
        let packet = packets(&contents, 0).next().unwrap().unwrap();
        assert_eq!(packet.header.packet_type, PacketType::VersionNegotiation);
        assert_eq!(packet.header.versions, [VERSION_1]);
        assert_eq!(packet.header.source.as_deref(), Some(&[1; 8][..]));
        let more = ports.receive(ports.now() + Duration::from_millis(50));
        assert!(more.unwrap().is_none());
    });
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn what_takes_two_connections_is_judged_once_the_client_has_come_again() {
    let rest = while_serving(|address, visits| {
        let first = start_by_name("c135.localhost", address);
        let told = visits.recv_timeout(LONG).unwrap();
        assert!(
            matches!(told.outcome, VisitOutcome::Awaited(row) if row.id == "C135"),
            "{told:?}"
        );
        let second = start_by_name("c135.localhost", address);
        let told = visits.recv_timeout(LONG).unwrap();
        let VisitOutcome::Judged(row) = told.outcome else {
            panic!("{told:?}");
        };
        assert_eq!(row.finding.verdict, Verdict::Pass, "{}", row.finding.seen);
        drop((first, second));
    });
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn clients_with_names_of_their_own_are_not_taken_for_one_another() {
    let rest = while_serving(|address, visits| {
        let mut clients = Vec::new();
        for (name, is_awaited) in [("one", true), ("two", true), ("one", false), ("two", false)] {
            let name = format!("c135.{name}.localhost");
            clients.push(start_by_name(&name, address));
            let told = visits.recv_timeout(LONG).unwrap();
            assert_eq!(told.server_name.as_deref(), Some(&*name));
            let is_right = match &told.outcome {
                VisitOutcome::Awaited(_) => is_awaited,
                VisitOutcome::Judged(row) => !is_awaited && row.verdict() == Verdict::Pass,
                _ => false,
            };
            assert!(is_right, "{told:?}");
        }
    });
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn a_client_that_tries_both_addresses_leaves_one_line() {
    let place = Listen::Loopback { port: 0 };
    let rest = while_serving_at(place, |addresses, visits| {
        if addresses.len() < 2 {
            // This host has one family alone.
            return;
        }
        // Attempts of one client, at one address each.
        let both = [addresses[0], addresses[1]];
        let attempts = both.map(|address| start_by_name("c12.localhost", address));
        for attempt in attempts {
            attempt.wait().unwrap();
        }
        let last = start(addresses[0]);
        last.send(Command::Finish);
        last.wait().unwrap();
        let told = [(); 2].map(|()| visits.recv_timeout(LONG).unwrap());
        let names = told.each_ref().map(|visit| visit.server_name.as_deref());
        assert_eq!(
            names,
            [Some("c12.localhost"), Some("localhost")],
            "{told:?}"
        );
    });
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn of_a_host_that_has_all_its_places_it_is_said_once_that_there_is_none() {
    let rest = while_serving(|address, visits| {
        let mut ports = Ports::open(address).unwrap();
        for destination in 1..=60 {
            let first = beginning(&ports, destination);
            ports.send(0, &first, 0).unwrap();
        }
        let told = visits.recv_timeout(LONG).unwrap();
        assert!(matches!(told.outcome, VisitOutcome::NoPlace(_)), "{told:?}");
        // The others have not come to anything.
        for _ in 0..48 {
            let told = visits.recv_timeout(LONG).unwrap();
            assert!(
                matches!(told.outcome, VisitOutcome::Ordinary(_)),
                "{told:?}"
            );
        }
    });
    assert!(rest.is_empty(), "{rest:?}");
}
