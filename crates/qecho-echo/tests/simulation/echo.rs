//! Every byte comes back once and in order, however bad the path.

use std::{num::NonZeroU64, time::Duration};

use qecho_netsim::{
    link::{Blackhole, Counts},
    simulation::NEAR,
};

use qecho_testkit::{
    scenario::{KIB, MIB, Scenario, any_stream},
    stream::Plan,
};

const LOSSES: [f64; 4] = [0.0, 0.01, 0.10, 0.30];

/// Runs a scenario at every share of loss.
fn at_every_loss(seeds: std::ops::Range<u64>, scenario: impl Fn(Scenario) -> Scenario) {
    for loss in LOSSES {
        for seed in seeds.clone() {
            scenario(Scenario::seeded(seed).loss(loss)).check_all_returned();
        }
    }
}

fn four_streams(scenario: Scenario) -> Scenario {
    scenario
        .streams(2, &Plan::bidirectional(100 * KIB))
        .streams(2, &Plan::unidirectional(100 * KIB))
}

#[test]
fn a_megabyte_on_several_streams_at_once_comes_back_at_every_loss() {
    at_every_loss(0..2, |scenario| {
        scenario
            .streams(3, &Plan::bidirectional(MIB))
            .stream(Plan::unidirectional(MIB))
    });
}

#[test]
fn reordering_and_jitter_disturb_nothing() {
    at_every_loss(10..13, |scenario| {
        four_streams(scenario)
            .delay(Duration::from_millis(20), Duration::from_millis(30))
            .reordering(0.2)
    });
}

#[test]
fn duplicates_show_once() {
    at_every_loss(20..23, |scenario| four_streams(scenario).duplication(0.3));
}

#[test]
fn corruption_is_never_passed_on() {
    at_every_loss(30..33, |scenario| four_streams(scenario).corruption(0.1));
}

#[test]
fn everything_at_once_disturbs_nothing() {
    at_every_loss(40..44, |scenario| {
        scenario
            .delay(Duration::from_millis(100), Duration::from_millis(50))
            .reordering(0.1)
            .duplication(0.1)
            .corruption(0.05)
            .streams(4, &Plan::bidirectional(50 * KIB))
            .streams(4, &Plan::unidirectional(50 * KIB))
    });
}

#[test]
fn a_path_that_takes_a_second_and_a_half_carries_everything() {
    Scenario::seeded(50)
        .delay(Duration::from_millis(1_500), Duration::ZERO)
        .loss(0.02)
        .echo(300 * KIB)
        .check_all_returned();
}

/// Echoes a megabyte; returns what the way to the server did.
fn counts_of_a_megabyte(scenario: Scenario) -> Counts {
    let mut world = scenario.echo(MIB).begin();
    world.until("all is done", |both| both.near.application().is_done());
    world.check_all_returned();
    world.links().0.counts()
}

#[test]
fn loss_in_long_bursts_disturbs_nothing() {
    for seed in 100..104 {
        let scenario = Scenario::seeded(seed).path(|path| (path.loss, path.burst) = (0.05, 10));
        let counts = counts_of_a_megabyte(scenario);
        assert!(counts.lost >= 10, "{counts:?}");
    }
}

#[test]
fn a_narrow_line_whose_queue_overflows_carries_everything() {
    for seed in 110..114 {
        let scenario = Scenario::seeded(seed).path(|path| {
            path.rate = NonZeroU64::new(5_000_000);
            path.queue = 10;
        });
        let counts = counts_of_a_megabyte(scenario);
        assert!(counts.queue_full > 0, "{counts:?}");
    }
}

#[test]
fn a_path_that_is_cut_again_and_again_carries_everything() {
    for seed in 120..124 {
        let scenario = Scenario::seeded(seed).path(|path| {
            path.rate = NonZeroU64::new(2_000_000);
            path.blackhole = Some(Blackhole {
                open: Duration::from_secs(2),
                closed: Duration::from_millis(500),
            });
        });
        let counts = counts_of_a_megabyte(scenario);
        assert!(counts.blackholed > 0, "{counts:?}");
    }
}

