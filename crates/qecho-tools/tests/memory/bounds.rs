//! The stated bounds.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    counting::freed_by_dropping,
    load::Mail,
    scenario::{MIB, Scenario, World},
    stream::Plan,
};

const KB: usize = 1_000;

/// Returns the bytes that the server keeps, after everybody else is gone.
fn kept_by_server(world: World) -> usize {
    freed_by_dropping(world.into_server())
}

/// Returns the bytes that the server keeps for each of its connections.
fn kept_per_connection(scenario: &Scenario, clients: usize, run: impl Fn(&mut World)) -> usize {
    let kept = |clients| {
        let mut world = scenario.clone().clients(clients).begin();
        run(&mut world);
        assert_eq!(world.far.connections(), clients, "all of them live");
        kept_by_server(world)
    };
    (kept(clients) - kept(0)) / clients
}

#[test]
fn an_idle_connection() {
    let kept = kept_per_connection(&Scenario::seeded(1), 50, |world| {
        world.run_for(Duration::from_secs(30));
    });
    println!("idle: {kept}");
    assert!(kept < 30 * KB, "an idle connection keeps {kept} bytes");
}

#[test]
fn a_client_that_sends_for_ever_and_does_not_read() {
    for (windows, what) in [(0, "no window"), (1 << 20, "usual windows")] {
        let mut scenario = Scenario::seeded(2)
            .streams(900, &Plan::bidirectional(10 * MIB).unread())
            .streams(900, &Plan::unidirectional(10 * MIB).unread());
        scenario.near.stream_receive_window = windows;
        scenario.near.receive_window = 4 * windows;
        for seconds in [1, 10, 60] {
            let kept = kept_per_connection(&scenario, 1, |world| {
                world.run_for(Duration::from_secs(seconds));
            });
            println!("non-reading {what} {seconds}: {kept}");
            assert!(kept < 12 * 1_000 * KB, "{what}: {kept} bytes");
        }
    }
}

#[test]
fn a_client_that_sends_out_of_order_on_every_stream_and_does_not_read() {
    // What arrives before its predecessors is read in one large piece.
    let mut scenario = Scenario::seeded(3)
        .delay(Duration::from_millis(10), Duration::from_millis(200))
        .reordering(0.9)
        .streams(900, &Plan::bidirectional(64_000).unread().without_fin())
        .streams(900, &Plan::unidirectional(64_000).unread().without_fin());
    scenario.near.stream_receive_window = 0;
    scenario.near.receive_window = 0;
    scenario.near.send_window = 1 << 30;
    for seconds in [1, 10, 60] {
        let kept = kept_per_connection(&scenario, 1, |world| {
            world.run_for(Duration::from_secs(seconds));
            if let Some(c) = world.load().connections.first() {
                println!(
                    "{} {} {:?}",
                    c.streams.len(),
                    c.streams.values().map(|s| s.written).sum::<u64>(),
                    world.far.application().report()
                );
            }
        });
        println!("many streams {seconds}: {kept}");
    }
}

#[test]
fn a_flood_of_empty_datagrams() {
    let scenario = Scenario::seeded(3).datagrams(vec![Bytes::new(); 200_000]);
    for milliseconds in [50, 500, 5_000] {
        let kept = kept_per_connection(&scenario, 1, |world| {
            world.run_for(Duration::from_millis(milliseconds));
        });
        println!("datagrams {milliseconds}: {kept}");
        assert!(kept < 1_000 * KB, "{kept} bytes");
    }
}

#[test]
fn nothing_is_kept_of_connections_that_are_gone() {
    let scenario = Scenario::seeded(4)
        .streams(20, &Plan::bidirectional(100_000))
        .streams(20, &Plan::unidirectional(100_000));
    let kept = |rounds| {
        let mut world = scenario.begin();
        for _ in 0..rounds {
            world.until("all is done", |both| {
                both.near
                    .application()
                    .connections
                    .last()
                    .is_some_and(|client| client.is_done())
            });
            world.tell(Mail::Close(0));
            world.until("the server has forgotten it", |both| {
                both.far.connections() == 0
            });
            world.tell(Mail::Connect);
        }
        world.run_for(Duration::from_secs(1));
        world.tell(Mail::Close(0));
        world.run_for(Duration::from_secs(60));
        assert_eq!(world.far.connections(), 0);
        kept_by_server(world)
    };
    let (few, many) = (kept(2), kept(30));
    println!("gone: {few} {many}");
    assert!(
        many < few + 2 * KB,
        "{few} bytes after two, {many} after thirty"
    );
}
