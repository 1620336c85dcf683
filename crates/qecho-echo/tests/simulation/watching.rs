//! What watched shards tell of their packets is what was in them.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use qecho_engine::config::RetryPolicy;
use qecho_netsim::simulation::{End, NEAR};
use qecho_packet::{
    DecodedDatagram, DecodedPacket, Direction, DropReason, Observation,
    wire::{self, PacketType},
};

use qecho_testkit::{
    load::Command,
    scenario::{KIB, Scenario, World},
    stream::Plan,
};

/// What both ends have told, and how many datagrams really passed each.
struct Told {
    near: Vec<Observation>,
    far: Vec<Observation>,
    passed: Rc<RefCell<HashMap<(End, Direction), usize>>>,
}

fn observations(world: &mut World, end: End) -> Vec<Observation> {
    let observations = world.take_observations(end).into_iter();
    observations.map(|(_, observation)| observation).collect()
}

impl Told {
    /// Begins to count before the first datagram.
    fn counting(world: &mut World) -> Rc<RefCell<HashMap<(End, Direction), usize>>> {
        let passed = Rc::<RefCell<HashMap<_, _>>>::default();
        let counts = passed.clone();
        world.observe(move |sighting| {
            let key = (sighting.end, sighting.direction);
            *counts.borrow_mut().entry(key).or_default() += 1;
        });
        passed
    }

    fn by(world: &mut World, passed: Rc<RefCell<HashMap<(End, Direction), usize>>>) -> Self {
        Self {
            near: observations(world, End::Near),
            far: observations(world, End::Far),
            passed,
        }
    }

    fn datagrams(&self, end: End, direction: Direction) -> impl Iterator<Item = &DecodedDatagram> {
        let told = match end {
            End::Near => &self.near,
            End::Far => &self.far,
        };
        told.iter()
            .filter_map(move |observation| match observation {
                Observation::Datagram(datagram) if datagram.direction == direction => {
                    Some(datagram)
                }
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
                let passed = self.passed.borrow();
                assert_eq!(
                    Some(&told),
                    passed.get(&(end, direction)),
                    "{end:?} {direction:?}"
                );
                self.datagrams(end, direction).for_each(check_datagram);
            }
        }
        self.check_received(End::Near, End::Far);
        self.check_received(End::Far, End::Near);
    }

    /// Checks that whatever was processed at one end was sent by the other,
    /// to the byte.
    fn check_received(&self, from: End, to: End) {
        let sent: HashSet<_> = self
            .packets(from, Direction::Sent)
            .filter_map(identity)
            .collect();
        let mut processed = 0;
        for packet in self.packets(to, Direction::Received) {
            if packet.dropped.is_none() && packet.decrypted.is_some() {
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
        let explained = packet.decrypted.is_some()
            || packet.dropped.is_some()
            || datagram.direction == Direction::Sent
            || packet
                .header
                .as_ref()
                .is_some_and(|header| !header.packet_type.is_protected());
        assert!(explained, "{packet:?}");
    }
}

/// Runs a scenario and tells what both ends told of it.
fn told(scenario: &Scenario, meanwhile: impl FnOnce(&mut World)) -> Told {
    let mut world = scenario.clone().trace_packets().begin();
    let passed = Told::counting(&mut world);
    meanwhile(&mut world);
    world.until("all is done", |both| both.near.application().is_done());
    world.tell(Command::ShutDown);
    world.simulation.run_for(Duration::from_secs(60));
    world.check_no_fault();
    Told::by(&mut world, passed)
}

fn everything(seed: u64) -> Scenario {
    Scenario::seeded(seed)
        .stream(Plan::bidirectional(100 * KIB))
        .stream(Plan::unidirectional(100 * KIB))
        .datagrams(vec![Bytes::from_static(b"datagram"); 4])
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
    let reasons: Vec<_> = told
        .packets(End::Far, Direction::Received)
        .filter_map(|packet| packet.dropped)
        .collect();
    assert!(reasons.contains(&DropReason::NotAuthentic), "{reasons:?}");
}

#[test]
fn a_retry_is_told_at_both_ends() {
    let told = told(&everything(6).retry(RetryPolicy::Always), |_| {});
    let is_retry = |packet: &&DecodedPacket| {
        packet
            .header
            .as_ref()
            .is_some_and(|header| header.packet_type == PacketType::Retry)
    };
    assert_eq!(
        told.packets(End::Far, Direction::Sent)
            .filter(is_retry)
            .count(),
        1
    );
    let came: Vec<_> = told
        .packets(End::Near, Direction::Received)
        .filter(is_retry)
        .collect();
    assert_eq!(came.len(), 1);
    assert_eq!(came[0].dropped, None);
    let first = told.packets(End::Far, Direction::Received).next();
    let why = first.and_then(|packet| packet.dropped);
    assert_eq!(why, Some(DropReason::AnsweredWithRetry));
}

#[test]
fn key_updates_count_the_generations_up() {
    let scenario = everything(7);
    let told = told(&scenario, |world| {
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
        let opened = told
            .packets(End::Near, direction)
            .filter_map(|packet| packet.decrypted.as_ref());
        let mut latest = 0;
        for opened in opened {
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
    let moved = told
        .datagrams(End::Far, Direction::Received)
        .any(|datagram| datagram.remote.port() == 50_000);
    assert!(moved);
}
