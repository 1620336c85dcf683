//! A script comes to the same result where the path is bad.

use std::time::Duration;

use qecho_packet::{StreamId, close::STREAM_STATE_ERROR, wire::Frame};
use qecho_peer::{
    packet::{Packet, one_rtt},
    rules::Rule,
    script::{Opened, Probe, Reaction},
    simulated::{Conditions, Simulated, SimulatedServer},
};

use crate::ends::{client_config, good_server};

/// Returns how a server reacts through a path that loses every twentieth datagram, by the seed
/// of the losses.
fn reaction(server: SimulatedServer, packet: Packet, seed: u64) -> Reaction {
    let delay = Duration::from_millis(100);
    let conditions = Conditions::default().losing(0.05, seed).delayed(delay);
    let mut network = Simulated::new(server, conditions);
    let mut probe = Probe::client(&mut network, client_config());
    probe.patience = Duration::from_secs(20);
    assert_eq!(probe.open(), Opened::Confirmed, "seed {seed}");
    probe.reaction_to(packet)
}

#[test]
fn reactions_are_the_same_where_packets_are_late_and_lost() {
    let id = StreamId::from_value(41);
    let stop = || one_rtt([Frame::StopSending { id, code: 0 }]);
    for seed in 0..20 {
        let closed = reaction(good_server(), stop(), seed);
        let is_close =
            matches!(&closed, Reaction::Closed(close) if close.code == STREAM_STATE_ERROR);
        assert!(is_close, "seed {seed}: {closed:?}");

        let mutant = good_server().with_rules(|rules| rules.ignoring([Rule::StopNotOpened]));
        let lives_on = |is_acknowledged| Reaction::LivesOn { is_acknowledged };
        assert_eq!(
            reaction(mutant, stop(), seed),
            lives_on(true),
            "seed {seed}"
        );

        let packet = one_rtt([Frame::Ping]).without_fixed_bit();
        let discarded = reaction(good_server(), packet, seed);
        assert_eq!(discarded, lives_on(false), "seed {seed}");
    }
}

#[test]
fn a_server_that_answers_nothing_costs_the_patience_and_no_more() {
    let server = good_server().with_faults([qecho_peer::faults::Fault::Silent]);
    let mut network = Simulated::new(server, Conditions::default());
    let mut probe = Probe::client(&mut network, client_config());
    let began = probe.now();
    assert_eq!(probe.open(), Opened::Silent);
    assert_eq!(probe.now() - began, probe.patience);
}
