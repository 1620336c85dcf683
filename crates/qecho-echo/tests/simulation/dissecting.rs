//! A capture, read with the TLS secrets, tells what the watched shard has
//! told.

use std::{
    cell::RefCell, collections::HashMap, net::SocketAddr, rc::Rc, sync::Arc, time::Duration,
};

use qecho_engine::config::RetryPolicy;
use qecho_netsim::simulation::{End, FAR, NEAR};
use qecho_packet::{
    DecodedDatagram, DecodedPacket, DecryptedPacket, Direction, DropReason, Observation,
    dissect::{CapturedDatagram, Dissector},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use qecho_testkit::{
    key_log::KeyLogText,
    load::Command,
    scenario::{KIB, Scenario, World, everything},
    seed::ShowsSeed,
    stream::Plan,
};

/// Datagram as a capture at one of the ends has it.
#[derive(Clone)]
struct Captured {
    direction: Direction,
    local: SocketAddr,
    remote: SocketAddr,
    payload: Vec<u8>,
}

impl Captured {
    fn seen(&self) -> CapturedDatagram<'_> {
        let (source, destination) = match self.direction {
            Direction::Sent => (self.local, self.remote),
            Direction::Received => (self.remote, self.local),
        };
        let mut seen = CapturedDatagram::new(source, destination, &self.payload);
        seen.direction = Some(self.direction);
        seen
    }
}

/// Observations of the shard at one end, and the capture there.
struct Watched {
    end: End,
    told: Vec<Observation>,
    captured: Vec<Captured>,
    secrets: String,
}

/// Runs a scenario; returns what is known of its near and its far end.
fn watched(scenario: &Scenario, meanwhile: impl FnOnce(&mut World)) -> [Watched; 2] {
    let secrets = Arc::new(KeyLogText::default());
    let traced = scenario.clone().trace_packets();
    let mut world = traced.key_log(secrets.clone()).begin();
    let captured = Rc::<RefCell<[Vec<Captured>; 2]>>::default();
    let captures = captured.clone();
    world.observe(move |sighting| {
        let (end, local) = match sighting.end {
            End::Near => (0, NEAR),
            End::Far => (1, FAR),
        };
        captures.borrow_mut()[end].push(Captured {
            direction: sighting.direction,
            local,
            remote: sighting.peer,
            payload: sighting.data.to_vec(),
        });
    });
    meanwhile(&mut world);
    // Loss may let a handshake take too long; that is as good to look at.
    world.until("all is over", |both| {
        let load = both.near.application();
        load.is_done() || load.connections.iter().any(|one| one.closed.is_some())
    });
    world.tell(Command::ShutDown);
    world.run_for(Duration::from_secs(60));
    world.check_no_fault();
    let [near, far] = [End::Near, End::Far].map(|end| world.take_observations(end));
    let told = |told: Vec<(_, Observation)>| told.into_iter().map(|(_, one)| one).collect();
    let [near_captured, far_captured] = captured.take();
    let watched = |end, told, captured| Watched {
        end,
        told,
        captured,
        secrets: secrets.text(),
    };
    [
        watched(End::Near, told(near), near_captured),
        watched(End::Far, told(far), far_captured),
    ]
}

fn datagrams(observations: &[Observation], direction: Direction) -> Vec<&DecodedDatagram> {
    let datagrams = observations.iter().filter_map(|one| match one {
        Observation::Datagram(datagram) if datagram.direction == direction => Some(datagram),
        _ => None,
    });
    datagrams.collect()
}

/// Description of a connection when it begins.
fn beginnings(observations: &[Observation]) -> HashMap<u64, String> {
    let beginnings = observations.iter().filter_map(|one| match one {
        Observation::ConnectionStarted { connection, .. } => {
            let text = format!("{one:?}");
            let (_, side) = text.split_once("side").expect("it is told");
            Some((*connection, side.to_owned()))
        }
        _ => None,
    });
    beginnings.collect()
}

impl Watched {
    fn dissected(&self) -> Vec<Observation> {
        let mut dissector = Dissector::default();
        dissector.add_secrets(&self.secrets);
        assert_eq!(dissector.malformed_secrets(), 0);
        let mut observations = Vec::new();
        for captured in &self.captured {
            dissector.datagram(&captured.seen(), &mut |one| observations.push(one));
        }
        dissector.finish(&mut |one| observations.push(one));
        observations
    }

