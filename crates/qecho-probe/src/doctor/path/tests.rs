mod losses;

use std::time::Duration;

use qecho_packet::TransportParameters;
use qecho_peer::{endpoint::integer_value, faults::Fault, network::Ecn};

use super::climb;
use crate::doctor::{
    Cause, RungResult,
    reached::testing::{Middlebox, Sick},
};

fn causes(middlebox: Middlebox) -> Vec<Cause> {
    Sick::new(middlebox).causes(climb)
}

/// A server that says that it counts marks.
fn counting(middlebox: Middlebox) -> Sick {
    let (id, value) = (
        TransportParameters::QECHO,
        TransportParameters::QECHO_COUNTS_ECN,
    );
    Sick::new(middlebox).announcing(id, &value)
}

#[test]
fn a_healthy_path_has_no_cause_and_costs_some_hundred_datagrams_in_25_seconds() {
    let mut sick = Sick::new(Middlebox::default());
    let (rung, report) = sick.climb(climb);
    assert_eq!(report.findings, []);
    assert_eq!(rung.result, RungResult::Passed);
    assert_eq!(rung.facts["payload_passed_bytes"], 1_472);
    let (time, datagrams) = sick.spent.get();
    assert!(time < Duration::from_secs(12), "{time:?}");
    assert!(datagrams < 450, "{datagrams}");
}

#[test]
fn a_quick_look_takes_two_seconds() {
    let mut sick = Sick::new(Middlebox::default());
    sick.options.is_quick = true;
    let (rung, report) = sick.climb(climb);
    assert_eq!((report.findings, rung.result), (vec![], RungResult::Passed));
    let (time, datagrams) = sick.spent.get();
    assert!(time < Duration::from_secs(2), "{time:?}");
    assert!(datagrams < 150, "{datagrams}");
}

#[test]
fn the_largest_datagram_is_known_to_the_byte_with_and_without_icmp() {
    for reports_size in [false, true] {
        let middlebox = Middlebox {
            larger_than: Some(1_337),
            reports_size,
            ..Middlebox::default()
        };
        let (rung, report) = Sick::new(middlebox).climb(climb);
        assert_eq!(report.cause(), Some(Cause::MtuCliff));
        assert_eq!(report.findings.len(), 1);
        assert_eq!(rung.facts["payload_passed_bytes"], 1_337);
        assert_eq!(rung.facts["payload_lost_bytes"], 1_338);
        let evidence = report.findings[0].evidence.join("\n");
        assert_eq!(evidence.contains("192.0.2.9"), reports_size, "{evidence}");
    }
}

#[test]
fn what_routers_told_this_host_before_makes_no_other_verdict() {
    for mtu in [1_500, 1_300] {
        let middlebox = Middlebox {
            larger_than: Some(1_272),
            reports_size: true,
            ..Middlebox::default()
        };
        let mut sick = Sick::new(middlebox).with(|it| it.mtu = Some(mtu));
        assert_eq!(sick.causes(climb), [Cause::MtuCliff], "{mtu}");
    }
}

#[test]
fn a_route_that_is_set_to_what_the_way_carries_is_no_cliff_nor_an_ordinary_line() {
    for (larger_than, reports_size, mtu) in [
        (1_272, false, 1_300),
        (1_472, false, 1_300),
        (1_464, true, 1_500),
        (1_464, false, 1_500),
    ] {
        let middlebox = Middlebox {
            larger_than: Some(larger_than),
            reports_size,
            ..Middlebox::default()
        };
        let mut sick = Sick::new(middlebox).with(|it| it.mtu = Some(mtu));
        assert_eq!(sick.causes(climb), [], "{larger_than} {mtu}");
    }
}

#[test]
fn a_server_that_takes_no_more_is_no_cliff() {
    let id = TransportParameters::MAX_UDP_PAYLOAD_SIZE;
    let middlebox = Middlebox {
        larger_than: Some(1_300),
        ..Middlebox::default()
    };
    let mut sick = Sick::new(middlebox).announcing(id, &integer_value(1_300));
    assert_eq!(sick.causes(climb), []);
}

