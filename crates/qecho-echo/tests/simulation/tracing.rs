//! A trace says the truth of losses and of what is sent again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use qecho_engine::config::RetryPolicy;
use qecho_netsim::simulation::{End, NEAR};
use qecho_packet::{
    Direction, RecoveryMetrics,
    trace::{Event, EventKind, LossReason, LossSource, Lost, Tracer},
    wire::{Frame, PacketType},
};

use qecho_testkit::{
    load::Command,
    scenario::{KIB, Scenario, World},
    stream::Plan,
};

type PacketName = (PacketType, u64);

/// Figures of the trace of one end.
#[derive(Debug, Default)]
struct Said {
    lost: Vec<Lost>,
    found_again: Vec<PacketName>,
    /// Packets that arrived and were processed.
    received: BTreeSet<PacketName>,
    /// Packets that were sent with bytes of streams in them.
    with_data: BTreeSet<PacketName>,
    /// Packets whose content others carried again.
    again: BTreeSet<u64>,
    duplicates: usize,
    parameters: Vec<Direction>,
    key_updates: Vec<(Direction, u64)>,
    paths: usize,
    tls: Vec<&'static str>,
    recovery: RecoveryMetrics,
    closed: usize,
}

impl Said {
    fn hear(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::Lost(lost) => self.lost.push(*lost),
            EventKind::SpuriousLoss {
                packet_type,
                number,
                ..
            } => self.found_again.push((*packet_type, *number)),
            EventKind::Parameters { direction, .. } => self.parameters.push(*direction),
            EventKind::KeyUpdate {
                direction,
                generation,
            } => self.key_updates.push((*direction, *generation)),
            EventKind::PathChanged { .. } => self.paths += 1,
            EventKind::Recovery(recovery) => self.recovery = **recovery,
            EventKind::Closed(_) => self.closed += 1,
            EventKind::Datagram(datagram) => {
                for packet in &datagram.packets {
                    self.packet(datagram.direction, packet);
                }
            }
            _ => {}
        }
    }

    fn packet(&mut self, direction: Direction, packet: &qecho_packet::trace::Packet<'_>) {
        let (Some(header), Some(content)) = (packet.header, &packet.content) else {
            return;
        };
        let name = (header.packet_type, content.number);
        assert_eq!(content.malformed, None);
        for noted in &content.frames {
            for message in noted.tls.iter().filter(|message| message.complete) {
                self.tls.push(message.name);
            }
        }
        match (direction, packet.dropped) {
            (Direction::Sent, _) => {
                for noted in &content.frames {
                    if let Frame::Stream { .. } = noted.frame {
                        self.with_data.insert(name);
                    }
                    self.again
                        .extend(noted.retransmission_of.map(|again| again.number));
                }
            }
            (Direction::Received, None) => {
                self.received.insert(name);
            }
            (Direction::Received, Some(qecho_packet::DropReason::Duplicate)) => {
                self.duplicates += 1
            }
            (Direction::Received, Some(_)) => {}
        }
    }
}

fn said(world: &mut World, end: End, began: Instant) -> Said {
    let mut said = Said::default();
    let mut tracer = Tracer::new(LossSource::Reported);
    for (at, observation) in world.take_observations(end) {
        tracer.observe(at - began, &observation, &mut |event| said.hear(event));
    }
    said
}

/// Runs a scenario; returns what the traces of the near and far ends say.
fn traced(scenario: Scenario, meanwhile: impl FnOnce(&mut World)) -> (Said, Said) {
    let mut world = scenario.trace_packets().begin();
    let began = world.now();
    meanwhile(&mut world);
    world.until("all is done", |both| both.near.application().is_done());
    world.check_no_fault();
    world.tell(Command::ShutDown);
    world.simulation.run_for(Duration::from_secs(60));
    let near = said(&mut world, End::Near, began);
    let far = said(&mut world, End::Far, began);
    (near, far)
}

#[test]
fn what_is_said_to_be_lost_was_lost_and_its_data_is_carried_again() {
    let mut lost = 0;
    let mut reasons = BTreeMap::<&str, usize>::new();
    for seed in 0..8 {
        let scenario = Scenario::seeded(seed)
            .loss(0.1)
            .streams(2, &Plan::bidirectional(300 * KIB));
        let (near, far) = traced(scenario, |_| {});
        for (from, to) in [(&near, &far), (&far, &near)] {
            let told = from.recovery.lost_packets + from.recovery.lost_probes;
            assert_eq!(from.lost.len() as u64, told);
            for gone in &from.lost {
                lost += 1;
                let reason = match gone.reason {
                    LossReason::PacketThreshold { .. } => "packets",
                    LossReason::TimeThreshold { .. } => "time",
                    _ => "probe",
                };
                *reasons.entry(reason).or_default() += 1;
                let name = (gone.packet_type, gone.number);
                assert_eq!(gone.direction, Direction::Sent);
                assert!(!to.received.contains(&name), "{gone:?} has arrived");
                let data = from.with_data.contains(&name);
                assert!(!data || from.again.contains(&gone.number), "{gone:?}");
            }
            assert_eq!(from.found_again, []);
        }
    }
    assert!(lost > 300, "{lost}");
    assert!(
        reasons["packets"] > 100 && reasons["time"] > 0,
        "{reasons:?}"
    );
}

#[test]
fn a_packet_that_was_only_late_is_found_again() {
    let mut found = 0;
    for seed in 0..5 {
        let scenario = Scenario::seeded(seed)
            .delay(Duration::from_millis(2), Duration::from_millis(30))
            .reordering(0.3)
            .streams(2, &Plan::bidirectional(100 * KIB));
        let (near, far) = traced(scenario, |_| {});
        for (from, to) in [(&near, &far), (&far, &near)] {
            for name in &from.found_again {
                found += 1;
                assert!(to.received.contains(name), "{name:?}");
            }
        }
    }
    assert!(found > 10, "{found}");
}

#[test]
fn both_ends_hear_the_whole_story() {
    let scenario = Scenario::seeded(9)
        .duplication(0.2)
        .retry(RetryPolicy::Always)
        .echo(200 * KIB);
    let (near, far) = traced(scenario, |world| {
        world.until("it is connected", |both| {
            both.near.application().connections[0].connected
        });
        world.simulation.run_for(Duration::from_secs(1));
        let mut address = NEAR;
        address.set_port(50_001);
        world.simulation.rebind(address);
        world.tell(Command::UpdateKeys);
        world.tell(Command::Open(Plan::bidirectional(KIB)));
    });
    for said in [&near, &far] {
        let tls = [
            "ClientHello",
            "ServerHello",
            "EncryptedExtensions",
            "Certificate",
            "CertificateVerify",
            "Finished",
        ];
        // A client that got a Retry sends its ClientHello twice.
        let hellos = said.tls.iter().take_while(|name| **name == "ClientHello");
        let said_tls = &said.tls[hellos.count() - 1..];
        assert_eq!(said_tls[..tls.len()], tls);
        let finished = said_tls.iter().filter(|name| **name == "Finished");
        assert_eq!(finished.count(), 2, "the server's and the client's");
        assert!(said.duplicates > 10);
        assert_eq!(said.closed, 1);
        for direction in [Direction::Sent, Direction::Received] {
            assert!(said.parameters.contains(&direction));
            assert!(said.key_updates.contains(&(direction, 1)));
        }
    }
    assert_eq!(near.paths, 0, "the near end does not know of its NAT");
    assert_eq!(far.paths, 1);
}
