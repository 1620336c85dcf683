//! Mutants of the rows of clients.

use std::{sync::Arc, time::Duration};

use qecho_packet::{
    StreamId, TransportParameters,
    close::INTERNAL_ERROR,
    wire::{ConnectionId, Frame, write_integer},
};
use qecho_peer::{
    endpoint::{ClientConfig, Endpoint, integer_value},
    faults::Fault,
    packet::{Packet, handshake, one_rtt, raw},
    received::{Unopened, UnopenedPacket},
    rules::Rule,
    tls::{ClientHello, Message, TlsRule, extension_type},
};
use qecho_probe::conform::Verdict;

use crate::{
    Make, Mutant,
    client_subject::{Guest, good_client},
    moving_clients, resuming_clients,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    [
        of_handshakes(),
        of_frames(),
        of_streams(),
        of_connection_ids(),
        of_keys(),
        of_packets(),
        of_retries(),
        of_what_is_sent(),
    ]
    .concat()
}

fn of_handshakes() -> Vec<Mutant> {
    vec![
        fails("C01", with(Fault::UnpaddedInitials)),
        fails("C01", with(Fault::UnpaddedProbes)),
        fails("C01", with(Fault::ShortDestination)),
        fails("C02", ignoring(&[Rule::OriginalDestinationMissing])),
        fails("C03", ignoring(&[Rule::OriginalDestinationWrong])),
        fails("C04", ignoring(&[Rule::InitialSourceMissing])),
        fails("C05", ignoring(&[Rule::RetrySource])),
        fails("C06", ignoring(&[Rule::UdpPayloadSize])),
        fails("C07", ignoring(&[Rule::ActiveConnectionIdLimit])),
        fails("C08", ignoring(&[Rule::PreferredAddress])),
        fails("C09", ignoring(&[Rule::ParameterOnce])),
        fails("C10", ignoring(&[Rule::AckDelayExponent])),
        fails("C11", knowing_versions(&[Rule::ChosenVersion])),
        notes("C11", closing_with(Rule::ChosenVersion)),
        fails("C12", without(TlsRule::TransportParameters)),
        fails("C13", without(TlsRule::AlpnAgreed)),
        fails("C92", ignoring(&[Rule::InitialSourceWrong])),
        fails("C93", ignoring(&[Rule::MaxAckDelay])),
        fails("C94", ignoring(&[Rule::BidirectionalStreams])),
        fails("C95", ignoring(&[Rule::UnidirectionalStreams])),
        fails("C96", ignoring(&[Rule::WholeParameters])),
        notes("C96", closing_with(Rule::WholeParameters)),
        fails("C97", with(Fault::RefusesReservedParameters)),
        fails("C98", ignoring(&[Rule::MigrationParameter])),
        fails("C99", ignoring(&[Rule::IntegerParameter])),
        fails("C100", greasing(&[Rule::GreaseParameter])),
        fails("C101", knowing_versions(&[Rule::VersionInformation])),
        fails("C102", knowing_versions(&[Rule::VersionInformation])),
        notes("C101", closing_with(Rule::VersionInformation)),
        notes("C102", closing_with(Rule::VersionInformation)),
    ]
}

