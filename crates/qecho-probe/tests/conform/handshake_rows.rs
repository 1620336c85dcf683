//! Mutants of the rows of handshakes, headers, versions, keys and paths.

use std::{sync::Arc, time::Duration};

use qecho_packet::{
    TransportParameters,
    close::{PROTOCOL_VIOLATION, TRANSPORT_PARAMETER_ERROR},
    wire::write_integer,
};
use qecho_peer::{
    endpoint::{ServerConfig, integer_value},
    faults::Fault,
    rules::{Rule, Rules},
    simulated::SimulatedServer,
    tls::{Message, TlsRule, extension_type},
};

use crate::{
    Mutant, fails,
    habits::{answering_all_by_ping, editing, retrying, with_versions},
    notes,
    subject::{good_server, long_chain, server_config},
};

pub(crate) fn mutants() -> Vec<Mutant> {
    let mut all = parameters();
    all.extend(tls());
    all.extend(handshake_packets());
    all.extend(stateless());
    all.extend(keys_and_paths());
    all.extend(later_rows());
    all
}

pub(crate) type MakeServer = fn() -> SimulatedServer;

/// Requirements that are not about every server, and the well-behaved one that they are about.
pub(crate) fn suited() -> Vec<(&'static str, MakeServer)> {
    vec![
        ("P18", || greasing(&[])),
        ("V18", || greasing(&[])),
        ("F51", || with_small_datagrams(&[])),
    ]
}

fn parameters() -> Vec<Mutant> {
    vec![
        fails("P01", || ignoring(Rule::InitialSourceMissing)),
        fails("P02", || ignoring(Rule::InitialSourceWrong)),
        fails("P03", || ignoring(Rule::OriginalDestinationOfClient)),
        fails("P04", || {
            // The connection ID of the address has the number of the client's own second one.
            let ignored = [Rule::PreferredAddressOfClient, Rule::SameConnectionId];
            good_server().with_rules(move |rules| rules.ignoring(ignored))
        }),
        fails("P05", || ignoring(Rule::RetrySourceOfClient)),
        fails("P06", || ignoring(Rule::ResetTokenOfClient)),
        fails("P07", || ignoring(Rule::UdpPayloadSize)),
        fails("P08", || ignoring(Rule::AckDelayExponent)),
        fails("P09", || ignoring(Rule::MaxAckDelay)),
        fails("P10", || ignoring(Rule::ActiveConnectionIdLimit)),
        fails("P11", || ignoring(Rule::BidirectionalStreams)),
        fails("P12", || ignoring(Rule::UnidirectionalStreams)),
        fails("P13", || ignoring(Rule::ParameterOnce)),
        fails("P14", || ignoring(Rule::WholeParameters)),
        notes("P14", || {
            closing_with(Rule::WholeParameters, PROTOCOL_VIOLATION)
        }),
        fails("P15", || with(Fault::RefusesReservedParameters)),
        fails("P16", || ignoring(Rule::MigrationParameter)),
        fails("P17", || ignoring(Rule::IntegerParameter)),
        fails("P18", || greasing(&[Rule::GreaseParameter])),
        fails("P19", || knowing_versions(Rule::VersionInformation)),
        fails("P20", || knowing_versions(Rule::ChosenVersion)),
        fails("P21", || knowing_versions(Rule::VersionInformation)),
        notes("P19", || {
            closing_with(Rule::VersionInformation, PROTOCOL_VIOLATION)
        }),
        notes("P20", || {
            closing_with(Rule::ChosenVersion, TRANSPORT_PARAMETER_ERROR)
        }),
        notes("P21", || {
            closing_with(Rule::VersionInformation, PROTOCOL_VIOLATION)
        }),
    ]
}

/// A server that sends version_information, and ignores what is wrong with its client's.
fn knowing_versions(rule: Rule) -> SimulatedServer {
    with_versions(&[1, 1]).with_rules(move |rules| rules.ignoring([rule]))
}

