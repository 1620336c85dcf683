//! A ping measures what the path did.

use std::time::Duration;

use qecho_echo::server::Echo;
use qecho_engine::EarlyData;
use qecho_measure::ping::{
    EarlyEcho, HandshakeTimes, LatencySummary, Measure, Mode, PingEvent, ReplyKind,
};
use qecho_netsim::{link::Conditions, simulation::FAR};
use qecho_testkit::{
    identity::Identity,
    scenario::{Scenario, dead_path, good_path},
};

use crate::responses::{Pinging, config, echo};

pub(crate) const fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn delay(count: u64) -> Conditions {
    Conditions {
        delay: milliseconds(count),
        ..Conditions::default()
    }
}

/// Lets nothing pass for so long.
fn interrupt(ping: &mut Pinging<Echo>, time: Duration) {
    ping.simulation.set_conditions(&dead_path());
    ping.run(time);
    ping.simulation.set_conditions(&good_path());
}

/// Checks that a percentile is what it must be, as exact as its digits.
#[track_caller]
fn check(found: Duration, expected: Duration) {
    assert!(
        found.abs_diff(expected) <= expected / 500,
        "{found:?}, expected {expected:?}"
    );
}

#[test]
fn a_steady_path_has_one_time() {
    for over in [Mode::Stream, Mode::Datagram] {
        for interval in [milliseconds(100), Duration::ZERO] {
            let mut ping = echo(over, 200, |config| config.interval = interval);
            let report = ping.report();
            assert_eq!(report.outcome, Ok(()));
            assert_eq!((report.counts.sent, report.counts.received), (200, 200));
            let ten = milliseconds(10);
            let summary = report.times.summary();
            let expected = LatencySummary {
                count: 200,
                min: ten,
                mean: ten,
                p50: ten,
                p90: Some(ten),
                p99: Some(ten),
                max: ten,
                jitter: Some(Duration::ZERO),
            };
            assert_eq!(summary, Some(expected), "{over:?} each {interval:?}");
            let path = report.transport.expect("there was a connection").recovery;
            assert_eq!((path.min_rtt, path.lost_packets), (ten, 0));
        }
    }
}

#[test]
fn percentiles_tell_of_the_slow_ones() {
    for over in [Mode::Stream, Mode::Datagram] {
        let mut ping = echo(over, 100, |_| ());
        // 80 at 10 ms, 15 at 40 ms, 5 at 90 ms: each is sent in the middle
        // between two changes.
        ping.run(milliseconds(10 + 79 * 100 + 50));
        ping.simulation.set_conditions(&delay(20));
        ping.run(milliseconds(15 * 100));
        ping.simulation.set_conditions(&delay(45));
        let report = ping.report();
        assert_eq!(report.counts.received, 100);
        let summary = report.times.summary().expect("there are some");
        assert_eq!(summary.min, milliseconds(10));
        check(summary.p50, milliseconds(10));
        let [p90, p99] = [summary.p90, summary.p99].map(|time| time.expect("100 came"));
        check(p90, milliseconds(40));
        check(p99, milliseconds(90));
        assert_eq!(summary.max, milliseconds(90));
        check(summary.mean, Duration::from_micros(18_500));
    }
}

#[test]
fn exactly_those_datagrams_are_lost_that_the_path_lost() {
    let mut ping = echo(Mode::Datagram, 40, |_| ());
    // The handshake takes 10 ms, and the first is sent then.
    ping.run(milliseconds(10 + 9 * 100 + 50));
    interrupt(&mut ping, milliseconds(500));
    let report = ping.report();
    assert_eq!(ping.lost(), [11, 12, 13, 14, 15]);
    assert_eq!((report.counts.sent, report.counts.received), (40, 35));
    let max = report.times.summary().map(|times| times.max);
    assert_eq!(max, Some(milliseconds(10)));
}

#[test]
fn a_lossy_path_loses_its_share_of_datagrams_and_nothing_of_a_stream() {
    let lossy = Conditions {
        loss: 0.1,
        ..good_path()
    };
    for (over, lost) in [(Mode::Datagram, 150..=230), (Mode::Stream, 0..=0)] {
        let mut ping = echo(over, 1_000, |config| config.interval = milliseconds(50));
        ping.run(milliseconds(30));
        ping.simulation.set_conditions(&lossy);
        let report = ping.report();
        assert_eq!(report.outcome, Ok(()));
        assert!(lost.contains(&report.counts.lost), "{:?}", report.counts);
        let path = report.transport.expect("there was a connection").recovery;
        assert!(path.lost_packets > 0, "{path:?}");
    }
}

#[test]
fn an_answer_that_comes_too_late_is_a_row_of_its_own_and_stays_lost() {
    let mut ping = echo(Mode::Stream, 10, |config| {
        config.timeout = milliseconds(300)
    });
    ping.run(milliseconds(10 + 2 * 100 + 50));
    interrupt(&mut ping, milliseconds(600));
    let report = ping.report();
    let late = ping.all(|event| match event {
        PingEvent::Late(reply) => Some(reply),
        _ => None,
    });
    let are_lost = late.len() > 1 && ping.lost().len() >= late.len();
    assert!(are_lost, "{:?}", ping.seen);
    assert_eq!(report.counts.late, late.len() as u64);
    assert!(late.iter().all(|reply| reply.time > milliseconds(300)));
    let max = report.times.summary().expect("some came in time").max;
    assert!(max <= milliseconds(300));
}