#[test]
fn cleared_marks_are_said_only_where_the_server_counts() {
    let cleared = Middlebox {
        marks_up: Some(Ecn::NotEct),
        ..Middlebox::default()
    };
    assert_eq!(causes(cleared.clone()), []);
    assert_eq!(counting(cleared).causes(climb), [Cause::EcnBleached]);
    assert_eq!(counting(Middlebox::default()).causes(climb), []);
}

#[test]
fn marks_that_are_all_ce_are_named_either_way() {
    let up = Middlebox {
        marks_up: Some(Ecn::Ce),
        ..Middlebox::default()
    };
    assert_eq!(causes(up), [Cause::EcnAllCe]);
    let down = Middlebox {
        marks_down: Some(Ecn::Ce),
        ..Middlebox::default()
    };
    assert_eq!(causes(down), [Cause::EcnAllCe]);
}

#[test]
fn a_policer_of_five_is_named() {
    for time in [20, 100] {
        let policer = Middlebox {
            policer: Some((5, Duration::from_millis(time))),
            ..Middlebox::default()
        };
        assert_eq!(causes(policer), [Cause::Policer], "five in {time} ms");
    }
}

#[test]
fn a_way_that_holds_a_first_flight_is_no_policer() {
    let policer = Middlebox {
        policer: Some((20, Duration::from_millis(100))),
        ..Middlebox::default()
    };
    assert_eq!(causes(policer), []);
}

#[test]
fn a_way_that_goes_dark_after_the_handshake_is_named() {
    for dark_after in [0, 4, 30] {
        let dark = Middlebox {
            dark_after: Some(dark_after),
            ..Middlebox::default()
        };
        assert_eq!(
            causes(dark),
            [Cause::BlackholeAfterHandshake],
            "{dark_after}"
        );
    }
}

#[test]
fn ugly_but_healthy_paths_have_no_cause() {
    let slow = Sick::new(Middlebox::default())
        .with(|it| it.conditions = it.conditions.delayed(Duration::from_millis(300)));
    let jittery = Sick::new(Middlebox {
        jitter: Duration::from_millis(40),
        ..Middlebox::default()
    });
    let uncounted = Sick::new(Middlebox::default())
        .with(|it| it.change = |server| server.with_faults([Fault::NoEcnCounts]));
    let unanswering = Sick::new(Middlebox::default())
        .with(|it| it.change = |server| server.with_faults([Fault::NoPathResponse]));
    let late = Sick::new(Middlebox::default())
        .with(|it| it.change = |server| server.with_faults([Fault::LateAcknowledgements]));
    let jumbo = Sick::new(Middlebox {
        larger_than: Some(1_500),
        ..Middlebox::default()
    })
    .announcing(
        TransportParameters::MAX_UDP_PAYLOAD_SIZE,
        &integer_value(65_527),
    )
    .with(|it| it.mtu = Some(65_536));
    let worlds = [slow, jittery, uncounted, unanswering, late, jumbo];
    for (index, mut sick) in worlds.into_iter().enumerate() {
        let (rung, report) = sick.climb(climb);
        assert_eq!(report.findings, [], "{index}: {:#?}", rung.lines);
        assert_eq!(
            rung.result,
            RungResult::Passed,
            "{index}: {:?}",
            report.untried
        );
    }
}

#[test]
fn jitter_and_reordering_are_told() {
    let (rung, _) = Sick::new(Middlebox {
        jitter: Duration::from_millis(60),
        ..Middlebox::default()
    })
    .climb(climb);
    assert!(rung.facts["jitter_us"].as_u64() > Some(5_000), "{rung:#?}");
    assert!(rung.facts["overtaken_up"].as_u64() > Some(5), "{rung:#?}");
}

#[test]
fn an_echo_server_is_asked_for_data() {
    let mut plain = Sick::new(Middlebox::default());
    let mut echo = Sick::new(Middlebox::default());
    echo.config.tls.alpn = vec![b"echo".to_vec()];
    for sick in [&mut plain, &mut echo] {
        assert_eq!(sick.causes(climb), []);
    }
    let [plain, echo] = [plain, echo].map(|sick| sick.spent.get().1);
    assert!(echo >= plain + 32_768 / 1_200, "{plain} {echo}");
}
