//! Transport parameters that are wrong.

use std::{sync::Arc, time::Duration};

use qecho_packet::{
    TransportParameters,
    close::{PROTOCOL_VIOLATION, TRANSPORT_PARAMETER_ERROR, VERSION_NEGOTIATION_ERROR},
};
use qecho_peer::{
    endpoint::{Parameters, ParametersEdit, ServerConfig, integer_value},
    rules::{Rule, Rules},
    script::{Opened, Probe},
    simulated::{Conditions, Simulated, SimulatedClient},
    tls::{EarlyData, Resumption, Tickets},
};

use crate::ends::{client, client_config, good_server, server_config};

type Id = TransportParameters;

fn set(id: u64, value: Vec<u8>) -> ParametersEdit {
    Arc::new(move |parameters: &mut Parameters| {
        parameters.retain(|(other, _)| *other != id);
        parameters.push((id, value.clone()));
    })
}

fn integer(id: u64, value: u64) -> ParametersEdit {
    set(id, integer_value(value))
}

fn remove(id: u64) -> ParametersEdit {
    Arc::new(move |parameters: &mut Parameters| parameters.retain(|(other, _)| *other != id))
}

fn double(id: u64) -> ParametersEdit {
    Arc::new(move |parameters: &mut Parameters| {
        let one = parameters.iter().find(|(other, _)| *other == id).cloned();
        parameters.extend(one);
    })
}

/// Edits of either side, by the rules that they break.
fn both_sides() -> Vec<(Rule, ParametersEdit)> {
    let versions = |versions: &[u32]| {
        let bytes = versions.iter().flat_map(|version| version.to_be_bytes());
        set(Id::VERSION_INFORMATION, bytes.collect())
    };
    vec![
        (
            Rule::InitialSourceMissing,
            remove(Id::INITIAL_SOURCE_CONNECTION_ID),
        ),
        (
            Rule::InitialSourceWrong,
            set(Id::INITIAL_SOURCE_CONNECTION_ID, vec![1; 8]),
        ),
        (
            Rule::UdpPayloadSize,
            integer(Id::MAX_UDP_PAYLOAD_SIZE, 1_199),
        ),
        (Rule::AckDelayExponent, integer(Id::ACK_DELAY_EXPONENT, 21)),
        (Rule::MaxAckDelay, integer(Id::MAX_ACK_DELAY, 1 << 14)),
        (
            Rule::ActiveConnectionIdLimit,
            integer(Id::ACTIVE_CONNECTION_ID_LIMIT, 1),
        ),
        (
            Rule::BidirectionalStreams,
            integer(Id::INITIAL_MAX_STREAMS_BIDI, (1 << 60) + 1),
        ),
        (
            Rule::UnidirectionalStreams,
            integer(Id::INITIAL_MAX_STREAMS_UNI, (1 << 60) + 1),
        ),
        (Rule::ParameterOnce, double(Id::MAX_IDLE_TIMEOUT)),
        (
            Rule::MigrationParameter,
            set(Id::DISABLE_ACTIVE_MIGRATION, vec![0]),
        ),
        (
            Rule::IntegerParameter,
            set(Id::INITIAL_MAX_DATA, vec![0x80, 1, 0, 0, 0]),
        ),
        (Rule::GreaseParameter, set(Id::GREASE_QUIC_BIT, vec![0])),
        (
            Rule::VersionInformation,
            set(Id::VERSION_INFORMATION, vec![0, 0, 0, 1, 0, 0, 0]),
        ),
        (Rule::VersionInformation, versions(&[1, 1, 0])),
        (Rule::ChosenVersion, versions(&[2, 2])),
    ]
}

