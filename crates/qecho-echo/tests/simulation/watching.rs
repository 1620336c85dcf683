//! Traced shards tell of their packets what was in them.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
    time::{Duration, Instant},
};

use qecho_engine::config::RetryPolicy;
use qecho_netsim::simulation::{End, NEAR};
use qecho_packet::{
    DecodedDatagram, DecodedPacket, Direction, DropReason, Observation,
    wire::{self, PacketType},
};

use qecho_testkit::{
    load::Command,
    scenario::{KIB, Scenario, World, everything},
    stream::Plan,
};

/// Observations of the near and the far end, and how many datagrams really passed each.
struct Told {
    observations: [Vec<(Instant, Observation)>; 2],
    passed: HashMap<(End, Direction), usize>,
}

impl Told {
    fn datagrams(&self, end: End, direction: Direction) -> impl Iterator<Item = &DecodedDatagram> {
        let told = self.observations[end as usize].iter();
        told.filter_map(move |(_, observation)| match observation {
            Observation::Datagram(datagram) if datagram.direction == direction => Some(datagram),
            _ => None,
        })
    }

    fn packets(&self, end: End, direction: Direction) -> impl Iterator<Item = &DecodedPacket> {
        self.datagrams(end, direction)
            .flat_map(|datagram| &datagram.packets)
    }

    /// Checks what holds on every path.
    fn check(&self) {
        for end in [End::Near, End::Far] {
            for direction in [Direction::Received, Direction::Sent] {
                let told = self.datagrams(end, direction).count();
                let passed = self.passed.get(&(end, direction));
                assert_eq!(Some(&told), passed, "{end:?} {direction:?}");
                self.datagrams(end, direction).for_each(check_datagram);
            }
        }
        self.check_received(End::Near, End::Far);
        self.check_received(End::Far, End::Near);
    }

    /// Checks that whatever was processed at one end was sent by the other,
    /// to the byte.
    fn check_received(&self, from: End, to: End) {
        let sent = self.packets(from, Direction::Sent);
        let sent: HashSet<_> = sent.filter_map(identity).collect();
        let mut processed = 0;
        for packet in self.packets(to, Direction::Received) {
            if is_processed(packet) {
                processed += 1;
                let identity = identity(packet).expect("it is opened");
                assert!(sent.contains(&identity), "{identity:?}");
            }
        }
        assert!(processed > 0);
    }
}

fn is_processed(packet: &DecodedPacket) -> bool {
    packet.decrypted.is_some() && packet.dropped.is_none()
}

type Identity<'a> = (PacketType, u64, u64, &'a [u8]);

fn identity(packet: &DecodedPacket) -> Option<Identity<'_>> {
    let header = packet.header.as_ref()?;
    let opened = packet.decrypted.as_ref()?;
    Some((
        header.packet_type,
        opened.number,
        opened.generation,
        &opened.payload,
    ))
}

fn check_datagram(datagram: &DecodedDatagram) {
    let sizes: usize = datagram.packets.iter().map(|packet| packet.size).sum();
    assert_eq!(sizes, datagram.size, "{datagram:?}");
    for packet in &datagram.packets {
        if let Some(opened) = &packet.decrypted {
            assert!(packet.header.is_some(), "{packet:?}");
            assert!(wire::frames(&opened.payload).all(|frame| frame.is_ok()));
        }
        let header = packet.header.as_ref();
        let explained = packet.decrypted.is_some()
            || packet.dropped.is_some()
            || datagram.direction == Direction::Sent
            || header.is_some_and(|header| !header.packet_type.is_protected());
        assert!(explained, "{packet:?}");
    }
}

