//! Rules of a server for the packets of its client, whatever is in them.

use qecho_packet::{
    StreamId, TransportParameters,
    close::{KEY_UPDATE_ERROR, PROTOCOL_VIOLATION},
    wire::Frame,
};
use qecho_peer::{
    faults::Fault,
    packet::{Packet, Phase, empty, handshake, initial, one_rtt},
    rules::Rule,
    script::{Opened, Probe, Reaction},
    simulated::{Conditions, Simulated, SimulatedServer},
    tls::Level,
};

use crate::ends::{DISCARDED, TAKEN, client_config, good_server, server_config, to_server};

/// Runs a script on the good server, whose reaction must be the close, and on a mutant that
/// takes what it sends.
fn refused(rule: Rule, code: u64, send: impl Fn(&mut Probe<'_>) -> Reaction) {
    let reaction = to_server(good_server(), &send);
    let is_right = matches!(&reaction, Reaction::Closed(close) if close.code == code);
    assert!(is_right, "{rule:?}: {reaction:?}");
    let mutant = good_server().with_rules(move |rules| rules.ignoring([rule]));
    assert_eq!(to_server(mutant, &send), TAKEN, "{rule:?}");
}

#[test]
fn a_well_behaved_server_closes_for_each_wrong_packet_and_a_mutant_lives_on() {
    let ping = || one_rtt([Frame::Ping]);
    refused(Rule::ReservedBits, PROTOCOL_VIOLATION, |probe| {
        probe.reaction_to(ping().reserved_bits(0b10))
    });
    refused(Rule::EmptyPacket, PROTOCOL_VIOLATION, |probe| {
        let reaction = probe.reaction_to(empty(Level::OneRtt).number_in(4));
        // Nothing in it elicits an acknowledgement.
        match reaction {
            DISCARDED => TAKEN,
            other => other,
        }
    });
    refused(Rule::RetireInUse, PROTOCOL_VIOLATION, |probe| {
        let ids = probe.endpoint().connection_ids();
        let used = ids
            .remote
            .iter()
            .find(|issued| issued.id == ids.destination);
        let sequence = used.unwrap().sequence;
        let retirement = one_rtt([Frame::RetireConnectionId { sequence }]);
        let other = ids.remote.iter().find(|issued| issued.sequence != sequence);
        let number = probe.endpoint().next_number(Level::OneRtt);
        let other = other.unwrap().id;
        probe.send(retirement);
        let after = probe.reaction_to(one_rtt([Frame::Ping]).destination(other));
        match probe.endpoint().is_acknowledged(Level::OneRtt, number) {
            true => TAKEN,
            false => after,
        }
    });
    refused(Rule::OldKeys, KEY_UPDATE_ERROR, |probe| {
        probe.endpoint_mut().update_keys();
        assert!(probe.lives());
        probe.reaction_to(ping().phase(Phase::Previous))
    });
}

#[test]
fn a_packet_whose_fixed_bit_is_0_is_discarded_unless_the_mutant_takes_it() {
    let send =
        |probe: &mut Probe<'_>| probe.reaction_to(one_rtt([Frame::Ping]).without_fixed_bit());
    assert_eq!(to_server(good_server(), send), DISCARDED);
    let mutant = good_server().with_rules(|rules| rules.ignoring([Rule::FixedBit]));
    assert_eq!(to_server(mutant, send), TAKEN);

    let mut config = server_config();
    let grease = (TransportParameters::GREASE_QUIC_BIT, Vec::new());
    config.parameters.push(grease);
    assert_eq!(to_server(SimulatedServer::new(config), send), TAKEN);
}

#[test]
fn key_updates_before_an_acknowledgement_are_refused_where_it_is_missing() {
    let twice = |probe: &mut Probe<'_>| {
        for _ in 0..2 {
            probe.endpoint_mut().update_keys();
            probe.send(one_rtt([Frame::Ping]));
        }
        probe.reaction()
    };
    let late = || good_server().with_faults([Fault::LateAcknowledgements]);
    let reaction = to_server(late(), twice);
    let is_right = matches!(&reaction, Reaction::Closed(close) if close.code == KEY_UPDATE_ERROR);
    assert!(is_right, "{reaction:?}");
    let mutant = late().with_rules(|rules| rules.ignoring([Rule::EarlyKeyUpdate]));
    // It answers under keys that the client, too, could not expect.
    assert_eq!(to_server(mutant, twice), Reaction::Silent);
}

#[test]
fn key_updates_that_are_acknowledged_are_followed() {
    to_server(good_server(), |probe| {
        for updates in 1..=5 {
            probe.endpoint_mut().update_keys();
            assert!(probe.lives());
            let last = probe.endpoint().received().last().unwrap();
            assert_eq!(last.generation, updates);
        }
    });
}

/// What a client's first packets come to, if they are sent so.
fn early(server: SimulatedServer, packet: Packet) -> Reaction {
    let mut network = Simulated::new(server, Conditions::default());
    let mut config = client_config();
    config.behaviour.acknowledges = false;
    let mut probe = Probe::client(&mut network, config);
    probe.flush();
    // Neither Finished nor anything else ends a level.
    probe.endpoint_mut().behaviour.sends_crypto = false;
    let level = packet.level;
    let patience = probe.patience;
    assert!(probe.wait_for(|endpoint| endpoint.has_keys(level), patience));
    probe.reaction_to(packet)
}

#[test]
fn frames_are_refused_in_packets_that_they_may_not_be_in() {
    let max_data = || Frame::MaxData { maximum: 7 };
    let packets = [
        handshake([Frame::PathChallenge { data: [1; 8] }]),
        handshake([Frame::Stream {
            id: StreamId::from_value(0),
            offset: 0,
            fin: false,
            data: b"a",
        }]),
        handshake([max_data()]),
        initial([max_data()]),
    ];
    for packet in packets {
        let reaction = early(good_server(), packet.clone());
        let code = PROTOCOL_VIOLATION;
        let is_right = matches!(&reaction, Reaction::Closed(close) if close.code == code);
        assert!(is_right, "{packet:?}: {reaction:?}");
        let mutant = good_server().with_rules(|rules| rules.ignoring([Rule::FrameOfPacketType]));
        let reaction = early(mutant, packet.clone());
        assert!(
            matches!(reaction, Reaction::LivesOn { .. }),
            "{packet:?}: {reaction:?}"
        );
    }
}

#[test]
fn initial_packets_in_small_datagrams_are_discarded_unless_the_mutant_takes_them() {
    let open = |server| {
        let mut network = Simulated::new(server, Conditions::default());
        let mut config = client_config();
        config.behaviour.pads_initials = false;
        Probe::client(&mut network, config).open()
    };
    assert_eq!(open(good_server()), Opened::Silent);
    let mutant = good_server().with_rules(|rules| rules.ignoring([Rule::InitialDatagramSize]));
    assert_eq!(open(mutant), Opened::Confirmed);
}