fn of_frames() -> Vec<Mutant> {
    vec![
        fails("C14", ignoring(&[Rule::EmptyToken])),
        fails("C19", ignoring(&[Rule::KnownFrame])),
        notes("C19", closing_with(Rule::KnownFrame)),
        fails("C20", without(TlsRule::KeyUpdate)),
        notes("C20", unread(TlsRule::KeyUpdate)),
        fails("C21", without(TlsRule::PostHandshakeRequest)),
        notes("C21", unread(TlsRule::PostHandshakeRequest)),
        fails(
            "C22",
            Guest {
                ignored: Some(TlsRule::TicketEarlyData),
                ..resuming_clients::suited("C143").unwrap_or(good_client())
            },
        ),
        notes("C22", unread(TlsRule::TicketEarlyData)),
        notes("C25", closing_with(Rule::CryptoBuffer)),
        fails("C26", ignoring(&[Rule::AckOfUnsent])),
        fails(
            "C27",
            refusing_twice(|frame| *frame == Frame::HandshakeDone),
        ),
        fails("C38", ignoring(&[Rule::EmptyPacket])),
        fails("C39", ignoring(&[Rule::ReservedBits])),
        fails("C57", ignoring(&[Rule::AckBelowZero])),
        fails("C58", ignoring(&[Rule::AckBelowZero])),
        fails("C59", ignoring(&[Rule::CryptoOffset, Rule::CryptoBuffer])),
        notes("C65", closing_with(Rule::PathResponse)),
        notes("C66", closing_with(Rule::ShortestFrameType)),
        fails("C67", ignoring(&[Rule::WholeFrame])),
        fails("C68", ignoring(&[Rule::WholeFrame])),
        fails("C71", ignoring(&[Rule::WholeFrame])),
        fails(
            "C72",
            refusing(|frame| *frame == Frame::Datagram { data: b"" }),
        ),
        fails("C73", with(Fault::TalksAfterClose)),
        fails("C74", with(Fault::NoPathResponse)),
        fails("C74", with(Fault::WrongPathResponse)),
        fails("C75", with_small_datagrams(&[Rule::DatagramSize])),
    ]
}

fn of_streams() -> Vec<Mutant> {
    vec![
        fails("C15", ignoring(&[Rule::StreamNotOpened])),
        fails("C16", ignoring(&[Rule::StreamOnSendOnly])),
        fails("C17", ignoring(&[Rule::MaxStreamsRange])),
        fails("C40", ignoring(&[Rule::BidirectionalStreamLimit])),
        fails("C41", ignoring(&[Rule::UnidirectionalStreamLimit])),
        fails("C42", ignoring(&[Rule::StreamDataLimit, Rule::DataLimit])),
        fails("C43", ignoring(&[Rule::StreamDataLimit, Rule::DataLimit])),
        fails("C44", ignoring(&[Rule::ResetOnSendOnly])),
        fails("C45", ignoring(&[Rule::StopOnReceiveOnly])),
        fails("C46", ignoring(&[Rule::StopNotOpened])),
        fails("C47", ignoring(&[Rule::MaxStreamDataNotOpened])),
        fails("C48", ignoring(&[Rule::MaxStreamDataOnReceiveOnly])),
        fails("C49", ignoring(&[Rule::BlockedOnSendOnly])),
        fails("C50", ignoring(&[Rule::MaxStreamsRange])),
        fails("C51", ignoring(&[Rule::StreamsBlockedRange])),
        fails(
            "C60",
            ignoring(&[Rule::StreamOffset, Rule::StreamDataLimit, Rule::DataLimit]),
        ),
        fails("C61", ignoring(&[Rule::FinalSizeOfFins])),
        fails("C62", ignoring(&[Rule::DataBeyondFinalSize])),
        fails("C63", ignoring(&[Rule::FinalSizeBelowData])),
        fails("C64", ignoring(&[Rule::FinalSizeOfReset])),
        fails(
            "C69",
            refusing(|frame| *frame == Frame::MaxData { maximum: 0 }),
        ),
        fails(
            "C70",
            refusing(|frame| matches!(frame, Frame::MaxStreams { maximum: 0, .. })),
        ),
    ]
}

fn of_connection_ids() -> Vec<Mutant> {
    vec![
        fails("C18", ignoring(&[Rule::RetireNeverIssued])),
        fails("C23", ignoring(&[Rule::NewConnectionIdLength])),
        fails("C24", ignoring(&[Rule::ConnectionIdLimit])),
        fails("C52", ignoring(&[Rule::NewConnectionIdLength])),
        fails("C53", ignoring(&[Rule::RetirePriorTo])),
        fails(
            "C54",
            refusing_twice(|frame| matches!(frame, Frame::NewConnectionId { .. })),
        ),
        notes("C55", closing_with(Rule::SameConnectionId)),
        notes("C56", closing_with(Rule::RetireInUse)),
        fails("C80", with(Fault::RetiresNoConnectionIds)),
        fails("C81", with(Fault::ManyConnectionIds)),
        fails("C85", with(Fault::RetiresNoConnectionIds)),
        fails("C114", ignoring(&[Rule::NewConnectionIdOfNone])),
        fails(
            "C115",
            without_id(&[Rule::RetireNeverIssued, Rule::RetireInUse]),
        ),
        fails("C110", ignoring(&[Rule::SameSource])),
        fails("C113", with(Fault::IgnoresReset)),
    ]
}

