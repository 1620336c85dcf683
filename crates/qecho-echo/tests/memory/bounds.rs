//! The stated bounds.

use std::time::Duration;

use bytes::Bytes;

use qecho_testkit::{
    counting::freed_by_dropping,
    load::Command,
    scenario::{MIB, Scenario, World},
    stream::Plan,
};

const KB: usize = 1_000;

/// Returns the bytes that the server keeps, after everybody else is gone.
fn kept_by_server(world: World) -> usize {
    freed_by_dropping(world.simulation.far)
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

/// Its keys in aws-lc, four of 600 bytes, are allocated in C: they are not counted.
#[test]
fn an_idle_connection_keeps_at_most_15_kb_beside_its_keys() {
    let kept = kept_per_connection(&Scenario::seeded(1), 50, |world| {
        world.run_for(Duration::from_secs(30));
    });
    assert!(kept <= 15 * KB, "{kept} bytes");
}

#[test]
fn a_client_that_sends_for_ever_and_does_not_read_costs_at_most_10_000_kb() {
    // The receive and the send window have 4,194 kB each; the echo may hold
    // 256 KiB between them, and each stream costs something of its own.
    for windows in [0, 100, 1 << 20, 8 << 20] {
        let mut scenario = Scenario::seeded(2)
            .streams(100, &Plan::bidirectional(10 * MIB).unread())
            .streams(100, &Plan::unidirectional(10 * MIB).unread());
        scenario.near.stream_receive_window = windows;
        scenario.near.receive_window = 4 * windows;
        for seconds in [1, 10, 60] {
            let kept = kept_per_connection(&scenario, 1, |world| {
                world.run_for(Duration::from_secs(seconds));
            });
            println!(
                "windows of {windows} bytes, after {seconds} s: {} kB",
                kept / KB
            );
            assert!(kept <= 10_000 * KB, "{windows}, {seconds} s: {kept} bytes");
        }
    }
}

#[test]
fn a_flood_of_empty_datagrams_costs_at_most_600_kb() {
    let scenario = Scenario::seeded(3).datagrams(vec![Bytes::new(); 200_000]);
    for milliseconds in [50, 500, 5_000] {
        let kept = kept_per_connection(&scenario, 1, |world| {
            world.run_for(Duration::from_millis(milliseconds));
        });
        println!("after {milliseconds} ms: {} kB", kept / KB);
        assert!(kept <= 600 * KB, "{kept} bytes");
    }
}

#[test]
fn nothing_is_kept_of_connections_that_are_gone() {
    let scenario = Scenario::seeded(4)
        .streams(2, &Plan::bidirectional(2_000))
        .streams(2, &Plan::unidirectional(2_000));
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
            world.tell(Command::Close(0));
            world.until("the server has forgotten it", |both| {
                both.far.connections() == 0
            });
            world.tell(Command::Connect);
        }
        world.run_for(Duration::from_secs(1));
        world.tell(Command::Close(0));
        world.run_for(Duration::from_secs(60));
        assert_eq!(world.far.connections(), 0);
        kept_by_server(world)
    };
    // TLS remembers its latest 256 sessions; after that nothing may grow.
    let (few, many) = (kept(280), kept(400));
    assert!(many < few + 2 * KB, "{few} bytes, then {many}");
    assert!(many < 100 * KB, "{many} bytes");
}
