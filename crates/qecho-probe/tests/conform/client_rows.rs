//! Mutants of the rows of clients, and the well-behaved client.

use qecho_packet::{
    close::{INTERNAL_ERROR, PROTOCOL_VIOLATION},
    wire::Frame,
};
use qecho_peer::{
    faults::Fault,
    rules::{Rule, Rules},
    simulated::Conditions,
    tls::TlsRule,
};
use qecho_probe::conform::{ClientProber, Finding, Runner, Side, Target, Verdict};

use crate::{
    DELAY, LOSS, Make, Mutant, NOT_REACHED_MAX, SEEDS,
    client_subject::{ClientSimulation, Guest, good_client, try_client},
    scripted,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    [of_handshakes(), of_frames(), of_packets()].concat()
}

fn of_handshakes() -> Vec<Mutant> {
    vec![
        fails("C01", with(Fault::UnpaddedInitials)),
        fails("C01", with(Fault::ShortDestination)),
        fails(
            "C02",
            ignoring(|all| all.ignoring([Rule::OriginalDestinationMissing])),
        ),
        fails(
            "C03",
            ignoring(|all| all.ignoring([Rule::OriginalDestinationWrong])),
        ),
        fails(
            "C04",
            ignoring(|all| all.ignoring([Rule::InitialSourceMissing])),
        ),
        fails("C05", ignoring(|all| all.ignoring([Rule::RetrySource]))),
        fails("C06", ignoring(|all| all.ignoring([Rule::UdpPayloadSize]))),
        fails(
            "C07",
            ignoring(|all| all.ignoring([Rule::ActiveConnectionIdLimit])),
        ),
        fails(
            "C08",
            ignoring(|all| all.ignoring([Rule::PreferredAddress])),
        ),
        fails("C09", ignoring(|all| all.ignoring([Rule::ParameterOnce]))),
        fails(
            "C10",
            ignoring(|all| all.ignoring([Rule::AckDelayExponent])),
        ),
        // To ignore version_information is to go on, which is right.
        notes(
            "C11",
            ignoring(|all| all.closing_with(Rule::ChosenVersion, PROTOCOL_VIOLATION)),
        ),
        fails("C12", without(TlsRule::TransportParameters)),
        fails("C13", without(TlsRule::AlpnAgreed)),
    ]
}

fn of_frames() -> Vec<Mutant> {
    vec![
        fails("C14", ignoring(|all| all.ignoring([Rule::EmptyToken]))),
        fails("C15", ignoring(|all| all.ignoring([Rule::StreamNotOpened]))),
        fails(
            "C16",
            ignoring(|all| all.ignoring([Rule::StreamOnSendOnly])),
        ),
        fails("C17", ignoring(|all| all.ignoring([Rule::MaxStreamsRange]))),
        fails(
            "C18",
            ignoring(|all| all.ignoring([Rule::RetireNeverIssued])),
        ),
        fails("C19", ignoring(|all| all.ignoring([Rule::KnownFrame]))),
        notes(
            "C19",
            ignoring(|all| all.closing_with(Rule::KnownFrame, INTERNAL_ERROR)),
        ),
        fails("C20", without(TlsRule::KeyUpdate)),
        fails("C21", without(TlsRule::PostHandshakeRequest)),
        fails("C22", without(TlsRule::TicketEarlyData)),
        fails(
            "C23",
            ignoring(|all| all.ignoring([Rule::NewConnectionIdLength])),
        ),
        fails(
            "C24",
            ignoring(|all| all.ignoring([Rule::ConnectionIdLimit])),
        ),
        notes(
            "C25",
            ignoring(|all| all.closing_with(Rule::CryptoBuffer, INTERNAL_ERROR)),
        ),
        fails("C26", ignoring(|all| all.ignoring([Rule::AckOfUnsent]))),
        fails(
            "C27",
            ignoring(|all| {
                let mut count = 0;
                all.refusing(move |frame| {
                    count += u32::from(*frame == Frame::HandshakeDone);
                    count > 1
                })
            }),
        ),
    ]
}

