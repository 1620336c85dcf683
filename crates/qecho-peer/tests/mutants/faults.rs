//! What an endpoint does wrong by itself on a connection, seen from the other side: each fault
//! shows, and the well-behaved peer does right.

use std::{collections::BTreeSet, time::Duration};

use qecho_packet::{
    Dir, StreamId,
    wire::{ConnectionId, Frame},
};
use qecho_peer::{
    endpoint::{Ended, Endpoint},
    faults::Fault,
    network::{Ecn, PathId},
    packet::{initial, one_rtt},
    rules::Rule,
    script::{Opened, Probe, Reaction},
    simulated::{Conditions, Simulated, SimulatedServer},
    tls::Level,
};

use crate::ends::{client_config, good_server, long, shows, shows_later, to_server};

const SOON: Duration = Duration::from_millis(100);

/// Tells whether something comes in time.
fn comes(probe: &mut Probe<'_>, is_it: impl Fn(&Frame<'_>) -> bool) -> bool {
    let before = probe.endpoint().received().len();
    probe.wait_for(|endpoint| frames_from(endpoint, before, &is_it), SOON)
}

fn frames_from(endpoint: &Endpoint, from: usize, is_it: impl Fn(&Frame<'_>) -> bool) -> bool {
    let mut packets = endpoint.received().iter().skip(from);
    packets.any(|packet| packet.frames().iter().any(&is_it))
}

#[test]
fn acknowledgements_are_missing_or_late_or_too_many() {
    let acknowledged = |probe: &mut Probe<'_>| {
        probe.send(one_rtt([Frame::Ping]));
        comes(probe, |frame| matches!(frame, Frame::Ack(_)))
    };
    shows_later(Fault::NoAcknowledgements, true, acknowledged);
    shows_later(Fault::LateAcknowledgements, true, acknowledged);
    shows_later(Fault::AcknowledgesAcks, false, |probe| {
        probe.settle(SOON);
        let ack = qecho_packet::wire::Ack {
            delay: 0,
            ranges: vec![0..=0],
            ecn: None,
        };
        probe.send(one_rtt([Frame::Ack(ack)]));
        comes(probe, |_| true)
    });
    shows_later(Fault::NoEcnCounts, true, |probe| {
        probe.send(one_rtt([Frame::Ping]).ecn(Ecn::Ect0));
        comes(
            probe,
            |frame| matches!(frame, Frame::Ack(ack) if ack.ecn.is_some()),
        )
    });
}

#[test]
fn path_challenges_are_answered_wrongly_or_not_at_all() {
    let data = [3; 8];
    for fault in [Fault::NoPathResponse, Fault::WrongPathResponse] {
        shows_later(fault, true, |probe| {
            probe.send(one_rtt([Frame::PathChallenge { data }]));
            comes(probe, |frame| *frame == Frame::PathResponse { data })
        });
    }
    let wrong = good_server().with_faults([Fault::WrongPathResponse]);
    assert!(to_server(wrong, |probe| {
        probe.send(one_rtt([Frame::PathChallenge { data }]));
        comes(probe, |frame| matches!(frame, Frame::PathResponse { .. }))
    }));
    shows_later(Fault::NoMigration, true, |probe| {
        let path = probe.open_path().unwrap();
        probe.endpoint_mut().set_path(path);
        probe.send(one_rtt([Frame::Ping]).pad_to(600));
        comes(probe, |frame| matches!(frame, Frame::PathChallenge { .. }))
    });
}

#[test]
fn a_server_that_sends_too_much_or_too_little_shows_it() {
    // A client that goes silent after its first flight.
    let factor = |server: SimulatedServer| {
        let mut network = Simulated::new(server, Conditions::default());
        let mut probe = Probe::client(&mut network, client_config());
        probe.flush();
        let behaviour = &mut probe.endpoint_mut().behaviour;
        behaviour.sends_crypto = false;
        behaviour.acknowledges = false;
        behaviour.resends = false;
        probe.settle(Duration::from_secs(60));
        let bytes = |direction| -> usize {
            let datagrams = probe.endpoint().record().directed(direction);
            datagrams.map(|datagram| datagram.bytes.len()).sum()
        };
        let [received, sent] = [
            bytes(qecho_packet::Direction::Received),
            bytes(qecho_packet::Direction::Sent),
        ];
        (received > 3 * sent, received > 1_200)
    };
    shows(Fault::ExceedsAmplificationLimit, (false, true), factor);
    shows(Fault::NoResending, (false, true), factor);
    shows(Fault::UnpaddedInitials, true, |server| {
        let mut network = Simulated::new(server, Conditions::default());
        let mut probe = Probe::client(&mut network, client_config());
        probe.open();
        let mut initials = probe.endpoint().record().at_level(Level::Initial);
        initials.all(|packet| !packet.is_ack_eliciting() || packet.datagram_size >= 1_200)
    });
}

