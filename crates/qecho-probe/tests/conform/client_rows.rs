//! The rows of clients on the well-behaved client, and on those that leave.

use std::{io, time::Duration};

use qecho_packet::wire::Frame;
use qecho_peer::{
    endpoint::{Endpoint, ServerConfig},
    faults::Fault,
    network::Network,
    rules::Rule,
    simulated::Conditions,
    tls::TlsRule,
};
use qecho_probe::conform::{ClientProber, ClientSubject, Finding, Runner, Side, Target, Verdict};

use crate::{
    are_steady,
    client_mutants::{ignoring, suited, with},
    client_subject::{ClientSimulation, Guest, good_client, leave, try_client},
    resuming_clients, scripted,
};

/// A client whose later visits may be another's, as it shares its name.
struct Doubtful(ClientSimulation);

impl ClientSubject for Doubtful {
    fn network(&mut self) -> io::Result<Box<dyn Network>> {
        self.0.network()
    }

    fn config(&self) -> ServerConfig {
        self.0.config()
    }

    fn patience(&self) -> Duration {
        self.0.patience()
    }

    fn pause(&mut self, time: Duration) {
        self.0.pause(time);
    }

    fn doubt(&self) -> Option<String> {
        Some("it may be another client".to_owned())
    }
}

/// Says nothing any more once the handshake was confirmed twice.
fn fall_silent(endpoint: &mut Endpoint) {
    let frames = endpoint.received().iter().flat_map(|it| it.frames());
    let confirmations = frames.filter(|frame| *frame == Frame::HandshakeDone);
    if confirmations.count() > 1 {
        let behaviour = &mut endpoint.behaviour;
        (behaviour.acknowledges, behaviour.resends) = (false, false);
    }
}

#[test]
fn a_client_whose_later_visits_may_be_another_s_is_not_accused_by_them() {
    let silent = Guest {
        application: fall_silent,
        ..good_client()
    };
    let heedless = Guest {
        ignored: Some(TlsRule::TicketEarlyData),
        ..resuming_clients::suited("C143").unwrap()
    };
    for (id, guest, doubtful) in [
        ("C27", silent, Verdict::NotReached),
        ("C22", heedless, Verdict::Note),
    ] {
        let sure = try_client(id, guest, Conditions::default());
        assert_eq!(sure.verdict, Verdict::Fail, "{id}: {}", sure.seen);
        let rows = scripted(Side::Client);
        let row = rows.into_iter().find(|row| row.id == id).unwrap();
        let subject = Doubtful(ClientSimulation::new(guest, Conditions::default()));
        let Finding { verdict, seen, .. } = ClientProber::new(subject).run(row);
        assert_eq!(verdict, doubtful, "{id}: {seen}");
        assert!(seen.ends_with("it may be another client"), "{id}: {seen}");
    }
}

#[test]
fn the_well_behaved_client_keeps_all_that_there_is_a_script_for() {
    let rows = scripted(Side::Client);
    let subject = ClientSimulation::new(good_client(), Conditions::default());
    let runner = Runner::new("the good client");
    let report = runner.run(&rows, &mut ClientProber::new(subject), &mut |_| {}, &|| {
        false
    });
    assert_eq!(report.lost, None);
    let accused = report.rows.iter().filter_map(|row| {
        let id = row.requirement.id;
        let finding = match suited(id) {
            Some(guest) => &try_client(id, guest, Conditions::default()),
            None => &row.finding,
        };
        assert!(!finding.packets.is_empty(), "{id} shows no packets");
        let is_right = finding.verdict == Verdict::Pass;
        (!is_right).then(|| format!("{id} {}: {}", finding.verdict, finding.seen))
    });
    let accused: Vec<_> = accused.collect();
    assert!(accused.is_empty(), "{accused:#?}");
}

#[test]
fn what_prepares_a_stimulus_is_not_marked_as_one() {
    for id in ["C28", "C36", "C83", "C110", "C120"] {
        let finding = try_client(id, good_client(), Conditions::default());
        let marked = finding.packets.iter().filter(|packet| packet.is_stimulus);
        let marked: Vec<_> = marked.map(|packet| packet.lines.join(", ")).collect();
        let prepares = |lines: &String| {
            lines.contains("Initial 0: CRYPTO") || lines.starts_with("Handshake 0: PING")
        };
        assert!(!marked.is_empty(), "{id}");
        assert!(!marked.iter().any(prepares), "{id}: {marked:#?}");
    }
}

#[test]
fn loss_and_delay_change_no_verdict_of_a_client_but_to_not_reached() {
    are_steady(Side::Client, &|row, conditions| {
        let guest = suited(row.id).unwrap_or(good_client());
        ClientProber::new(ClientSimulation::new(guest, conditions)).run(row)
    });
}

#[test]
fn a_client_that_does_not_come_is_waited_for_once() {
    let silent = with(Fault::Silent);
    let mut target = ClientProber::new(ClientSimulation::new(silent, Conditions::default()));
    let rows = scripted(Side::Client);
    let report = Runner::new("nobody").run(&rows, &mut target, &mut |_| {}, &|| false);
    assert_eq!(report.lost.as_deref(), Some("no client has come"));
    let mut rows = report.rows.iter();
    assert!(rows.all(|row| row.finding.verdict == Verdict::NotReached));
}

#[test]
fn a_client_that_is_gone_without_a_word_is_not_accused() {
    let vanishing = Guest {
        vanishes: true,
        ..good_client()
    };
    for row in scripted(Side::Client) {
        let subject = ClientSimulation::new(vanishing, Conditions::default());
        let Finding { verdict, seen, .. } = ClientProber::new(subject).run(row);
        assert!(!verdict.is_broken(), "{} {verdict}: {seen}", row.id);
    }
}

#[test]
fn a_client_that_leaves_when_its_work_is_done_is_not_accused_of_what_it_never_saw() {
    let leaving = Guest {
        application: leave,
        ..good_client()
    };
    for row in scripted(Side::Client) {
        let subject = ClientSimulation::new(leaving, Conditions::default());
        let Finding { verdict, seen, .. } = ClientProber::new(subject).run(row);
        assert!(!verdict.is_broken(), "{} {verdict}: {seen}", row.id);
    }
    let mutant = Guest {
        application: leave,
        ..ignoring(&[Rule::UdpPayloadSize])
    };
    let finding = try_client("C06", mutant, Conditions::default());
    assert_eq!(finding.verdict, Verdict::Fail, "{}", finding.seen);
}