fn of_keys() -> Vec<Mutant> {
    vec![
        fails("C76", with(Fault::NoKeyUpdate)),
        fails("C77", with(Fault::NoKeyUpdate)),
        fails("C104", ignoring(&[Rule::OldKeys])),
        fails("C105", with(Fault::FollowsUnauthenticKeyUpdate)),
        fails("C106", with(Fault::KeepsKeys)),
        fails("C107", with(Fault::KeepsKeys)),
        fails("C108", without(TlsRule::EarlierLevel)),
        fails("C109", applying(close_for_what_is_not_authentic)),
    ]
}

fn of_packets() -> Vec<Mutant> {
    vec![
        fails("C28", ignoring(&[Rule::FrameOfPacketType])),
        fails("C29", ignoring(&[Rule::FrameOfPacketType])),
        fails("C30", with(Fault::DiesOfVersionNegotiation)),
        fails("C31", with(Fault::DiesOfVersionNegotiation)),
        fails("C32", with(Fault::IgnoresVersionNegotiation)),
        fails("C33", with(Fault::DiesOfRetry)),
        fails("C34", with(Fault::DiesOfRetry)),
        fails("C35", ignoring(&[Rule::ServerInitialToken])),
        notes("C35", closing_with(Rule::ServerInitialToken)),
        fails("C36", ignoring(&[Rule::ReservedBits])),
        fails("C37", ignoring(&[Rule::ReservedBits])),
        fails("C78", with(Fault::AcknowledgesAcks)),
        fails("C79", with(Fault::LateAcknowledgements)),
        fails("C82", with(Fault::ProcessesDuplicates)),
        fails("C83", with(Fault::DropsBehindUnauthentic)),
        fails("C84", with(Fault::LateAcknowledgements)),
        fails("C148", with(Fault::LeavesHandshakeEarly)),
        notes(
            "C84",
            settled(|config| config.behaviour.acknowledgement_delay = Duration::from_millis(25)),
        ),
        fails("C86", ignoring(&[Rule::FrameOfPacketType])),
        fails("C87", ignoring(&[Rule::FrameOfPacketType])),
        fails(
            "C88",
            Guest {
                fault: Some(Fault::TalksAfterClose),
                ..ignoring(&[Rule::FrameOfPacketType])
            },
        ),
        fails("C89", ignoring(&[Rule::EmptyPacket])),
        notes("C90", ignoring(&[Rule::FrameOfPacketType])),
        fails("C91", ignoring(&[Rule::KnownFrame])),
        fails("C103", ignoring(&[Rule::FixedBit])),
        fails("C111", applying(close_for_noise)),
        notes("C112", greasing_by_mistake()),
    ]
}

fn of_retries() -> Vec<Mutant> {
    let restarting = |change| Guest {
        restarts: Some(change),
        ..good_client()
    };
    vec![
        fails("C116", restarting(|config| config.token.clear())),
        fails("C116", restarting(|config| config.destination = None)),
        fails("C117", restarting(|config| config.seed += 1)),
        fails("C118", restarting(|_| {})),
        fails("C119", with(Fault::DiesOfSecondRetry)),
        fails("C120", with(Fault::DiesOfRetry)),
        fails("C121", with(Fault::DiesOfRetry)),
        fails("C122", ignoring(&[Rule::RetrySource])),
        fails("C123", ignoring(&[Rule::RetrySource])),
        fails("C124", with(Fault::DiesOfVersionNegotiation)),
        fails("C125", applying(close_for_what_is_not_expected)),
    ]
}