    /// Checks that the capture tells all that the shard has told of what it
    /// has processed; returns how many packets that is.
    fn check(&self) -> usize {
        let dissected = self.dissected();
        let [told_begun, found_begun] = [&self.told, &dissected].map(|one| beginnings(one));
        let mut processed = 0;
        for direction in [Direction::Sent, Direction::Received] {
            let told = datagrams(&self.told, direction);
            let found = datagrams(&dissected, direction);
            assert_eq!(told.len(), found.len());
            for (told, found) in told.into_iter().zip(found) {
                let context = || format!("{:?} {direction:?}\n{told:?}\n{found:?}", self.end);
                assert_eq!((told.local, told.remote), (found.local, found.remote));
                let sizes: usize = found.packets.iter().map(|packet| packet.size).sum();
                assert_eq!((told.size, found.size), (sizes, sizes), "{}", context());
                let both = told.packets.iter().zip(&found.packets);
                let of_use = both.filter(|(told, _)| told.dropped.is_none());
                for (told_packet, found_packet) in of_use {
                    check_packet(told_packet, found_packet, &context);
                    if told_packet.decrypted.is_some() {
                        processed += 1;
                        let begun = told.connection.map(|number| &told_begun[&number]);
                        let other = found.connection.map(|number| &found_begun[&number]);
                        assert_eq!(begun, other, "{}", context());
                    }
                }
            }
        }
        processed
    }
}

fn check_packet(told: &DecodedPacket, found: &DecodedPacket, context: &dyn Fn() -> String) {
    assert_eq!(told.size, found.size, "{}", context());
    // Those who sent a stateless reset call it no packet.
    if told.header.is_some() {
        assert_eq!(told.header, found.header, "{}", context());
    }
    let Some(opened) = &told.decrypted else {
        return;
    };
    let other = found.decrypted.as_ref();
    let other = other.unwrap_or_else(|| panic!("{}", context()));
    let facts = |one: &DecryptedPacket| {
        let payload = one.payload.clone();
        let number = (one.number, one.number_length);
        let first = (one.first_byte, one.key_phase);
        (number, first, one.generation, payload)
    };
    assert_eq!(facts(opened), facts(other), "{}", context());
    assert_eq!((found.dropped, &found.tail), (None, &None), "{}", context());
}

/// Checks both ends; returns how many packets they had processed.
fn check(scenario: &Scenario, meanwhile: impl FnOnce(&mut World)) -> usize {
    let both = watched(scenario, meanwhile);
    both.iter().map(Watched::check).sum()
}

#[test]
fn a_capture_tells_what_the_shard_told_on_every_path() {
    for seed in 0..3 {
        let scenario = everything(seed);
        assert!(check(&scenario, |_| {}) > 100);
        check(&scenario.clone().loss(0.1), |_| {});
        check(&scenario.clone().reordering(0.2).duplication(0.2), |_| {});
        check(&scenario.clone().corruption(0.2), |_| {});
        check(&scenario.clone().udp_payload_max(9_000), |_| {});
        let retry = scenario.retry(RetryPolicy::Always);
        check(&retry, |_| {});
        check(&retry.loss(0.2).duplication(0.2).reordering(0.2), |_| {});
    }
}

#[test]
fn a_capture_tells_connections_apart() {
    assert!(check(&everything(4).clients(20), |_| {}) > 1_000);
    check(&everything(5).clients(20).loss(0.1).reordering(0.2), |_| {});
}

#[test]
fn a_capture_tells_key_updates() {
    for seed in 7..10 {
        let scenario = everything(seed).reordering(0.1).loss(0.02);
        let both = watched(&scenario, |world| {
            for _ in 0..4 {
                world.until("it is connected", |both| {
                    both.near.application().connections[0].connected
                });
                world.run_for(Duration::from_secs(1));
                world.tell(Command::UpdateKeys);
                world.tell(Command::Open(Plan::bidirectional(20 * KIB)));
            }
        });
        for watched in both {
            watched.check();
            for direction in [Direction::Sent, Direction::Received] {
                let latest = datagrams(&watched.dissected(), direction)
                    .into_iter()
                    .flat_map(|datagram| &datagram.packets)
                    .filter_map(|packet| packet.decrypted.as_ref())
                    .map(|opened| opened.generation)
                    .max();
                assert!(latest >= Some(2), "{direction:?}: {latest:?}");
            }
        }
    }
}