/// Runs a scenario and tells what both ends told of it.
fn told(scenario: &Scenario, meanwhile: impl FnOnce(&mut World)) -> Told {
    let mut world = scenario.clone().trace_packets().begin();
    let passed = Rc::<RefCell<HashMap<_, _>>>::default();
    let counts = passed.clone();
    world.observe(move |sighting| {
        let key = (sighting.end, sighting.direction);
        *counts.borrow_mut().entry(key).or_default() += 1;
    });
    meanwhile(&mut world);
    world.until("all is done", |both| both.near.application().is_done());
    world.tell(Command::ShutDown);
    world.simulation.run_for(Duration::from_secs(60));
    world.check_no_fault();
    Told {
        observations: [End::Near, End::Far].map(|end| world.take_observations(end)),
        passed: passed.take(),
    }
}

#[test]
fn packets_in_the_clear_are_those_that_were_sent_on_every_path() {
    for seed in 0..3 {
        let good = told(&everything(seed), |_| {});
        good.check();
        for end in [End::Near, End::Far] {
            for packet in good.packets(end, Direction::Received) {
                assert!(is_processed(packet), "{end:?} {packet:?}");
            }
        }
        told(&everything(seed).loss(0.1), |_| {}).check();
        told(&everything(seed).reordering(0.2).duplication(0.2), |_| {}).check();
        told(&everything(seed).retry(RetryPolicy::Always), |_| {}).check();
        told(&everything(seed).udp_payload_max(9_000), |_| {}).check();
    }
}

#[test]
fn changed_datagrams_are_told_with_the_reason() {
    let told = told(&everything(5).corruption(0.2), |_| {});
    told.check();
    let packets = told.packets(End::Far, Direction::Received);
    let reasons: Vec<_> = packets.filter_map(|packet| packet.dropped).collect();
    assert!(reasons.contains(&DropReason::NotAuthentic), "{reasons:?}");
}

#[test]
fn a_retry_is_told_at_both_ends() {
    let told = told(&everything(6).retry(RetryPolicy::Always), |_| {});
    let retries = |end, direction| {
        let is_retry = |packet: &&DecodedPacket| {
            let header = packet.header.as_ref();
            header.is_some_and(|header| header.packet_type == PacketType::Retry)
        };
        let retries = told.packets(end, direction).filter(is_retry);
        retries.map(|packet| packet.dropped).collect::<Vec<_>>()
    };
    assert_eq!(retries(End::Far, Direction::Sent).len(), 1);
    assert_eq!(retries(End::Near, Direction::Received), [None]);
    let first = told.packets(End::Far, Direction::Received).next();
    let why = first.and_then(|packet| packet.dropped);
    assert_eq!(why, Some(DropReason::AnsweredWithRetry));
}

#[test]
fn key_updates_count_the_generations_up() {
    let told = told(&everything(7), |world| {
        for _ in 0..3 {
            world.until("it is connected", |both| {
                both.near.application().connections[0].connected
            });
            world.simulation.run_for(Duration::from_secs(1));
            world.tell(Command::UpdateKeys);
            world.tell(Command::Open(Plan::bidirectional(KIB)));
        }
    });
    told.check();
    for direction in [Direction::Sent, Direction::Received] {
        let packets = told.packets(End::Near, direction);
        let mut latest = 0;
        for opened in packets.filter_map(|packet| packet.decrypted.as_ref()) {
            // What is under way during an update may still have the old keys.
            assert!(
                (latest..=latest + 1).contains(&opened.generation)
                    || opened.generation + 1 == latest
            );
            assert_eq!(opened.key_phase, opened.generation % 2 == 1);
            latest = latest.max(opened.generation);
        }
        // The state machine makes updates of its own, so that ours may come
        // too early and be passed over.
        assert!(latest >= 2, "{direction:?}: {latest}");
    }
}

#[test]
fn a_rebinding_loses_no_packet_from_sight() {
    let told = told(&everything(8), |world| {
        world.simulation.run_for(Duration::from_millis(40));
        let mut address = NEAR;
        address.set_port(50_000);
        world.simulation.rebind(address);
    });
    told.check();
    let mut received = told.datagrams(End::Far, Direction::Received);
    assert!(received.any(|datagram| datagram.remote.port() == 50_000));
}
