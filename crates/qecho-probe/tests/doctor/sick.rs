//! Sick networks: each has the cause that was put into it.

use std::collections::HashMap;

use qecho_peer::simulated::SimulatedServer;
use qecho_probe::doctor::{
    Cause, Door, Report, RungResult, Target,
    world::{SendFailure, TcpAnswer, Told, Unreachable},
};

use crate::{
    servers::{
        ADDRESS, HOST, at, config_taking, examine, examine_at, examine_target, good_config,
        good_server, loses, loses_hello, loses_parts, one, target, towards,
    },
    world::{Fate, Passing, Simulation},
};

#[track_caller]
pub(crate) fn has(report: &Report, cause: Cause) {
    assert_eq!(report.cause(), Some(cause), "{report:#?}");
    let verdict = report.verdict().unwrap();
    assert!(!verdict.evidence.is_empty(), "{report:#?}");
    assert!(verdict.sentence.ends_with('.') && verdict.advice.ends_with('.'));
    assert!(
        report
            .rungs
            .iter()
            .any(|it| it.result == RungResult::Failed)
    );
}

fn told(what: Told) -> impl FnMut(&Passing<'_>) -> Fate + 'static {
    towards(move |_| Fate::Told(what.clone()))
}

fn unreachable(why: Unreachable) -> Told {
    let from = Some(ADDRESS.parse().unwrap());
    Told::Unreachable { from, why }
}

#[test]
fn a_name_without_addresses_has_none() {
    let mut target = target(&[], vec![]);
    target.addresses = Err("no such host".into());
    let report = examine_target(&mut Simulation::new(), &target);
    has(&report, Cause::NoAddress);
}

#[test]
fn a_route_of_1200_bytes_is_too_small_and_nothing_is_sent_on_it() {
    let mut world = one(good_server());
    world.mtu = Some(1_200);
    has(&examine(&mut world), Cause::RouteTooSmall);
    assert_eq!(world.datagrams(), 0);
}

#[test]
fn a_link_on_the_way_that_is_too_small_for_quic_is_named_by_what_its_router_says() {
    let from = Some("192.0.2.77".parse().unwrap());
    let mtu = Some(1_000);
    let mut world = one(good_server()).behind(told(Told::TooLarge { from, mtu }));
    has(&examine(&mut world), Cause::RouteTooSmall);
}

#[test]
fn a_port_where_nobody_listens_is_refused() {
    let mut world = Simulation::new().behind(told(unreachable(Unreachable::Port)));
    has(&examine(&mut world), Cause::UdpRefused);
}

#[test]
fn udp_that_is_lost_is_filtered_whether_tcp_answers_or_not() {
    for tcp in [TcpAnswer::Open, TcpAnswer::Refused, TcpAnswer::Silent] {
        let is_there = tcp != TcpAnswer::Silent;
        let mut world = one(good_server()).behind(loses(|_| true));
        world.tcp = vec![(at(ADDRESS), tcp)];
        let report = examine(&mut world);
        has(&report, Cause::UdpFiltered);
        let sentence = &report.verdict().unwrap().sentence;
        assert_eq!(
            sentence.contains("its host is down"),
            !is_there,
            "{sentence}"
        );
    }
}

#[test]
fn what_the_network_or_this_host_forbids_is_filtered() {
    let forbidden = Told::NotSent {
        why: SendFailure::Forbidden,
        words: "operation not permitted".into(),
    };
    for what in [
        unreachable(Unreachable::Prohibited),
        unreachable(Unreachable::Protocol),
        forbidden,
    ] {
        has(
            &examine(&mut one(good_server()).behind(told(what))),
            Cause::UdpFiltered,
        );
    }
}

#[test]
fn a_host_that_nobody_reaches_is_unreachable_unless_tcp_shows_that_it_is_there() {
    for (why, tcp, expected) in [
        (Unreachable::Host, TcpAnswer::Silent, Cause::HostUnreachable),
        (
            Unreachable::Network,
            TcpAnswer::Silent,
            Cause::HostUnreachable,
        ),
        (
            Unreachable::HopLimit,
            TcpAnswer::Silent,
            Cause::HostUnreachable,
        ),
        (Unreachable::Host, TcpAnswer::Open, Cause::UdpFiltered),
    ] {
        let mut world = one(good_server()).behind(told(unreachable(why)));
        world.tcp = vec![(at(ADDRESS), tcp)];
        has(&examine(&mut world), expected);
    }
}

#[test]
fn one_icmp_message_and_then_silence_is_called_as_many_are() {
    for (why, expected) in [
        (Unreachable::Port, Cause::UdpRefused),
        (Unreachable::Prohibited, Cause::UdpFiltered),
        (Unreachable::Host, Cause::HostUnreachable),
    ] {
        for number in [0, 2, 9] {
            let mut sent = 0;
            let limited = towards(move |_| {
                sent += 1;
                match sent == number + 1 {
                    true => Fate::Told(unreachable(why)),
                    false => Fate::Lost,
                }
            });
            let report = examine(&mut one(good_server()).behind(limited));
            has(&report, expected);
        }
    }
}

#[test]
fn what_this_host_does_not_send_it_drops() {
    let what = Told::NotSent {
        why: SendFailure::Other,
        words: "no buffer space available".into(),
    };
    has(
        &examine(&mut one(good_server()).behind(told(what))),
        Cause::LocalDrops,
    );
}

#[test]
fn a_port_that_answers_by_junk_or_by_empty_datagrams_is_no_quic() {
    for junk in [&b"pong\n"[..], b""] {
        let mut world = Simulation::new().behind(towards(|_| Fate::Answered(junk.to_vec())));
        has(&examine(&mut world), Cause::NotQuic);
    }
}

#[test]
fn answers_of_another_address_are_seen_as_such() {
    let from = at("192.0.2.77");
    let mut world = one(good_server()).behind(move |passing| match passing.is_to_server {
        true => Fate::Passes,
        false => Fate::From(from),
    });
    has(&examine(&mut world), Cause::AnswersElsewhere);
}

#[test]
fn a_server_that_answers_no_connection_attempt_ignores_us() {
    let is_version_1 = |datagram: &[u8]| datagram[0] & 0x80 != 0 && datagram[1..5] == [0, 0, 0, 1];
    let mut world = one(good_server()).behind(loses(move |it| is_version_1(it.datagram)));
    has(&examine(&mut world), Cause::IgnoresUs);
}

#[test]
fn a_web_server_that_offers_no_http_3_is_not_called_filtered() {
    let doors = vec![Door::new(443, Some(b"h3".to_vec()), false)];
    let mut world = Simulation::new();
    world.announced = Ok(vec![]);
    let report = examine_target(&mut world, &target(&[ADDRESS], doors.clone()));
    has(&report, Cause::H3NotAnnounced);
    world.announced = Ok(vec!["h3=\":443\"; ma=86400".into()]);
    let report = examine_target(&mut world, &target(&[ADDRESS], doors));
    has(&report, Cause::UdpFiltered);
}

#[test]
fn a_family_that_does_not_get_there_is_broken_where_the_other_does() {
    let addresses = ["2001:db8::1", "2001:db8::2", ADDRESS];
    let all = addresses.map(at);
    let world = Simulation::new().serve(&all, good_server());
    let mut world = world.behind(loses(|passing| passing.remote.is_ipv6()));
    let report = examine_at(&mut world, &addresses);
    has(&report, Cause::FamilyBroken);
    assert_eq!(report.findings.len(), 1, "{report:#?}");
}

#[test]
fn one_dead_address_of_three_is_named() {
    let addresses = [ADDRESS, "192.0.2.2", "192.0.2.3"];
    let world = Simulation::new().serve(&addresses.map(at), good_server());
    let mut world = world.behind(loses(|passing| passing.remote == at("192.0.2.2")));
    let report = examine_at(&mut world, &addresses);
    has(&report, Cause::AddressDead);
    assert!(report.verdict().unwrap().sentence.contains("192.0.2.2"));
}

#[test]
fn a_name_that_is_read_on_the_way_is_blocked() {
    let names_it =
        |hello: &qecho_peer::tls::ClientHello| hello.server_name().as_deref() == Some(HOST);
    let mut world = one(good_server()).behind(loses_hello(names_it));
    has(&examine(&mut world), Cause::NameBlocked);
}

#[test]
fn a_large_client_hello_that_is_lost_is_told_from_a_small_one() {
    let mut world = one(good_server()).behind(loses_parts());
    has(&examine(&mut world), Cause::LargeHandshakeLost);
}

#[test]
fn a_protocol_that_is_refused_is_named_with_the_one_that_is_taken() {
    for (spoken, taken) in [("hq-interop", Some("hq-interop")), ("strange", None)] {
        let server = SimulatedServer::new(config_taking(spoken.as_bytes()));
        let report = examine(&mut one(server));
        has(&report, Cause::AlpnRefused);
        let sentence = &report.verdict().unwrap().sentence;
        match taken {
            Some(taken) => assert!(sentence.contains(taken), "{sentence}"),
            // Without ALPN this server takes whoever comes.
            None => assert!(sentence.contains("without ALPN"), "{sentence}"),
        }
    }
}

#[test]
fn a_server_that_is_silent_on_a_wrong_protocol_refuses_it() {
    let server = SimulatedServer::new(config_taking(b"hq-interop"));
    let is_wrong =
        |hello: &qecho_peer::tls::ClientHello| !hello.protocols().contains(&b"hq-interop".to_vec());
    has(
        &examine(&mut one(server).behind(loses_hello(is_wrong))),
        Cause::AlpnRefused,
    );
}

/// Returns a middlebox that lets one answer pass to each local port.
fn passes_one_answer() -> impl FnMut(&Passing<'_>) -> Fate + 'static {
    let mut answers = HashMap::new();
    move |passing| {
        let count = answers.entry(passing.path).or_insert(0);
        *count += usize::from(!passing.is_to_server);
        match !passing.is_to_server && *count > 1 {
            true => Fate::Lost,
            false => Fate::Passes,
        }
    }
}

#[test]
fn a_handshake_of_which_only_the_first_answer_comes_stalls() {
    let mut long = good_config();
    let own = long.tls.chain[0].clone();
    long.tls.chain.extend(vec![own; 6]);
    let mut world = one(SimulatedServer::new(long)).behind(passes_one_answer());
    has(&examine(&mut world), Cause::StalledAfterReply);
}

#[test]
fn what_drops_all_behind_a_handshake_that_completes_is_a_blackhole() {
    let mut world = one(good_server()).behind(passes_one_answer());
    has(&examine(&mut world), Cause::BlackholeAfterHandshake);
}

#[test]
fn whoever_has_no_server_to_reach_hears_of_this_machine_alone() {
    let options = qecho_probe::doctor::Options::default();
    let mut world = Simulation::new();
    let no_target: Option<&Target> = None;
    let report =
        qecho_probe::doctor::climb(&mut world, no_target, &options, &mut |_| {}, &mut |_| {});
    assert_eq!(report.cause(), None);
    let results: Vec<_> = report.rungs.iter().map(|rung| rung.result).collect();
    assert_eq!(results[0], RungResult::Passed);
    assert!(results[1..].iter().all(|it| *it == RungResult::Untold));
}