#[test]
fn every_mtu_from_the_smallest_to_jumbo_frames_carries_everything() {
    for (seed, mtu) in [(60, 1_200), (61, 1_500), (62, 9_000)] {
        for loss in [0.0, 0.05] {
            Scenario::seeded(seed)
                .udp_payload_max(9_000)
                .path_mtu(mtu)
                .loss(loss)
                .streams(2, &Plan::bidirectional(MIB))
                .check_all_returned();
        }
    }
}

#[test]
fn a_path_that_becomes_narrow_in_the_middle_still_carries_everything() {
    for seed in 70..73 {
        let scenario = Scenario::seeded(seed)
            .udp_payload_max(9_000)
            .path_mtu(9_000)
            .streams(2, &Plan::bidirectional(2 * MIB));
        let mut world = scenario.begin();
        let third = any_stream(|stream| stream.received > 2 * MIB / 3);
        world.until("a third has come back", third);
        let before = world.links().0.counts();
        assert_eq!(before.lost, 0, "the path was perfect");
        world.set_conditions(scenario.path_mtu(1_200).conditions());
        world.until("all is done", |both| both.near.application().is_done());
        world.check_all_returned();
        let counts = world.links().0.counts();
        assert!(counts.too_long > before.too_long, "{counts:?}");
    }
}

#[test]
fn a_client_whose_address_changes_in_the_middle_loses_nothing() {
    for seed in 80..86 {
        let mut world = Scenario::seeded(seed)
            .loss(if seed % 2 == 0 { 0.0 } else { 0.1 })
            .streams(2, &Plan::bidirectional(300 * KIB))
            .stream(Plan::unidirectional(300 * KIB))
            .begin();
        for change in 1..=3 {
            world.until("more has come back", |both| {
                let client = &both.near.application().connections[0];
                let received: u64 = client.streams.values().map(|stream| stream.received).sum();
                received > change * 200 * KIB
            });
            let mut address = NEAR;
            // A new port, then a new host too.
            address.set_port(NEAR.port() + change as u16);
            if change == 2 {
                address.set_ip([198, 51, 100, 7].into());
            }
            world.rebind(address);
        }
        world.until("all is done", |both| both.near.application().is_done());
        world.check_all_returned();
    }
}

#[test]
fn many_clients_are_served_at_once() {
    Scenario::seeded(90)
        .clients(40)
        .loss(0.05)
        .streams(3, &Plan::bidirectional(20 * KIB))
        .stream(Plan::unidirectional(20 * KIB))
        .check_all_returned();
}

#[test]
fn streams_of_no_bytes_are_answered_by_fin_alone() {
    Scenario::seeded(91)
        .loss(0.1)
        .streams(50, &Plan::bidirectional(0))
        .streams(50, &Plan::unidirectional(0))
        .check_all_returned();
}

#[test]
fn small_pieces_come_back_whole() {
    Scenario::seeded(92)
        .loss(0.05)
        .reordering(0.1)
        .streams(4, &Plan::bidirectional(5_000).in_pieces_of(1))
        .streams(2, &Plan::unidirectional(5_000).in_pieces_of(1))
        .check_all_returned();
}

#[test]
fn the_server_counts_what_it_echoed() {
    let world = Scenario::seeded(93)
        .streams(3, &Plan::bidirectional(100 * KIB))
        .finish();
    let report = world.far.application().report();
    assert_eq!(report.connections, 1);
    assert_eq!(report.streams, 3);
    assert_eq!(report.bytes_echoed, 300 * KIB);
}

#[test]
fn silent_connections_wake_nobody() {
    let mut world = Scenario::seeded(1).clients(100).begin();
    world.until("all are in", |both| {
        let load = both.near.application();
        load.connections.iter().all(|client| client.connected)
    });
    // The last acknowledgements, and the search for the path's MTU.
    world.run_for(Duration::from_secs(2));
    let mut turns = 0;
    world.run_until(Duration::from_secs(60), |_| {
        turns += 1;
        false
    });
    assert_eq!(turns, 1, "the first, and then nothing is due");
    assert_eq!(world.far.connections(), 100);
}

#[test]
fn a_large_certificate_chain_comes_through_a_bad_network() {
    for seed in 0..20 {
        Scenario::seeded(seed)
            .chain(48_000)
            .loss(0.2)
            .reordering(0.1)
            .stream(Plan::bidirectional(10 * KIB))
            .check_all_returned();
    }
}
