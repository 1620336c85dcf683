//! A client that does not read holds the server back.

use std::time::Duration;

use qecho_testkit::{
    load::Command,
    scenario::{KIB, MIB, Scenario},
    stream::Plan,
};

#[test]
fn a_client_that_does_not_read_holds_the_server_back_and_gets_every_byte_when_it_does() {
    for seed in 0..3 {
        for loss in [0.0, 0.1] {
            let mut world = Scenario::seeded(seed)
                .loss(loss)
                .streams(3, &Plan::bidirectional(10 * MIB).unread())
                .begin();
            world.run_for(Duration::from_secs(60));
            let stalled: u64 = world.streams().iter().map(|stream| stream.written).sum();
            assert!(stalled < 20 * MIB, "seed {seed}: {stalled} of 30 MiB taken");
            let echoed = world.far.application().report().bytes_echoed;
            world.run_for(Duration::from_secs(60));
            let after = world.far.application().report().bytes_echoed;
            assert_eq!(after, echoed, "seed {seed}: nobody moves");
            world.tell(Command::Read);
            world.until("all is done", |both| both.near.application().is_done());
            world.check_all_returned();
        }
    }
}

#[test]
fn unread_streams_do_not_stall_those_that_are_read() {
    let mut world = Scenario::seeded(10)
        .streams(3, &Plan::bidirectional(10 * MIB).unread())
        .begin();
    world.run_for(Duration::from_secs(60));
    world.tell(Command::Open(Plan::bidirectional(500 * KIB)));
    world.tell(Command::Open(Plan::unidirectional(500 * KIB)));
    world.until("the streams that are read are whole", |both| {
        let client = &both.near.application().connections[0];
        let whole = client.streams.values().filter(|stream| stream.is_whole());
        whole.count() == 2
    });
    world.check_no_fault();
}

#[test]
fn streams_that_wait_for_their_pair_do_not_stall_the_one_that_is_echoed() {
    for (seed, allowed) in [(20, 1), (21, 2), (22, 5), (23, 30)] {
        Scenario::seeded(seed)
            .client_allows_unidirectional(allowed)
            .streams(40, &Plan::unidirectional(2 * MIB))
            .check_all_returned();
    }
}

#[test]
fn small_windows_stall_nobody() {
    for seed in 30..50 {
        let mut scenario = Scenario::seeded(seed)
            .loss(0.02)
            .client_allows_unidirectional(1 + seed % 3)
            .streams(10, &Plan::unidirectional(20 * KIB))
            .streams(10, &Plan::bidirectional(20 * KIB));
        for end in [&mut scenario.near, &mut scenario.far] {
            end.stream_receive_window = 2_000;
            end.receive_window = 4 * 2_000;
        }
        scenario.check_all_returned();
    }
}