#[test]
fn a_rebinding_leaves_a_connection_what_it_is() {
    check(&everything(8), |world| {
        for port in [50_000, 50_001] {
            world.run_for(Duration::from_millis(40));
            world.rebind(SocketAddr::new(NEAR.ip(), port));
        }
    });
}

#[test]
fn without_directions_a_capture_is_the_clients_view() {
    let [near, far] = watched(&everything(11).loss(0.1), |_| {});
    for watched in [near, far] {
        let mut dissector = Dissector::default();
        dissector.add_secrets(&watched.secrets);
        let mut observations = Vec::new();
        for captured in &watched.captured {
            let mut seen = captured.seen();
            seen.direction = None;
            dissector.datagram(&seen, &mut |one| observations.push(one));
        }
        let told = format!("{:?}", watched.dissected());
        let found = format!("{observations:?}");
        assert_eq!(
            told.starts_with(found.trim_end_matches(']')),
            watched.end == End::Near
        );
        for direction in [Direction::Sent, Direction::Received] {
            for datagram in datagrams(&observations, direction) {
                assert_eq!(datagram.local.ip(), NEAR.ip());
            }
        }
    }
}

#[test]
fn packets_whose_secrets_come_later_are_told_so() {
    let [near, _] = watched(&everything(12), |_| {});
    let mut dissector = Dissector::default();
    let mut reasons = Vec::new();
    let half = near.captured.len() / 2;
    for (index, captured) in near.captured.iter().enumerate() {
        if index == half {
            dissector.add_secrets(&near.secrets);
        }
        dissector.datagram(&captured.seen(), &mut |observation| {
            if let Observation::Datagram(datagram) = observation {
                reasons.extend(datagram.packets.iter().map(|one| (index, one.dropped)));
            }
        });
    }
    let missing = Some(DropReason::NoSecrets);
    assert!(reasons.iter().any(|(_, reason)| *reason == missing));
    for (index, reason) in reasons {
        assert!(reason.is_none() || (index < half && reason == missing));
    }
}

/// Changes a capture in one way.
fn mutate(random: &mut StdRng, captured: &mut [Captured]) {
    let one = random.random_range(0..captured.len());
    let other = random.random_range(0..captured.len());
    let payload = &mut captured[one].payload;
    let length = payload.len().max(1);
    match random.random_range(0..9) {
        0..=2 => {
            let at = random.random_range(0..length.min(60));
            if let Some(byte) = payload.get_mut(at) {
                *byte = random.random();
            }
        }
        3 => payload.truncate(random.random_range(0..length)),
        4 => payload.extend(std::iter::repeat_n(random.random::<u8>(), 20)),
        5 => captured.swap(one, other),
        6 => captured[one].remote = captured[other].remote,
        7 => captured[one].direction = captured[other].direction,
        _ => {
            let copy = captured[other].payload.clone();
            captured[one].payload.extend(copy);
        }
    }
}

#[test]
fn whatever_a_capture_holds_nothing_panics() {
    let scenario = everything(13).clients(3).retry(RetryPolicy::Always);
    let [_, far] = watched(&scenario.reordering(0.2), |world| {
        world.run_for(Duration::from_millis(100));
        world.tell(Command::UpdateKeys);
    });
    for seed in 0..100 {
        let _shows_seed = ShowsSeed(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let mut captured = far.captured.clone();
        captured.truncate(300);
        for _ in 0..random.random_range(1..200) {
            mutate(&mut random, &mut captured);
        }
        let (connections, sessions) = (random.random_range(1..5), random.random_range(1..5));
        let mut dissector = Dissector::new(connections, sessions);
        dissector.add_secrets(&far.secrets);
        for one in &captured {
            let mut told = 0;
            let mut seen = one.seen();
            seen.cut = random.random_bool(0.1);
            dissector.datagram(&seen, &mut |observation| {
                if let Observation::Datagram(datagram) = observation {
                    let sizes: usize = datagram.packets.iter().map(|one| one.size).sum();
                    assert_eq!(datagram.size, sizes);
                    told += sizes;
                }
            });
            assert_eq!(told, one.payload.len());
        }
    }
}