fn of_packets() -> Vec<Mutant> {
    vec![
        fails(
            "C28",
            ignoring(|all| all.ignoring([Rule::FrameOfPacketType])),
        ),
        fails(
            "C29",
            ignoring(|all| all.ignoring([Rule::FrameOfPacketType])),
        ),
        fails("C30", with(Fault::DiesOfVersionNegotiation)),
        fails("C31", with(Fault::DiesOfVersionNegotiation)),
        fails("C32", with(Fault::IgnoresVersionNegotiation)),
        fails("C33", with(Fault::DiesOfRetry)),
        fails("C34", with(Fault::DiesOfRetry)),
        fails(
            "C35",
            ignoring(|all| all.ignoring([Rule::ServerInitialToken])),
        ),
        notes(
            "C35",
            ignoring(|all| all.closing_with(Rule::ServerInitialToken, INTERNAL_ERROR)),
        ),
        fails("C36", ignoring(|all| all.ignoring([Rule::ReservedBits]))),
        fails("C37", ignoring(|all| all.ignoring([Rule::ReservedBits]))),
    ]
}

fn fails(id: &'static str, guest: Guest) -> Mutant {
    let (verdict, make) = (Verdict::Fail, Make::Client(guest));
    Mutant { id, verdict, make }
}

fn notes(id: &'static str, guest: Guest) -> Mutant {
    let (verdict, make) = (Verdict::Note, Make::Client(guest));
    Mutant { id, verdict, make }
}

/// A client with other rules.
fn ignoring(rules: fn(Rules) -> Rules) -> Guest {
    Guest {
        rules,
        ..good_client()
    }
}

fn with(fault: Fault) -> Guest {
    Guest {
        fault: Some(fault),
        ..good_client()
    }
}

/// A client whose TLS takes what breaks a rule.
fn without(rule: TlsRule) -> Guest {
    Guest {
        ignored: Some(rule),
        ..good_client()
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
        let (id, finding) = (row.requirement.id, &row.finding);
        assert!(!finding.packets.is_empty(), "{id} shows no packets");
        let is_right = finding.verdict == Verdict::Pass;
        (!is_right).then(|| format!("{id} {}: {}", finding.verdict, finding.seen))
    });
    let accused: Vec<_> = accused.collect();
    assert!(accused.is_empty(), "{accused:#?}");
}

#[test]
fn loss_and_delay_change_no_verdict_of_a_client_but_to_not_reached() {
    let rows = scripted(Side::Client);
    let mut not_reached = 0;
    let mut accused = Vec::new();
    for seed in 0..SEEDS {
        let conditions = Conditions::default().delayed(DELAY).losing(LOSS, seed);
        let subject = ClientSimulation::new(good_client(), conditions);
        let mut target = ClientProber::new(subject);
        for row in &rows {
            // A single run, without the second that a verdict against a client needs.
            let Finding { verdict, seen, .. } = target.run(row);
            not_reached += usize::from(verdict == Verdict::NotReached);
            if !matches!(verdict, Verdict::Pass | Verdict::NotReached) {
                accused.push(format!("{}, seed {seed}: {verdict}: {seen}", row.id));
            }
        }
    }
    assert!(accused.is_empty(), "{accused:#?}");
    assert!(
        not_reached <= NOT_REACHED_MAX,
        "{not_reached} times nothing was reached"
    );
}

#[test]
fn a_client_that_does_not_come_is_waited_for_once() {
    let silent = Guest {
        fault: Some(Fault::Silent),
        ..good_client()
    };
    let mut target = ClientProber::new(ClientSimulation::new(silent, Conditions::default()));
    let rows = scripted(Side::Client);
    let report = Runner::new("nobody").run(&rows, &mut target, &mut |_| {}, &|| false);
    assert_eq!(report.lost.as_deref(), Some("no client has come"));
    let mut rows = report.rows.iter();
    assert!(rows.all(|row| row.finding.verdict == Verdict::NotReached));
}

#[test]
fn a_client_that_leaves_when_its_work_is_done_is_not_accused_of_what_it_never_saw() {
    let leaving = Guest {
        leaves: true,
        ..good_client()
    };
    for row in scripted(Side::Client) {
        let subject = ClientSimulation::new(leaving, Conditions::default());
        let Finding { verdict, seen, .. } = ClientProber::new(subject).run(row);
        let is_right = matches!(verdict, Verdict::Pass | Verdict::NotReached);
        assert!(is_right, "{} {verdict}: {seen}", row.id);
    }
    let mutant = Guest {
        leaves: true,
        ..ignoring(|all| all.ignoring([Rule::UdpPayloadSize]))
    };
    let finding = try_client("C06", mutant, Conditions::default());
    assert_eq!(finding.verdict, Verdict::Fail, "{}", finding.seen);
}