#[test]
fn datagrams_that_overtake_others_are_counted() {
    let shaken = Conditions {
        reorder: 0.2,
        jitter: milliseconds(80),
        ..good_path()
    };
    let mut ping = echo(Mode::Datagram, 500, |config| {
        config.interval = milliseconds(10)
    });
    ping.run(milliseconds(50));
    ping.simulation.set_conditions(&shaken);
    let report = ping.report();
    let mut highest = 0;
    let mut overtaken = 0;
    for reply in ping.replies() {
        overtaken += u64::from(reply.sequence < highest);
        highest = highest.max(reply.sequence);
    }
    assert!(overtaken > 0);
    assert_eq!(report.counts.reordered, overtaken);
}

#[test]
fn a_frame_is_timed_to_its_acknowledgement_with_and_without_the_delay_of_it() {
    let mut ping = echo(Mode::Frame, 20, |_| ());
    ping.run(milliseconds(10 + 10 * 100 + 50));
    interrupt(&mut ping, milliseconds(300));
    let report = ping.report();
    assert_eq!(report.outcome, Ok(()));
    let lost = report.counts.lost;
    // One at a time: who is waited for blocks the next, and those are left out.
    assert_eq!((report.counts.received, lost), (19, 1));
    let round_trips = report.times.summary().expect("some were acknowledged");
    // Our own server holds a lone packet's acknowledgement back for 25 ms.
    check(round_trips.p50, milliseconds(35));
    let [(Measure::LessAckDelay, times)] = &report.others[..] else {
        panic!("{:?}", report.others);
    };
    let network = times.summary().expect("the peer tells its delays");
    check(network.p50, milliseconds(10));
    check(network.max, milliseconds(10));
}

/// Returns the times of the handshakes that were replies, of which nothing else may be one.
fn handshakes(ping: &Pinging<Echo>) -> impl Iterator<Item = &HandshakeTimes> {
    let replies = ping.replies().into_iter();
    replies.map(|reply| match &reply.kind {
        ReplyKind::Handshake(times) => times,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_handshake_is_complete_after_one_round_trip_and_confirmed_after_two() {
    for interval in [milliseconds(100), Duration::ZERO] {
        let mut ping = echo(Mode::Handshake, 20, |config| config.interval = interval);
        let report = ping.report();
        assert_eq!(report.counts.received, 20);
        for (reply, phases) in ping.replies().into_iter().zip(handshakes(&ping)) {
            assert_eq!(phases.first_reply, Some(milliseconds(10)));
            assert_eq!(phases.complete, milliseconds(10));
            assert_eq!(phases.confirmed, Some(milliseconds(20)));
            assert_eq!(reply.time, phases.complete);
        }
    }
}

#[test]
fn a_large_datagram_waits_until_the_path_is_known_to_take_it() {
    let mut ping = echo(Mode::Datagram, 5, |config| config.size = 1_400);
    let report = ping.report();
    assert_eq!(report.outcome, Ok(()));
    assert_eq!((report.counts.sent, report.counts.received), (5, 5));
}

#[test]
fn handshakes_know_of_those_before_only_if_they_are_let() {
    for resume in [false, true] {
        let mut ping = echo(Mode::Handshake, 5, |config| config.resume = resume);
        assert_eq!(ping.report().counts.received, 5);
        let resumed = handshakes(&ping).map(|phases| phases.resumed);
        let expected = [false, resume, resume, resume, resume];
        assert_eq!(resumed.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn what_is_sent_early_has_come_back_when_the_handshake_is_complete() {
    let identity = Identity::generate();
    let mut config = config(&identity, Mode::Handshake, 4);
    config.resume = true;
    config.early_data = true;
    let far = Scenario::seeded(80).early_data().server(&identity);
    let mut ping = Pinging::new(&config, far, &good_path(), 80);
    assert_eq!(ping.report().counts.received, 4);
    let early = handshakes(&ping).map(|phases| phases.early.expect("it was asked for"));
    let first = EarlyEcho {
        early_data: None,
        echoed: Some(milliseconds(20)),
    };
    let again = EarlyEcho {
        early_data: Some(EarlyData::Accepted),
        echoed: Some(milliseconds(10)),
    };
    assert_eq!(early.collect::<Vec<_>>(), [first, again, again, again]);
}

#[test]
fn who_stops_it_gets_what_came_so_far() {
    for over in [Mode::Stream, Mode::Datagram, Mode::Frame, Mode::Handshake] {
        let mut ping = echo(over, 1_000, |_| ());
        ping.run(milliseconds(1_000));
        ping.stop();
        let report = ping.report();
        assert_eq!(report.outcome, Ok(()));
        let received = report.counts.received;
        assert!((8..=10).contains(&received), "{over:?}: {report:?}");
        assert_eq!(report.counts.lost, 0);
    }
}

#[test]
fn hosts_are_pinged_side_by_side_and_end_by_themselves() {
    let identity = Identity::generate();
    let mut config = config(&identity, Mode::Stream, 5);
    let mut nobody = config.hosts[0].clone();
    nobody.target.addresses = vec![([192, 0, 2, 77], 1).into()];
    config.hosts.push(nobody);
    let mut again = config.hosts[0].clone();
    again.target.addresses = vec![FAR];
    config.hosts.push(again);
    let far = Scenario::seeded(1).server(&identity);
    let mut ping = Pinging::new(&config, far, &good_path(), 1);
    assert!(ping.run(Duration::from_secs(60)));
    let ended = ping.all(|event| match event {
        PingEvent::Ended(report) => Some(report.counts.received),
        _ => None,
    });
    assert_eq!(ended, [5, 5, 0]);
}