fn of_what_is_sent() -> Vec<Mutant> {
    vec![
        fails("C126", settled(|config| say(config, offer_older_version))),
        fails(
            "C127",
            settled(|config| say(config, |hello| hello.session_id = vec![1; 32])),
        ),
        fails(
            "C128",
            settled(|config| announce(config, TransportParameters::STATELESS_RESET_TOKEN)),
        ),
        fails(
            "C129",
            settled(|config| announce(config, TransportParameters::MAX_IDLE_TIMEOUT)),
        ),
        fails(
            "C130",
            settled(|config| {
                config.edit_parameters = Some(Arc::new(|all| {
                    all.retain(|(id, _)| *id != TransportParameters::INITIAL_SOURCE_CONNECTION_ID);
                }))
            }),
        ),
        fails(
            "C131",
            settled(|config| announce(config, TransportParameters::MAX_ACK_DELAY)),
        ),
        fails(
            "C132",
            applying(|endpoint| send(endpoint, one_rtt([Frame::Ping]).reserved_bits(1))),
        ),
        fails(
            "C132",
            applying(|endpoint| send(endpoint, one_rtt([Frame::Ping]).without_fixed_bit())),
        ),
        fails(
            "C133",
            applying(|endpoint| send(endpoint, one_rtt([raw([0x40, 0x01])]))),
        ),
        fails(
            "C134",
            applying(|endpoint| {
                send(endpoint, handshake([Frame::MaxData { maximum: 1 << 20 }]));
            }),
        ),
        fails(
            "C135",
            settled(|config| config.destination = ConnectionId::new(&[7; 8])),
        ),
        fails(
            "C136",
            applying(|endpoint| send(endpoint, one_rtt([first_data()]))),
        ),
        fails(
            "C137",
            applying(|endpoint| send(endpoint, one_rtt([first_data()]))),
        ),
        fails("C138", with(Fault::UnpaddedPathChallenges)),
    ]
}

/// The client's first bidirectional stream.
fn first_stream() -> StreamId {
    StreamId::from_value(0)
}

fn first_data() -> Frame<'static> {
    Frame::Stream {
        id: first_stream(),
        offset: 0,
        fin: false,
        data: b"hello",
    }
}

/// Sends a packet once the handshake is complete, and a few times more.
fn send(endpoint: &mut Endpoint, packet: Packet) {
    const TIMES: u64 = 4;
    if endpoint.is_complete() && endpoint.next_number(packet.level) < TIMES {
        endpoint.send(packet);
    }
}

fn say(config: &mut ClientConfig, change: fn(&mut ClientHello)) {
    config.tls.edit = Some(Arc::new(move |message| {
        if let Message::ClientHello(hello) = message {
            change(hello);
        }
    }));
}

fn offer_older_version(hello: &mut ClientHello) {
    for (id, content) in &mut hello.extensions {
        if *id == extension_type::SUPPORTED_VERSIONS {
            *content = vec![4, 3, 4, 3, 3];
        }
    }
}

/// Adds a parameter whose bytes are a large integer.
fn announce(config: &mut ClientConfig, id: u64) {
    config.parameters.push((id, vec![0xff; 8]));
}

/// A client with other settings.
fn settled(settings: fn(&mut ClientConfig)) -> Guest {
    Guest {
        settings,
        ..good_client()
    }
}

/// Requirements that are not about every client, and the well-behaved one that they are about.
pub(crate) fn suited(id: &str) -> Option<Guest> {
    match id {
        "C75" => Some(with_small_datagrams(&[])),
        "C115" => Some(without_id(&[])),
        "C136" => Some(applying(|endpoint| {
            if endpoint.is_complete() && endpoint.stream(first_stream()).is_none() {
                endpoint.write(first_stream(), b"hello", false);
            }
        })),
        "C100" | "C112" => Some(greasing(&[])),
        _ => moving_clients::suited(id).or_else(|| resuming_clients::suited(id)),
    }
}

pub(crate) fn fails(id: &'static str, guest: Guest) -> Mutant {
    let (verdict, make) = (Verdict::Fail, Make::Client(guest));
    Mutant { id, verdict, make }
}

fn notes(id: &'static str, guest: Guest) -> Mutant {
    let (verdict, make) = (Verdict::Note, Make::Client(guest));
    Mutant { id, verdict, make }
}

/// A client that takes what breaks rules.
pub(crate) fn ignoring(ignored_rules: &'static [Rule]) -> Guest {
    Guest {
        ignored_rules,
        ..good_client()
    }
}

