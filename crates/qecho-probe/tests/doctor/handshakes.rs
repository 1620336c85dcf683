//! Servers whose handshakes are odd: slow ones that are well, and those that never complete one.

use std::{collections::HashMap, time::Duration};

use qecho_packet::wire::{Header, packets};
use qecho_peer::{
    endpoint::{retry, version_negotiation},
    faults::Fault,
    simulated::SimulatedServer,
};
use qecho_probe::doctor::{Cause, Report, Rung, RungResult};

use crate::{
    servers::{ADDRESS, config_taking, examine, good_config, good_server, loses, one, towards},
    sick::has,
    world::{Fate, Passing, Simulation},
};

/// Returns a middlebox that answers each Initial packet of version 1 in place of the server.
fn answers_initials(
    answer: impl Fn(&Header) -> Vec<u8> + 'static,
) -> impl FnMut(&Passing<'_>) -> Fate + 'static {
    towards(move |passing| {
        let packet = packets(passing.datagram, 0).next();
        match packet
            .and_then(Result::ok)
            .filter(|it| it.header.version == Some(1))
        {
            Some(packet) => Fate::Answered(answer(&packet.header)),
            None => Fate::Passes,
        }
    })
}

/// Returns a Retry, with a connection ID that differs from the one before.
fn retry_of(header: &Header) -> Vec<u8> {
    let mut id = *b"retrying";
    id[0] ^= header.destination.first().copied().unwrap_or_default();
    let source = qecho_packet::wire::ConnectionId::new(&id).unwrap();
    retry(header, source, b"a token")
}

fn said(report: &Report) -> String {
    let rung = report.rungs.iter().find(|it| it.rung == Rung::Handshake);
    rung.unwrap().lines.join("; ")
}

#[test]
fn a_server_that_needs_five_seconds_for_its_first_answer_is_well_and_said_to_be_slow() {
    for seconds in [4, 5] {
        let mut begun = HashMap::new();
        let mut world = one(good_server()).behind(loses(move |passing| {
            let is_version_1 = passing.datagram[1..5] == [0, 0, 0, 1];
            let is_long = passing.datagram[0] & 0x80 != 0;
            let begin = *begun.entry(passing.path).or_insert(passing.at);
            let is_early = passing.at - begin < Duration::from_secs(seconds);
            is_long && is_version_1 && is_early
        }));
        let report = examine(&mut world);
        assert_eq!(report.cause(), None, "{report:#?}");
        assert!(
            said(&report).contains("the server is slow, or much is lost: its first answer took"),
            "{report:#?}"
        );
        assert!(
            report
                .rungs
                .iter()
                .all(|it| it.result == RungResult::Passed),
            "{report:#?}"
        );
    }
}

#[test]
fn a_server_of_other_versions_alone_is_told_with_their_names() {
    let versions = |header: &Header| version_negotiation(header, &[0x3a3a_3a3a, 0xff00_001d]);
    let report = examine(&mut one(good_server()).behind(answers_initials(versions)));
    has(&report, Cause::IgnoresUs);
    let sentence = &report.verdict().unwrap().sentence;
    assert!(sentence.contains("version draft-29 only"), "{sentence}");
}

#[test]
fn a_server_that_asks_for_a_retry_without_end_stalls() {
    let report = examine(&mut one(good_server()).behind(answers_initials(retry_of)));
    has(&report, Cause::StalledAfterReply);
    let sentence = &report.verdict().unwrap().sentence;
    assert!(
        sentence.contains("asks for a Retry each time"),
        "{sentence}"
    );
}

#[test]
fn a_retry_that_is_not_valid_is_told_as_such() {
    let broken = |header: &Header| {
        let mut datagram = retry_of(header);
        *datagram.last_mut().unwrap() ^= 1;
        datagram
    };
    let report = examine(&mut one(good_server()).behind(answers_initials(broken)));
    has(&report, Cause::HandshakeRefused);
    let sentence = &report.verdict().unwrap().sentence;
    assert!(sentence.contains("its Retry is not valid"), "{sentence}");
}

#[test]
fn the_protocol_that_was_agreed_on_is_told_and_not_what_was_offered() {
    let mut config = config_taking(b"hq-interop");
    config.tls.alpn.push(b"h3".to_vec());
    let report = examine(&mut one(SimulatedServer::new(config)));
    assert!(
        said(&report).starts_with("it completes with ALPN h3"),
        "{report:#?}"
    );
}

#[test]
fn a_long_chain_of_certificates_is_well_whatever_is_lost() {
    for (copies, loss, seed) in [
        (4, 0.0, 0),
        (20, 0.0, 0),
        (8, 0.02, 1),
        (20, 0.02, 2),
        (20, 0.02, 3),
    ] {
        let mut config = good_config();
        let own = config.tls.chain[0].clone();
        config.tls.chain.extend(vec![own; copies]);
        let world: Simulation = one(SimulatedServer::new(config)).losing(loss, seed);
        let mut world = world.delayed(Duration::from_millis(50));
        let report = examine(&mut world);
        assert_eq!(report.cause(), None, "{copies}, seed {seed}: {report:#?}");
        assert_eq!(
            report.rungs[3].result,
            RungResult::Passed,
            "{ADDRESS}: {report:#?}"
        );
    }
}

#[test]
fn a_server_that_never_confirms_its_handshake_and_goes_on_is_no_black_hole() {
    let server = good_server().with_faults([Fault::NoHandshakeDone]);
    let report = examine(&mut one(server));
    assert_eq!(report.cause(), Some(Cause::HandshakeRefused), "{report:#?}");
    assert!(said(&report).contains("never confirms"), "{report:#?}");
}
