//! Networks that forget whoever is silent, and those that only are slow.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use qecho_packet::TransportParameters;
use qecho_peer::{endpoint::integer_value, network::PathId, simulated::SimulatedServer};
use qecho_probe::doctor::{Cause, Options, Report, climb};

use crate::{
    servers::{ADDRESS, chosen_door, good_config, one, target},
    world::{Fate, Passing, Simulation},
};

/// A server whose idle timeout is 30 seconds, as is usual.
fn server() -> SimulatedServer {
    server_of(30)
}

/// A server of such an idle timeout.
fn server_of(seconds: u64) -> SimulatedServer {
    let mut config = good_config();
    let id = TransportParameters::MAX_IDLE_TIMEOUT;
    config.parameters.retain(|(other, _)| *other != id);
    config.parameters.push((id, integer_value(seconds * 1_000)));
    SimulatedServer::new(config)
}

/// A firewall that lets nothing of a connection pass any more after such a silence.
fn forgetting(seconds: u64) -> impl FnMut(&Passing<'_>) -> Fate + 'static {
    let mut used: BTreeMap<PathId, Instant> = BTreeMap::new();
    move |passing| {
        let last = *used.entry(passing.path).or_insert(passing.at);
        if passing.at - last >= Duration::from_secs(seconds) {
            return Fate::Lost;
        }
        used.insert(passing.path, passing.at);
        Fate::Passes
    }
}

/// What a server is like that gives a connection up after such a silence, whatever else comes from
/// its port.
fn giving_up(seconds: u64) -> impl FnMut(&Passing<'_>) -> Fate + 'static {
    let mut forgets = forgetting(seconds);
    move |passing| match passing.datagram[0] & 0x80 {
        0 => forgets(passing),
        _ => Fate::Passes,
    }
}

/// A NAT that heeds only what leaves, and lets nothing in after a silence of that.
fn heeding_what_leaves(seconds: u64) -> impl FnMut(&Passing<'_>) -> Fate + 'static {
    let mut left: BTreeMap<PathId, Instant> = BTreeMap::new();
    move |passing| {
        let last = *left.entry(passing.path).or_insert(passing.at);
        match passing.at - last >= Duration::from_secs(seconds) {
            true => Fate::Lost,
            false if passing.is_to_server => {
                left.insert(passing.path, passing.at);
                Fate::Passes
            }
            false => Fate::Passes,
        }
    }
}

fn examine(world: &mut Simulation) -> Report {
    let mut options = Options::default();
    options.tries_silences = true;
    let target = target(&[ADDRESS], vec![chosen_door()]);
    climb(world, Some(&target), &options, &mut |_| {}, &mut |_| {})
}

/// Returns the silence that is named, in seconds.
#[track_caller]
fn named(report: &Report) -> u64 {
    assert_eq!(report.cause(), Some(Cause::NatForgets), "{report:#?}");
    let facts = &report.rungs.last().unwrap().facts;
    facts["silence_forgotten_s"].as_u64().unwrap()
}

#[test]
fn a_nat_of_28_seconds_is_named_though_connections_end_after_30() {
    let mut world = one(server()).behind(forgetting(28));
    let report = examine(&mut world);
    assert_eq!(named(&report), 28);
    let evidence = report.findings[0].evidence.join("\n");
    assert!(
        evidence.contains("after 28 s of silence again"),
        "{evidence}"
    );
}

#[test]
fn a_round_trip_of_600_ms_makes_no_silence_longer_than_it_is_said_to_be() {
    let far = Duration::from_millis(300);
    for seconds in [10, 20] {
        let mut world = one(server()).delayed(far).behind(forgetting(seconds));
        let named = named(&examine(&mut world));
        assert!((seconds..=seconds + 4).contains(&named), "{named}");
    }
    let report = examine(&mut one(server()).delayed(far));
    assert_eq!(report.cause(), None, "{report:#?}");
}

#[test]
fn each_nat_that_forgets_before_the_idle_timeout_is_named_with_a_keep_alive_that_helps() {
    for nat in [5, 20, 28, 45, 60] {
        for idle in [10, 30, 60, 120] {
            let report = examine(&mut one(server_of(idle)).behind(forgetting(nat)));
            // Two seconds before the idle timeout nobody can tell the two apart.
            if nat + 2 > idle {
                assert_eq!(report.cause(), None, "{nat} s, {idle} s: {report:#?}");
                continue;
            }
            assert_eq!(named(&report), nat, "{idle} s");
            let keep_alive = format!("every {} s", nat * 2 / 3);
            let advice = &report.findings[0].advice;
            assert!(advice.contains(&keep_alive), "{nat} s, {idle} s: {advice}");
        }
    }
    let report = examine(&mut one(server()).behind(heeding_what_leaves(20)));
    assert_eq!(named(&report), 20);
}

#[test]
fn a_server_that_gives_connections_up_early_is_no_nat() {
    for seconds in [10, 20] {
        let report = examine(&mut one(server()).behind(giving_up(seconds)));
        assert_eq!(report.cause(), None, "{report:#?}");
        let lines = report.rungs.last().unwrap().lines.join("\n");
        assert!(lines.contains("the server has given up"), "{lines}");
    }
}