/// A client that closes by another code than the rule's.
fn closing_with(rule: Rule) -> Guest {
    Guest {
        miscoded: Some(rule),
        ..good_client()
    }
}

/// A client that closes for what is right.
fn refusing(refuses: fn(&Frame<'_>) -> bool) -> Guest {
    Guest {
        refused: Some((refuses, 0)),
        ..good_client()
    }
}

/// A client that takes a frame once, and closes for the second.
fn refusing_twice(refuses: fn(&Frame<'_>) -> bool) -> Guest {
    Guest {
        refused: Some((refuses, 1)),
        ..good_client()
    }
}

/// A client whose application does something whenever something has come.
pub(crate) fn applying(application: fn(&mut Endpoint)) -> Guest {
    Guest {
        application,
        ..good_client()
    }
}

fn close_for_what_is_not_authentic(endpoint: &mut Endpoint) {
    let is_it = endpoint.record().unopened_as(Unopened::NotAuthentic).next();
    if is_it.is_some() {
        endpoint.close(false, INTERNAL_ERROR, "");
    }
}

fn close_for_what_is_not_expected(endpoint: &mut Endpoint) {
    if endpoint
        .record()
        .unopened_as(Unopened::Unexpected)
        .next()
        .is_some()
    {
        endpoint.close(false, INTERNAL_ERROR, "");
    }
}

fn close_for_noise(endpoint: &mut Endpoint) {
    let is_noise = |packet: &UnopenedPacket| matches!(packet.why, Unopened::Malformed(_));
    if endpoint.record().unopened.iter().any(is_noise) {
        endpoint.close(false, INTERNAL_ERROR, "");
    }
}

/// A client that takes packets without the fixed bit.
fn greasing(ignored_rules: &'static [Rule]) -> Guest {
    Guest {
        ignored_rules,
        settings: |config| {
            let grease = TransportParameters::GREASE_QUIC_BIT;
            config.parameters.push((grease, Vec::new()));
        },
        ..good_client()
    }
}

/// A client that sends version_information, and ignores rules.
fn knowing_versions(ignored_rules: &'static [Rule]) -> Guest {
    Guest {
        ignored_rules,
        settings: |config| {
            let id = TransportParameters::VERSION_INFORMATION;
            config.parameters.push((id, vec![0, 0, 0, 1, 0, 0, 0, 1]));
        },
        ..good_client()
    }
}

/// A client that announces to take them, and does not.
fn greasing_by_mistake() -> Guest {
    // The rules know what the endpoint has announced, and nothing of this.
    settled(|config| say(config, announce_grease))
}

fn announce_grease(hello: &mut ClientHello) {
    for (id, content) in &mut hello.extensions {
        if *id == extension_type::QUIC_TRANSPORT_PARAMETERS {
            write_integer(content, TransportParameters::GREASE_QUIC_BIT);
            write_integer(content, 0);
        }
    }
}

/// A client whose connection ID has no bytes.
fn without_id(ignored_rules: &'static [Rule]) -> Guest {
    Guest {
        ignored_rules,
        settings: |config| config.source = Some(ConnectionId::default()),
        ..good_client()
    }
}

/// A client that takes DATAGRAM frames of 100 bytes.
fn with_small_datagrams(ignored_rules: &'static [Rule]) -> Guest {
    Guest {
        ignored_rules,
        settings: |config| {
            let id = TransportParameters::MAX_DATAGRAM_FRAME_SIZE;
            config.parameters.retain(|(other, _)| *other != id);
            config.parameters.push((id, integer_value(100)));
        },
        ..good_client()
    }
}

pub(crate) fn with(fault: Fault) -> Guest {
    Guest {
        fault: Some(fault),
        ..good_client()
    }
}

/// A client whose TLS takes what breaks a rule.
pub(crate) fn without(rule: TlsRule) -> Guest {
    Guest {
        ignored: Some(rule),
        ..good_client()
    }
}

/// The same, and it takes whatever comes behind that, as if it read none of it.
fn unread(rule: TlsRule) -> Guest {
    Guest {
        settings: |config| config.tls.ignore.push(TlsRule::EndOfEarlyData),
        ..without(rule)
    }
}