fn of_clients() -> Vec<(Rule, ParametersEdit)> {
    let original = Id::ORIGINAL_DESTINATION_CONNECTION_ID;
    vec![
        (Rule::OriginalDestinationOfClient, set(original, vec![1; 8])),
        (
            Rule::PreferredAddressOfClient,
            set(Id::PREFERRED_ADDRESS, preferred_address(8)),
        ),
        (
            Rule::RetrySourceOfClient,
            set(Id::RETRY_SOURCE_CONNECTION_ID, vec![1; 8]),
        ),
        (
            Rule::ResetTokenOfClient,
            set(Id::STATELESS_RESET_TOKEN, vec![1; 16]),
        ),
    ]
}

fn of_servers() -> Vec<(Rule, ParametersEdit)> {
    let original = Id::ORIGINAL_DESTINATION_CONNECTION_ID;
    vec![
        (Rule::OriginalDestinationMissing, remove(original)),
        (Rule::OriginalDestinationWrong, set(original, vec![1; 8])),
        (
            Rule::RetrySource,
            set(Id::RETRY_SOURCE_CONNECTION_ID, vec![1; 8]),
        ),
        (
            Rule::ResetTokenLength,
            set(Id::STATELESS_RESET_TOKEN, vec![1; 15]),
        ),
        (
            Rule::PreferredAddress,
            set(Id::PREFERRED_ADDRESS, preferred_address(0)),
        ),
        (
            Rule::PreferredAddress,
            set(Id::PREFERRED_ADDRESS, vec![1; 24]),
        ),
    ]
}

/// A preferred_address whose connection ID has so many bytes.
fn preferred_address(id_length: u8) -> Vec<u8> {
    let id = vec![9; usize::from(id_length)];
    [vec![1; 24], vec![id_length], id, vec![7; 16]].concat()
}

fn code(rule: Rule) -> u64 {
    match rule {
        Rule::ChosenVersion => VERSION_NEGOTIATION_ERROR,
        _ => TRANSPORT_PARAMETER_ERROR,
    }
}

#[track_caller]
fn assert_refused(opened: &Opened, rule: Rule) {
    let is_right = matches!(opened, Opened::Refused(close) if close.code == code(rule));
    assert!(is_right, "{rule:?}: {opened:?}");
}

#[test]
fn a_well_behaved_server_refuses_each_wrong_parameter_and_a_mutant_does_not() {
    for (rule, edit) in both_sides().into_iter().chain(of_clients()) {
        let open = |server| {
            let mut network = Simulated::new(server, Conditions::default());
            let mut config = client_config();
            config.edit_parameters = Some(edit.clone());
            Probe::client(&mut network, config).open()
        };
        assert_refused(&open(good_server()), rule);
        let mutant = good_server().with_rules(move |rules| rules.ignoring([rule]));
        assert_eq!(open(mutant), Opened::Confirmed, "{rule:?}");
    }
}

#[test]
fn a_well_behaved_client_refuses_each_wrong_parameter_and_a_mutant_does_not() {
    for (rule, edit) in both_sides().into_iter().chain(of_servers()) {
        let mut config = server_config();
        config.edit_parameters = Some(edit);
        let mut good = client(|rules| rules, []);
        assert_refused(&Probe::server(&mut good, config.clone()).open(), rule);
        let mut mutant = client(|rules| rules.ignoring([rule]), []);
        let opened = Probe::server(&mut mutant, config).open();
        assert_eq!(opened, Opened::Confirmed, "{rule:?}");
    }
}

