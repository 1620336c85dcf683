//! Networks that are slow, lossy or odd, and not sick.

use std::time::Duration;

use qecho_packet::TransportParameters;
use qecho_peer::{endpoint::integer_value, faults::Fault, simulated::SimulatedServer, tls::Group};
use qecho_probe::doctor::{Cause, Door, Options, Report, RungResult, climb};

use crate::{
    servers::{
        ADDRESS, at, chosen_door, examine, examine_at, examine_target, good_config, good_server,
        loses, one, target,
    },
    world::Simulation,
};

#[track_caller]
fn is_well(report: &Report, what: &str) {
    assert_eq!(report.cause(), None, "{what}: {report:#?}");
    // Who forbids migration is not moved.
    let count = if what == "no migration" { 5 } else { 6 };
    assert!(report.rungs.len() == 6, "{what}: {report:#?}");
    let mut tried = report.rungs[..count].iter();
    assert!(
        tried.all(|rung| rung.result == RungResult::Passed),
        "{what}: {report:#?}"
    );
}

#[test]
fn a_good_server_is_well_soon_and_by_few_datagrams() {
    let mut world = one(good_server());
    let begin = world.time();
    is_well(&examine(&mut world), "good");
    let time = world.time() - begin;
    assert!(time < Duration::from_secs(12), "{time:?}");
    // Counted both ways.
    assert!(world.datagrams() < 1_000, "{}", world.datagrams());
}

#[test]
fn no_connection_is_left_to_the_idle_timeout_of_the_server() {
    let mut world = one(good_server());
    is_well(&examine(&mut world), "good");
    world.pause(Duration::from_secs(1));
    assert_eq!(world.living(), 0);
}

#[test]
fn a_round_trip_of_600_ms_is_no_sickness() {
    let mut world = one(good_server()).delayed(Duration::from_millis(300));
    is_well(&examine(&mut world), "far");
    let retries = SimulatedServer::new({
        let mut config = good_config();
        config.retry_token = Some(vec![7; 16]);
        config
    });
    let mut world = one(retries).delayed(Duration::from_millis(300));
    is_well(&examine(&mut world), "far, with Retry");
}

#[test]
fn loss_of_two_percent_is_no_sickness_whatever_is_lost() {
    for seed in 0..60 {
        let delay = Duration::from_millis(if seed % 4 == 0 { 300 } else { 20 });
        let mut world = one(good_server()).losing(0.02, seed).delayed(delay);
        is_well(&examine(&mut world), &format!("seed {seed}"));
    }
}

#[test]
fn loss_of_a_third_is_loss_and_nothing_else() {
    for seed in 0..20 {
        let report = examine(&mut one(good_server()).losing(0.3, seed));
        let causes: Vec<_> = report.findings.iter().map(|it| it.cause).collect();
        assert_eq!(causes, [Cause::Loss], "seed {seed}: {report:#?}");
    }
}

#[test]
fn a_slow_link_is_no_sickness_whether_its_queue_is_long_or_short() {
    for kbit in [32, 64, 100, 185, 400] {
        for queue in [100, 10] {
            let mut world = one(good_server()).slowed(kbit * 1_000, queue);
            let report = examine(&mut world);
            assert_eq!(report.cause(), None, "{kbit} kbit/s, {queue}: {report:#?}");
        }
    }
}

#[test]
fn servers_without_what_they_need_not_have_are_well() {
    let without_ml_kem = {
        let mut config = good_config();
        config.tls.groups = vec![Group::X25519];
        SimulatedServer::new(config)
    };
    let with_tiny_windows = {
        let mut config = good_config();
        let id = TransportParameters::INITIAL_MAX_DATA;
        config.parameters.retain(|(other, _)| *other != id);
        config.parameters.push((id, integer_value(10)));
        SimulatedServer::new(config)
    };
    let without_datagram = {
        let mut config = good_config();
        let id = TransportParameters::MAX_DATAGRAM_FRAME_SIZE;
        config.parameters.retain(|(other, _)| *other != id);
        SimulatedServer::new(config)
    };
    let that_stays = {
        let mut config = good_config();
        let id = TransportParameters::DISABLE_ACTIVE_MIGRATION;
        config.parameters.push((id, Vec::new()));
        SimulatedServer::new(config)
    };
    let without = |fault| good_server().with_faults([fault]);
    for (what, server) in [
        ("no ML-KEM", without_ml_kem),
        ("tiny windows", with_tiny_windows),
        ("no DATAGRAM", without_datagram),
        ("disable_active_migration", that_stays),
        ("no ECN counts", without(Fault::NoEcnCounts)),
        (
            "no Version Negotiation",
            without(Fault::NoVersionNegotiation),
        ),
        ("no migration", without(Fault::NoMigration)),
    ] {
        is_well(&examine(&mut one(server)), what);
    }
}

#[test]
fn patience_without_an_end_is_an_hour_and_no_panic() {
    let mut options = Options::default();
    options.patience = Duration::MAX;
    let mut world = one(good_server());
    let target = target(&[ADDRESS], vec![chosen_door()]);
    let report = climb(
        &mut world,
        Some(&target),
        &options,
        &mut |_| {},
        &mut |_| {},
    );
    is_well(&report, "patient");
}

#[test]
fn a_host_without_ipv6_breaks_no_family() {
    let addresses = ["2001:db8::1", ADDRESS];
    let mut world = Simulation::new().serve(&addresses.map(at), good_server());
    world.is_ipv6_routed = false;
    let report = examine_at(&mut world, &addresses);
    is_well(&report, "without IPv6");
    assert!(report.untried.iter().any(|it| it.contains("2001:db8::1")));
}

#[test]
fn a_route_without_an_address_to_send_from_breaks_no_family() {
    let addresses = ["2001:db8::1", ADDRESS];
    let world = Simulation::new().serve(&addresses.map(at), good_server());
    let mut world = world.behind(loses(|passing| passing.remote.is_ipv6()));
    world.ipv6_source = "::1";
    let report = examine_at(&mut world, &addresses);
    is_well(&report, "no IPv6 address");
    assert!(report.untried.iter().any(|it| it.contains("2001:db8::1")));
}

#[test]
fn an_echo_server_beside_a_web_server_is_found_and_nobody_is_blamed() {
    let doors = vec![
        Door::new(443, Some(b"h3".to_vec()), false),
        Door::new(4_433, Some(b"echo".to_vec()), false),
    ];
    let mut world = one(good_server());
    world.announced = Ok(vec![]);
    is_well(
        &examine_target(&mut world, &target(&[ADDRESS], doors)),
        "4433",
    );
}
