//! The echo protocol of docs/protocol.md: FIN, RESET_STREAM, STOP_SENDING,
//! pairs of unidirectional streams, one message per stream.

use std::time::Duration;

use qecho_echo::server::{CODE_MESSAGE_ENDED, CODE_NO_UNIDIRECTIONAL_STREAMS};
use qecho_engine::{Dir, Side, StreamId};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use qecho_testkit::{
    load::Command,
    scenario::{KIB, MIB, Scenario, World, any_stream},
    stream::{Ended, Plan},
};

const BOTH_DIRECTIONS: [Dir; 2] = [Dir::Bidirectional, Dir::Unidirectional];

#[test]
fn fin_answers_fin_after_the_last_byte_and_not_before() {
    for direction in BOTH_DIRECTIONS {
        let plan = Plan::new(direction, 10 * KIB).without_fin();
        let mut world = Scenario::seeded(1).stream(plan).finish();
        world.run_for(Duration::from_secs(60));
        let stream = world.streams()[0];
        assert_eq!(stream.received, 10 * KIB);
        assert_eq!(stream.ended, None, "no FIN came, none goes back");
    }
    Scenario::seeded(1).echo(10 * KIB).check_all_returned();
}

#[test]
fn a_reset_is_answered_by_a_reset_with_the_same_code() {
    for direction in BOTH_DIRECTIONS {
        for (seed, bytes) in [(2, 0), (3, 1), (4, 100 * KIB)] {
            let code = 1_000 + seed;
            let plan = Plan::new(direction, MIB).reset_after(bytes, code);
            let world = Scenario::seeded(seed).loss(0.1).stream(plan).finish();
            let ended = world.streams()[0].ended;
            assert_eq!(ended, Some(Ended::Reset(code)), "seed {seed}");
            check_nothing_is_kept(world);
        }
    }
}

#[test]
fn stop_sending_is_answered_by_a_reset_and_a_stop_with_the_same_code() {
    for direction in BOTH_DIRECTIONS {
        for (seed, bytes) in [(5, 0), (6, 1), (7, 100 * KIB)] {
            let code = 2_000 + seed;
            let plan = Plan::new(direction, 8 * MIB).stop_after(bytes, code);
            let mut world = Scenario::seeded(seed).loss(0.05).stream(plan).begin();
            let is_stopped = any_stream(|stream| stream.stop_code.is_some());
            world.until("the server asks for no more", is_stopped);
            assert_eq!(world.streams()[0].stop_code, Some(code), "seed {seed}");
            check_nothing_is_kept(world);
        }
    }
}

#[test]
fn resets_and_stops_at_any_byte_disturb_no_other_stream() {
    for seed in 100..130 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut scenario = Scenario::seeded(seed)
            .loss(0.05)
            .reordering(0.1)
            .echo(200 * KIB)
            .stream(Plan::unidirectional(200 * KIB));
        for number in 0..30 {
            let direction = BOTH_DIRECTIONS[number % 2];
            let at = random.random_range(0..100_000);
            let plan = Plan::new(direction, 100_000);
            scenario = scenario.stream(match number % 3 {
                0 => plan.reset_after(at, random.random_range(0..1 << 62)),
                1 => plan.stop_after(at, random.random_range(0..1 << 62)),
                _ => plan
                    .reset_after(at, 1)
                    .stop_after(random.random_range(0..100_000), 2),
            });
        }
        let mut world = scenario.finish();
        world.run_for(Duration::from_secs(5));
        world.check_no_fault();
        let id = |direction| StreamId::new(Side::Client, direction, 0);
        for direction in BOTH_DIRECTIONS {
            let undisturbed = &world.client().streams[&id(direction)];
            assert!(undisturbed.is_whole(), "seed {seed}: {undisturbed:?}");
        }
        check_nothing_is_kept(world);
    }
}

#[test]
fn a_close_at_any_moment_leaves_nothing_behind() {
    for seed in 200..240 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut world = Scenario::seeded(seed)
            .loss(0.1)
            .reordering(0.1)
            .streams(5, &Plan::bidirectional(MIB))
            .streams(5, &Plan::unidirectional(MIB))
            .begin();
        world.run_for(Duration::from_millis(random.random_range(0..500)));
        world.check_no_fault();
        world.tell(Command::Close(7));
        // The close may get lost; then the idle timeout ends it.
        world.until("both ends have forgotten the connection", |both| {
            both.near.connections() == 0 && both.far.connections() == 0
        });
    }
}

#[test]
fn five_thousand_abandoned_streams_in_a_row_leave_room_for_more() {
    for plan in [
        Plan::bidirectional(100).reset_after(50, 3),
        Plan::bidirectional(100).reset_after(50, 3).stop_after(0, 3),
        Plan::unidirectional(100).reset_after(50, 3),
        Plan::unidirectional(100).stop_after(0, 3),
    ] {
        let world = Scenario::seeded(300).streams(5_000, &plan).finish();
        assert_eq!(world.streams().len(), 5_000, "{plan:?}");
        check_nothing_is_kept(world);
    }
}