#[test]
fn parameters_that_nobody_knows_and_limits_as_they_may_be_are_taken() {
    let legal: Vec<ParametersEdit> = vec![
        set(0x1b, vec![1; 100]),
        set(31 * 7 + 27, vec![]),
        set(
            Id::VERSION_INFORMATION,
            [1_u32, 0x0a0a_0a0a, 1].map(u32::to_be_bytes).concat(),
        ),
        integer(Id::MAX_UDP_PAYLOAD_SIZE, 1_200),
        integer(Id::ACK_DELAY_EXPONENT, 20),
        integer(Id::MAX_ACK_DELAY, (1 << 14) - 1),
        integer(Id::ACTIVE_CONNECTION_ID_LIMIT, 2),
        integer(Id::INITIAL_MAX_STREAMS_BIDI, 1 << 60),
        set(Id::MAX_IDLE_TIMEOUT, vec![0xc0, 0, 0, 0, 0, 0, 0x75, 0x30]),
        set(Id::GREASE_QUIC_BIT, vec![]),
        set(Id::DISABLE_ACTIVE_MIGRATION, vec![]),
        remove(Id::MAX_UDP_PAYLOAD_SIZE),
    ];
    for edit in legal {
        let mut network = Simulated::new(good_server(), Conditions::default());
        let mut config = client_config();
        config.edit_parameters = Some(edit.clone());
        assert_eq!(
            Probe::client(&mut network, config).open(),
            Opened::Confirmed
        );
        let mut network = client(|rules| rules, []);
        let mut config = server_config();
        config.edit_parameters = Some(edit);
        assert_eq!(
            Probe::server(&mut network, config).open(),
            Opened::Confirmed
        );
    }
    let mut network = client(|rules| rules, []);
    let mut config = server_config();
    config.edit_parameters = Some(set(Id::PREFERRED_ADDRESS, preferred_address(8)));
    assert_eq!(
        Probe::server(&mut network, config).open(),
        Opened::Confirmed
    );
}

#[test]
fn parameters_that_are_cut_off_are_refused() {
    let cut = [0x01, 0x02, 0x40];
    let open = |server| {
        let mut network = Simulated::new(server, Conditions::default());
        let mut config = client_config();
        config.tls.edit = Some(Arc::new(move |message| {
            let qecho_peer::tls::Message::ClientHello(hello) = message else {
                return;
            };
            for (kind, content) in &mut hello.extensions {
                if *kind == 0x39 {
                    content.extend(cut);
                }
            }
        }));
        Probe::client(&mut network, config).open()
    };
    assert_refused(&open(good_server()), Rule::WholeParameters);
    let mutant = good_server().with_rules(|rules| rules.ignoring([Rule::WholeParameters]));
    assert_eq!(open(mutant), Opened::Confirmed);
}

#[test]
fn a_server_that_accepts_0_rtt_must_not_reduce_what_the_client_remembers() {
    let mut config = server_config();
    let tickets = Tickets::new([5; 32]).with_early_data([]);
    config.tls.tickets = Some(tickets.clone());
    let mut network = client(|rules| rules, []);
    let mut probe = Probe::server(&mut network, config.clone());
    assert_eq!(probe.open(), Opened::Confirmed);
    probe.settle(Duration::from_millis(100));
    drop(probe);
    let session = network.far.endpoint.sessions()[0].clone();
    let parameters = session.parameters.clone();

    let open = |config: &ServerConfig, rule: Option<Rule>| {
        let mut network = Simulated::begin(Conditions::default(), |now| {
            let mut resuming = client_config();
            resuming.tls.resumption = Some(Resumption {
                session: session.clone(),
                age: Duration::ZERO,
                early_data: true,
            });
            let change = |rules: Rules| rules.remembering(&parameters).ignoring(rule);
            SimulatedClient::new(resuming, change, [], now)
        });
        let opened = Probe::server(&mut network, config.clone()).open();
        let negotiated = network.far.endpoint.negotiated().unwrap();
        (opened, negotiated.early_data)
    };
    assert_eq!(
        open(&config, None),
        (Opened::Confirmed, EarlyData::Accepted)
    );
    config.edit_parameters = Some(integer(Id::MAX_DATAGRAM_FRAME_SIZE, 65_534));
    let (opened, _) = open(&config, None);
    let is_right = matches!(&opened, Opened::Refused(close) if close.code == PROTOCOL_VIOLATION);
    assert!(is_right, "{opened:?}");
    let opened = open(&config, Some(Rule::ReducedParameters));
    assert_eq!(opened, (Opened::Confirmed, EarlyData::Accepted));
    config.tls.tickets = Some(Tickets::new([5; 32]));
    assert_eq!(
        open(&config, None),
        (Opened::Confirmed, EarlyData::Rejected)
    );
}
