//! A server that shuts down lets live streams finish and says goodbye.

use std::time::Duration;

use qecho_echo::server;
use qecho_engine::{CloseReason, limits};
use qecho_netsim::simulation::End;
use qecho_testkit::{
    load::Command,
    scenario::{KIB, MIB, Scenario, World, dead_path},
    stream::Plan,
};

const GRACE: Duration = Duration::from_secs(10);

fn drain(world: &mut World, grace: Duration) {
    let now = world.now();
    world.far.handle_command(now, server::Command::Drain(grace));
}

/// Checks that the server ends in time.
fn server_ends(world: &mut World, limit: Duration) {
    world.within(limit, "the server ends", |both| both.is_finished(End::Far));
}

fn client_ends(world: &mut World, limit: Duration) {
    world.within(limit, "the client ends", |both| both.is_finished(End::Near));
}

fn check_said_goodbye(world: &World) {
    for client in &world.load().connections {
        let Some(CloseReason::Application { code, reason }) = &client.closed else {
            panic!("no goodbye: {:?}", client.closed);
        };
        assert_eq!((*code, &reason[..]), (0, &b"server shutting down"[..]));
    }
}

#[test]
fn live_streams_finish_and_then_every_client_is_told() {
    for seed in 0..6 {
        let mut world = Scenario::seeded(seed)
            .clients(3)
            .loss(if seed % 2 == 0 { 0.0 } else { 0.02 })
            .streams(2, &Plan::bidirectional(MIB))
            .stream(Plan::unidirectional(500 * KIB))
            .begin();
        world.until("a little has come back everywhere", |both| {
            let connections = &both.near.application().connections;
            connections.iter().all(|client| {
                let mut streams = client.streams.values();
                streams.len() == 3 && streams.all(|stream| stream.received > 10 * KIB)
            })
        });
        drain(&mut world, Duration::from_secs(300));
        server_ends(&mut world, Duration::from_secs(100));
        world.within(Duration::from_secs(5), "every client knows", |both| {
            let connections = &both.near.application().connections;
            connections.iter().all(|client| client.closed.is_some())
        });
        world.check_no_fault();
        for client in &world.load().connections {
            for stream in client.streams.values() {
                assert!(stream.is_whole(), "{stream:?}");
            }
        }
        check_said_goodbye(&world);
    }
}

#[test]
fn a_closed_connection_is_forgotten_in_time_however_long_its_round_trips_seem() {
    let delay = Duration::from_secs(4);
    let mut world = Scenario::seeded(15)
        .delay(delay, Duration::ZERO)
        .echo(KIB)
        .finish();
    world.tell(Command::Close(0));
    world.within(2 * delay, "the server has heard of it", |both| {
        both.far.connections() == 1 && both.near.application().connections[0].closed.is_some()
    });
    // Three probe timeouts, as the round trips have them, would be a minute.
    let most = delay + limits::CLOSED_KEPT_TIME_MAX + Duration::from_millis(1);
    world.within(most, "the server forgets it", |both| {
        both.far.connections() == 0
    });
}

#[test]
fn a_server_without_connections_ends_at_once() {
    let mut world = Scenario::seeded(10).clients(0).begin();
    drain(&mut world, GRACE);
    server_ends(&mut world, Duration::ZERO);
}

#[test]
fn idle_clients_are_told_at_once() {
    let mut world = Scenario::seeded(11).clients(5).echo(KIB).finish();
    world.run_for(Duration::from_secs(1));
    drain(&mut world, GRACE);
    server_ends(&mut world, Duration::from_millis(100));
    world.run_for(Duration::from_millis(100));
    check_said_goodbye(&world);
}

#[test]
fn a_stalled_client_does_not_hold_the_server_longer_than_grace_and_a_second() {
    for seed in 20..23 {
        let mut world = Scenario::seeded(seed)
            .streams(2, &Plan::bidirectional(10 * MIB).unread())
            .begin();
        world.run_for(Duration::from_secs(5));
        drain(&mut world, GRACE);
        world.run_for(GRACE - Duration::from_millis(1));
        assert!(!world.is_finished(End::Far), "the streams may still finish");
        server_ends(&mut world, Duration::from_secs(1));
        world.run_for(Duration::from_secs(1));
        check_said_goodbye(&world);
    }
}

#[test]
fn a_vanished_client_does_not_hold_the_server_longer_than_grace_and_a_second() {
    let scenario = Scenario::seeded(30).streams(2, &Plan::bidirectional(10 * MIB));
    let mut world = scenario.begin();
    world.run_for(Duration::from_millis(100));
    world.set_conditions(&dead_path());
    drain(&mut world, GRACE);
    world.run_for(GRACE - Duration::from_millis(1));
    assert!(!world.is_finished(End::Far));
    server_ends(&mut world, Duration::from_millis(1_001));
}

#[test]
fn nobody_new_is_let_in_while_the_server_drains() {
    let mut world = Scenario::seeded(40)
        .streams(1, &Plan::bidirectional(10 * MIB).unread())
        .begin();
    world.run_for(Duration::from_secs(1));
    drain(&mut world, GRACE);
    world.tell(Command::Connect);
    world.within(Duration::from_secs(1), "the newcomer is refused", |both| {
        both.near.application().connections[1].closed.is_some()
    });
    let closed = world.load().connections[1].closed.clone();
    let code = closed.and_then(|reason| reason.transport_code());
    assert_eq!(code, Some(qecho_packet::close::CONNECTION_REFUSED));
}

#[test]
fn a_client_that_shuts_down_is_finished_when_the_server_has_answered() {
    let mut world = Scenario::seeded(50).echo(100 * KIB).finish();
    world.tell(Command::ShutDown);
    client_ends(&mut world, Duration::from_millis(100));
}

#[test]
fn a_client_that_shuts_down_waits_no_longer_than_it_lingers() {
    let mut world = Scenario::seeded(51).echo(100 * KIB).finish();
    world.links().1.set_conditions(dead_path());
    world.tell(Command::ShutDown);
    world.run_for(Duration::from_millis(50));
    assert!(!world.is_finished(End::Near), "nobody has answered yet");
    client_ends(&mut world, limits::LINGER);
}

#[test]
fn a_client_drains_too() {
    let mut world = Scenario::seeded(52).echo(MIB).begin();
    world.run_for(Duration::from_millis(20));
    world.tell(Command::Drain(GRACE));
    client_ends(&mut world, GRACE);
    assert!(world.streams()[0].is_whole(), "{:?}", world.streams()[0]);
}

#[test]
fn time_goes_on_after_a_shard_has_finished() {
    let mut world = Scenario::seeded(53).clients(0).begin();
    drain(&mut world, Duration::ZERO);
    world.run_for(Duration::from_secs(60));
    assert!(world.is_finished(End::Far));
}

#[test]
fn a_close_leaves_even_when_the_congestion_window_is_full() {
    for seed in 60..63 {
        let mut world = Scenario::seeded(seed).echo(50 * MIB).begin();
        world.run_for(Duration::from_millis(21));
        world.links().1.set_conditions(dead_path());
        // No acknowledgement comes, so the window fills.
        world.run_for(Duration::from_millis(15));
        world.tell(Command::Close(7));
        world.within(Duration::from_secs(1), "the server hears it", |both| {
            both.far.connections() == 0
        });
    }
}