#[test]
fn five_thousand_streams_in_a_row_are_all_echoed() {
    for direction in BOTH_DIRECTIONS {
        let scenario = Scenario::seeded(301).streams(5_000, &Plan::new(direction, 100));
        scenario.check_all_returned();
    }
}

#[test]
fn unidirectional_streams_beyond_the_allowance_wait_and_are_all_echoed_in_order() {
    for seed in 310..314 {
        // The client allows few at first and more as they are used.
        Scenario::seeded(seed)
            .loss(0.1)
            .streams(64, &Plan::unidirectional(20 * KIB))
            .check_all_returned();
    }
}

#[test]
fn a_client_that_allows_few_unidirectional_streams_gets_all_of_them_at_last() {
    for seed in 320..323 {
        Scenario::seeded(seed)
            .loss(0.1)
            .client_allows_unidirectional(2)
            .streams(30, &Plan::unidirectional(20 * KIB))
            .streams(3, &Plan::bidirectional(20 * KIB))
            .check_all_returned();
    }
}

#[test]
fn a_client_that_allows_no_unidirectional_stream_is_told_to_stop() {
    let mut world = Scenario::seeded(330)
        .client_allows_unidirectional(0)
        .streams(3, &Plan::unidirectional(20 * KIB))
        .stream(Plan::bidirectional(20 * KIB))
        .finish();
    world.run_for(Duration::from_secs(1));
    let streams = world.streams();
    assert!(streams[0].is_whole(), "{:?}", streams[0]);
    for stream in &streams[1..] {
        assert_eq!(stream.stop_code, Some(CODE_NO_UNIDIRECTIONAL_STREAMS));
        assert_eq!((stream.received, stream.ended), (0, None));
    }
}

#[test]
fn one_message_per_stream_is_echoed_with_its_fin() {
    for direction in BOTH_DIRECTIONS {
        let plan = Plan::new(direction, 500).without_fin();
        let mut world = Scenario::seeded(340)
            .end_after_message()
            .streams(3, &plan)
            .begin();
        world.until("every stream has ended", |both| {
            let client = &both.near.application().connections[0];
            client.streams.len() == 3 && client.streams.values().all(|one| one.ended.is_some())
        });
        world.check_all_returned();
    }
}

#[test]
fn a_message_and_the_fin_of_its_echo_come_together() {
    for direction in BOTH_DIRECTIONS {
        // A client that waits for the end asks for the next message only then.
        let plan = Plan::new(direction, 500).without_fin();
        let mut world = Scenario::seeded(342)
            .end_after_message()
            .stream(plan)
            .begin();
        let has_come = any_stream(|stream| stream.received > 0);
        world.until("something has come back", has_come);
        let stream = world.streams()[0];
        assert_eq!((stream.received, stream.ended), (500, Some(Ended::Fin)));
    }
}

#[test]
fn a_fin_that_came_with_a_large_packet_goes_with_its_echo() {
    const LARGE: u64 = 20_000;
    let mut world = Scenario::seeded(343)
        .path_mtu(65_535)
        .udp_payload_max(60_000)
        .echo(4 * MIB)
        .begin();
    world.until("the path is known", |both| {
        both.near.application().is_done()
    });
    world.run_for(Duration::from_secs(1));
    let before = world.links().1.counts().sent;
    world.tell(Command::Open(Plan::bidirectional(LARGE)));
    world.until("something has come back", |both| {
        let client = &both.near.application().connections[0];
        let large = client.streams.values().nth(1);
        large.is_some_and(|stream| stream.received > 0)
    });
    assert_eq!(world.links().1.counts().sent, before + 1, "in one datagram");
    let large = world.streams()[1];
    assert_eq!((large.received, large.ended), (LARGE, Some(Ended::Fin)));
}

#[test]
fn what_follows_an_ended_message_is_not_wanted() {
    for direction in BOTH_DIRECTIONS {
        let plan = Plan::new(direction, 4 * MIB);
        let mut world = Scenario::seeded(341)
            .end_after_message()
            .stream(plan)
            .begin();
        let is_stopped = any_stream(|stream| stream.stop_code.is_some());
        world.until("the server asks for no more", is_stopped);
        world.run_for(Duration::from_secs(1));
        world.check_no_fault();
        let stream = world.streams()[0];
        assert_eq!(stream.stop_code, Some(CODE_MESSAGE_ENDED));
        assert_eq!(stream.ended, Some(Ended::Fin), "the message was echoed");
        assert!(stream.received > 0, "{stream:?}");
        check_nothing_is_kept(world);
    }
}

/// Checks that the server keeps nothing of a connection that is over.
fn check_nothing_is_kept(mut world: World) {
    world.tell(Command::Close(0));
    world.until("both ends have forgotten the connection", |both| {
        both.near.connections() == 0 && both.far.connections() == 0
    });
}