#[test]
fn a_server_that_does_not_follow_shows_it() {
    shows_later(Fault::NoKeyUpdate, true, |probe| {
        probe.endpoint_mut().update_keys();
        probe.lives();
        probe
            .endpoint()
            .received()
            .last()
            .is_some_and(|packet| packet.generation == 1)
    });
    let id = StreamId::new(qecho_packet::Side::Client, Dir::Bidirectional, 0);
    shows_later(Fault::IgnoresStopSending, true, |probe| {
        probe.endpoint_mut().write(id, b"a", false);
        assert!(comes(probe, |frame| matches!(frame, Frame::Stream { .. })));
        probe.send(one_rtt([Frame::StopSending { id, code: 7 }]));
        comes(probe, |frame| {
            matches!(frame, Frame::ResetStream { code: 7, .. })
        })
    });
    shows_later(Fault::RetiresNoConnectionIds, true, |probe| {
        probe.send(one_rtt([Frame::NewConnectionId {
            sequence: 1,
            retire_prior_to: 1,
            id: ConnectionId::new(&[5; 8]).unwrap(),
            reset_token: [5; 16],
        }]));
        comes(probe, |frame| {
            *frame == Frame::RetireConnectionId { sequence: 0 }
        })
    });
}

#[test]
fn a_server_that_keeps_or_issues_too_much_shows_it() {
    shows_later(Fault::ManyConnectionIds, true, |probe| {
        probe.endpoint_mut().behaviour.retires_connection_ids = false;
        probe.send(one_rtt([Frame::Ping]));
        probe.settle(SOON);
        let ids = probe.endpoint().connection_ids().remote_active();
        ids.count() <= 4
    });
    shows(Fault::NoHandshakeDone, Opened::Confirmed, |server| {
        let mut network = Simulated::new(server, Conditions::default());
        Probe::client(&mut network, client_config()).open()
    });
    shows_later(Fault::KeepsKeys, false, |probe| {
        probe.endpoint_mut().behaviour.discards_keys = false;
        let number = probe.endpoint().next_number(Level::Initial);
        probe.send(initial([Frame::Ping]));
        probe.settle(SOON);
        let mut packets = probe.endpoint().record().at_level(Level::Initial);
        packets.any(|packet| {
            let acknowledges =
                |frame: &Frame<'_>| matches!(frame, Frame::Ack(ack) if ack.largest() >= number);
            packet.frames().iter().any(acknowledges)
        })
    });
    shows_later(Fault::ProcessesDuplicates, 1, |probe| {
        let data = [4; 8];
        let number = probe.endpoint().next_number(Level::OneRtt);
        for frame in [Frame::Ping, Frame::PathChallenge { data }] {
            probe.send(one_rtt([frame]).numbered(number));
        }
        let data = [5; 8];
        probe.send(one_rtt([Frame::PathChallenge { data }]));
        probe.settle(SOON);
        let packets = probe.endpoint().received().iter();
        let mut frames: Vec<_> = packets.flat_map(|packet| packet.frames()).collect();
        frames.retain(|frame| matches!(frame, Frame::PathResponse { .. }));
        frames.len()
    });
    shows_later(Fault::DiesOfOtherVersion, true, |probe| {
        let destination = probe.endpoint().connection_ids().destination;
        let other = long(0x1a2a_3a4a, &destination, &[2; 8], 1_200);
        probe.endpoint_mut().send_raw(PathId(0), other, Ecn::NotEct);
        probe.lives()
    });
    let id = StreamId::new(qecho_packet::Side::Client, Dir::Bidirectional, 0);
    shows_later(Fault::NoCredit, true, |probe| {
        for offset in (0..200_000).step_by(1_000) {
            probe.send(one_rtt([Frame::Stream {
                id,
                offset,
                fin: false,
                data: &[0; 1_000],
            }]));
        }
        let received = &probe.endpoint().received().len();
        let credit = |frame: &Frame<'_>| matches!(frame, Frame::MaxStreamData { .. });
        let from = received.saturating_sub(1);
        probe.wait_for(|endpoint| frames_from(endpoint, from, credit), SOON)
    });
}

#[test]
fn a_server_that_does_not_end_as_it_should_shows_it() {
    shows_later(Fault::TalksAfterClose, false, |probe| {
        probe.settle(SOON);
        probe.endpoint_mut().close(true, 0, "");
        probe.flush();
        probe.send(one_rtt([Frame::Ping]));
        comes(probe, |frame| {
            !matches!(frame, Frame::ConnectionClose { .. })
        })
    });
    shows_later(Fault::ClosesOnce, true, |probe| {
        probe.endpoint_mut().behaviour.heeds_close = false;
        let reaction = probe.reaction_to(one_rtt([Frame::HandshakeDone]));
        assert!(matches!(reaction, Reaction::Closed(_)));
        (0..4).any(|_| {
            probe.send(one_rtt([Frame::Ping]));
            comes(probe, |frame| {
                matches!(frame, Frame::ConnectionClose { .. })
            })
        })
    });
    let idle = |fault: Option<Fault>| {
        let server = good_server().with_faults(fault);
        let mut network = Simulated::new(server, Conditions::default());
        let mut probe = Probe::client(&mut network, client_config());
        assert_eq!(probe.open(), Opened::Confirmed);
        probe.endpoint_mut().behaviour.times_out = false;
        probe.settle(Duration::from_secs(100));
        drop(probe);
        network.far.connections[0].ended().cloned()
    };
    assert_eq!(idle(None), Some(Ended::TimedOut));
    assert_eq!(idle(Some(Fault::NeverTimesOut)), None);
}

#[test]
fn faults_and_rules_have_no_doubles() {
    let faults: BTreeSet<_> = Fault::ALL.iter().collect();
    assert_eq!(faults.len(), Fault::ALL.len());
    for rule in Rule::ALL {
        assert!(rule.section().starts_with("9"), "{rule:?}");
    }
}
