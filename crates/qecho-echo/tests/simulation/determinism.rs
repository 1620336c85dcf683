//! A seed repeats what the shards and the network do.

use std::time::Duration;

use qecho_netsim::link::Counts;

use qecho_testkit::{
    scenario::{KIB, Scenario},
    stream::Plan,
};

/// Outcome of a run: both links' counts and the time it took.
fn outcome(seed: u64) -> (Counts, Counts, Duration) {
    let scenario = Scenario::seeded(seed)
        .loss(0.1)
        .reordering(0.1)
        .duplication(0.1)
        .streams(4, &Plan::bidirectional(200 * KIB))
        .streams(4, &Plan::unidirectional(200 * KIB));
    let mut world = scenario.begin();
    let began = world.now();
    world.until("all is done", |both| both.near.application().is_done());
    world.check_all_returned();
    let took = world.now() - began;
    let (up, down) = world.links();
    (up.counts(), down.counts(), took)
}

#[test]
fn the_same_seed_sends_the_same_datagrams_at_the_same_times() {
    for seed in 0..10 {
        assert_eq!(outcome(seed), outcome(seed), "seed {seed}");
    }
}

#[test]
fn another_seed_does_not() {
    assert_ne!(outcome(1), outcome(2));
}