fn tls() -> Vec<Mutant> {
    vec![
        fails("T01", || without(TlsRule::AlpnAgreed)),
        fails("T02", || without(TlsRule::TransportParameters)),
        fails("T03", || without(TlsRule::TransportParameters)),
        fails("T04", || without(TlsRule::Version)),
        fails("T05", || without(TlsRule::SessionId)),
        fails("T06", || without(TlsRule::KeyChange)),
        fails("T07", || without(TlsRule::EndOfEarlyData)),
    ]
}

fn handshake_packets() -> Vec<Mutant> {
    vec![
        fails("L01", || ignoring(Rule::FrameOfPacketType)),
        fails("L02", || ignoring(Rule::FrameOfPacketType)),
        fails("L03", || ignoring(Rule::FrameOfPacketType)),
        fails("L04", || {
            ignoring(Rule::FrameOfPacketType).with_faults([Fault::TalksAfterClose])
        }),
        fails("L05", || ignoring(Rule::ReservedBits)),
        fails("L06", || ignoring(Rule::EmptyPacket)),
        notes("L07", || ignoring(Rule::FrameOfPacketType)),
        fails("L08", || ignoring(Rule::ReservedBits)),
        fails("L09", || ignoring(Rule::KnownFrame)),
        fails("L08", || {
            retrying(|_| {}).with_rules(|rules| rules.ignoring([Rule::ReservedBits]))
        }),
        fails("V06", || ignoring(Rule::InitialDatagramSize)),
        // It counts the headers of IP and UDP, too.
        fails("V06", || {
            good_server().with_rules(|rules| {
                let rules = rules.ignoring([Rule::InitialDatagramSize]);
                rules.discarding(|packet| packet.datagram_size < 1_172)
            })
        }),
        fails("V07", || ignoring(Rule::FixedBit)),
        fails("V08", || with(Fault::ExceedsAmplificationLimit)),
        fails("V09", || with(Fault::UnpaddedInitials)),
        fails("V09", || with(Fault::UnpaddedProbes)),
        notes("V13", || with(Fault::AnswersUnauthentic)),
        fails("K05", || with(Fault::DropsMixedDatagrams)),
    ]
}

fn stateless() -> Vec<Mutant> {
    vec![
        fails("N01", || with(Fault::NoVersionNegotiation)),
        fails("V01", || with(Fault::TwoVersionNegotiations)),
        fails("V01", || with(Fault::UnswappedVersionNegotiation)),
        fails("V02", || with(Fault::VersionNegotiationToSmall)),
        fails("V02", || {
            with(Fault::VersionNegotiationToSmall).negotiating_q046()
        }),
        fails("V03", || with(Fault::VersionNegotiationToItself)),
        fails("V04", || with(Fault::CutVersionNegotiation)),
        fails("V38", || with(Fault::CutVersionNegotiation)),
        fails("V05", || with(Fault::AnswersLongConnectionIds)),
        fails("V10", || with(Fault::LargeReset)),
        fails("V11", || with(Fault::ResetToTiny)),
        // Whether it is gone is told by the handshake after the run.
        notes("V12", || with(Fault::DiesOfNoise)),
    ]
}

fn keys_and_paths() -> Vec<Mutant> {
    vec![
        fails("K01", || with(Fault::NoKeyUpdate)),
        fails("K02", || with(Fault::NoKeyUpdate)),
        fails("K03", || with(Fault::AcknowledgesAcks)),
        notes("K03", answering_all_by_ping),
        fails("K04", || with(Fault::LateAcknowledgements)),
        fails("K06", || with(Fault::IgnoresStopSending)),
        notes("M01", || with(Fault::NoMigration)),
        fails("M01", || with(Fault::MigratesUnvalidated)),
        fails("M01", || with(Fault::UnpaddedPathChallenges)),
        fails("M02", || with(Fault::ExceedsAmplificationLimit)),
    ]
}

