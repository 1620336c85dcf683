//! DATAGRAM frames come back whole and once, or are accounted for.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;

use qecho_testkit::{
    load::Command,
    scenario::{Scenario, World},
};

/// Returns payloads of many lengths that all differ.
fn payloads(count: u32) -> Vec<Bytes> {
    (0..count)
        .map(|number| {
            let length = 4 + (number as usize * 37) % 1_100;
            let mut payload = vec![number as u8; length];
            payload[..4].copy_from_slice(&number.to_be_bytes());
            payload.into()
        })
        .collect()
}

/// Checks that what came back was sent, whole, and came once.
fn check_whole_and_once(world: &World, sent: &[Bytes]) {
    let sent: HashSet<_> = sent.iter().collect();
    let mut seen = HashSet::new();
    for received in &world.client().datagrams_received {
        assert!(
            sent.contains(received),
            "{} bytes nobody sent",
            received.len()
        );
        assert!(seen.insert(received), "the same came twice");
    }
}

#[test]
fn on_a_good_path_every_datagram_comes_back() {
    let sent = payloads(400);
    let mut world = Scenario::seeded(1).datagrams(sent.clone()).finish();
    world.run_for(Duration::from_secs(5));
    check_whole_and_once(&world, &sent);
    assert_eq!(world.client().datagrams_refused, 0);
    assert_eq!(world.client().datagrams_received.len(), sent.len());
    assert_eq!(world.far.application().report().datagrams_echoed, 400);
}

#[test]
fn datagrams_that_come_faster_than_they_can_go_back_are_dropped_and_counted() {
    let sent = payloads(5_000);
    let mut world = Scenario::seeded(2).datagrams(sent.clone()).finish();
    world.run_for(Duration::from_secs(5));
    check_whole_and_once(&world, &sent);
    let report = world.far.application().report();
    let received = world.client().datagrams_received.len() as u64;
    assert_eq!(report.datagrams_echoed, received, "{report:?}");
    assert_eq!(received + report.datagrams_blocked, 5_000, "{report:?}");
    assert!(report.datagrams_blocked > 0, "{report:?}");
}

#[test]
fn on_a_bad_path_each_comes_back_once_or_is_accounted_as_lost() {
    for seed in 10..20 {
        let sent = payloads(1_000);
        let mut world = Scenario::seeded(seed)
            .loss(0.1)
            .duplication(0.2)
            .reordering(0.2)
            .corruption(0.02)
            .datagrams(sent.clone())
            .finish();
        world.run_for(Duration::from_secs(10));
        check_whole_and_once(&world, &sent);
        let report = *world.far.application().report();
        let received = world.client().datagrams_received.len() as u64;
        let (up, down) = world.links();
        let (up, down) = (up.counts(), down.counts());
        let arrived = report.datagrams_echoed
            + report.datagrams_blocked
            + report.datagrams_too_large
            + report.datagrams_unsupported;
        // One packet carries several small frames, at most 300 of four bytes.
        let destroyed = |counts: qecho_netsim::link::Counts| counts.lost + counts.corrupted;
        assert!(arrived <= 1_000, "seed {seed}: {report:?}");
        assert!(
            1_000 - arrived <= destroyed(up) * 300,
            "seed {seed}: {arrived} arrived; {up:?}"
        );
        assert!(
            report.datagrams_echoed - received <= destroyed(down) * 300,
            "seed {seed}: {received} of {report:?}; {down:?}"
        );
        assert!(received > 500, "seed {seed}: only {received} came back");
        assert!(up.duplicated > 0 && down.duplicated > 0, "seed {seed}");
    }
}

#[test]
fn a_datagram_of_no_bytes_comes_back_too() {
    let mut world = Scenario::seeded(30)
        .datagrams(vec![Bytes::new(); 100])
        .finish();
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.client().datagrams_received, vec![Bytes::new(); 100]);
}

#[test]
fn a_datagram_that_the_server_cannot_send_back_is_counted() {
    // The server looks for no MTU above 1,200, the client does.
    let mut scenario = Scenario::seeded(31);
    scenario.far.udp_payload_max = Some(1_200);
    let mut world = scenario.echo(100_000).finish();
    world.run_for(Duration::from_secs(5));
    world.tell(Command::Datagram(Bytes::from(vec![1; 1_300])));
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.client().datagrams_sent, 1);
    assert_eq!(world.client().datagrams_received.len(), 0);
    assert_eq!(world.far.application().report().datagrams_too_large, 1);
}