fn later_rows() -> Vec<Mutant> {
    vec![
        fails("F51", || with_small_datagrams(&[Rule::DatagramSize])),
        fails("V14", || with(Fault::TrustsAnyToken)),
        fails("V15", || ignoring(Rule::SameSource)),
        fails("V16", || with(Fault::DiesOfOtherVersion)),
        fails("V17", || with(Fault::DiesOfNoise)),
        notes("V18", || {
            // The rules know what the endpoint has announced, and nothing of this.
            let mut config = server_config();
            config.tls.edit = Some(Arc::new(announce_grease));
            SimulatedServer::new(config)
        }),
        fails("V19", || with(Fault::IgnoresReset)),
        fails("K07", || with(Fault::RetiresNoConnectionIds)),
        fails("K08", || with(Fault::ManyConnectionIds)),
        fails("K09", || with(Fault::ProcessesDuplicates)),
        fails("K10", || with(Fault::DropsBehindUnauthentic)),
        fails("K11", || with(Fault::LateAcknowledgements)),
        notes("K11", || {
            editing(|config| config.behaviour.acknowledgement_delay = Duration::from_millis(25))
        }),
        fails("K12", || with(Fault::NoBackoff)),
        fails("K12", || with(Fault::NoResending)),
        fails("T08", || {
            let mut config = server_config();
            config.tls.reads_early = true;
            SimulatedServer::new(config)
        }),
        fails("T09", || with(Fault::RefusesUnknownSuites)),
        fails("T10", || ignoring(Rule::OldKeys)),
        fails("T12", || with(Fault::KeepsKeys)),
        fails("T13", || with(Fault::KeepsKeys)),
        fails("T14", || without(TlsRule::EarlierLevel)),
        fails("T14", || {
            let mut config = long_chain();
            config.tls.ignore.push(TlsRule::EarlierLevel);
            SimulatedServer::new(config)
        }),
        fails("K13", || with(Fault::RetiresNoConnectionIds)),
        fails("M03", || with(Fault::NoPathResponse)),
        fails("T11", || with(Fault::FollowsUnauthenticKeyUpdate)),
    ]
}

fn announce_grease(message: &mut Message) {
    let Message::EncryptedExtensions(extensions) = message else {
        return;
    };
    for (id, content) in extensions {
        if *id == extension_type::QUIC_TRANSPORT_PARAMETERS {
            write_integer(content, TransportParameters::GREASE_QUIC_BIT);
            write_integer(content, 0);
        }
    }
}

fn greasing_config() -> ServerConfig {
    let mut config = server_config();
    let grease = TransportParameters::GREASE_QUIC_BIT;
    config.parameters.push((grease, Vec::new()));
    config
}

/// Returns a server that takes packets without the fixed bit, and ignores some rules.
fn greasing(ignored: &'static [Rule]) -> SimulatedServer {
    let ignoring = |rules: Rules| rules.ignoring(ignored.iter().copied());
    SimulatedServer::new(greasing_config()).with_rules(ignoring)
}

/// Returns a server that takes DATAGRAM frames of 100 bytes, and ignores some rules.
fn with_small_datagrams(ignored: &'static [Rule]) -> SimulatedServer {
    let mut config = server_config();
    let id = TransportParameters::MAX_DATAGRAM_FRAME_SIZE;
    config.parameters.retain(|(other, _)| *other != id);
    config.parameters.push((id, integer_value(100)));
    let ignoring = |rules: Rules| rules.ignoring(ignored.iter().copied());
    SimulatedServer::new(config).with_rules(ignoring)
}

fn ignoring(rule: Rule) -> SimulatedServer {
    good_server().with_rules(move |rules| rules.ignoring([rule]))
}

pub(crate) fn with(fault: Fault) -> SimulatedServer {
    good_server().with_faults([fault])
}

fn without(rule: TlsRule) -> SimulatedServer {
    let mut config = server_config();
    config.tls.ignore.push(rule);
    SimulatedServer::new(config)
}

fn closing_with(rule: Rule, code: u64) -> SimulatedServer {
    good_server().with_rules(move |rules| rules.closing_with(rule, code))
}
