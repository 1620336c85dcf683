//! Rules of a server for the frames of its client.

use std::time::Duration;

use qecho_packet::{
    Dir, StreamId, TransportParameters,
    close::{
        CONNECTION_ID_LIMIT_ERROR, CRYPTO_BUFFER_EXCEEDED, FINAL_SIZE_ERROR, FLOW_CONTROL_ERROR,
        FRAME_ENCODING_ERROR, INTERNAL_ERROR, PROTOCOL_VIOLATION, STREAM_LIMIT_ERROR,
        STREAM_STATE_ERROR,
    },
    wire::{Ack, ConnectionId, Frame, INTEGER_MAX, write_integer},
};
use qecho_peer::{
    endpoint::integer_value,
    packet::{Content, one_rtt, raw},
    rules::Rule,
    script::{Opened, Probe},
    simulated::{Conditions, Simulated, SimulatedServer},
};

use crate::ends::{TAKEN, client_config, good_server, is_close, server_config, to_server};

/// A rule, the type of the frame that breaks it, and what is in its packet.
type Case = (Rule, u64, Vec<Content>);

/// Rules that are broken by what breaks a rule, too.
fn broken_besides(rule: Rule) -> &'static [Rule] {
    match rule {
        Rule::CryptoOffset => &[Rule::CryptoBuffer],
        Rule::StreamOffset => &[Rule::StreamDataLimit, Rule::DataLimit],
        _ => &[],
    }
}

fn id(value: u64) -> StreamId {
    StreamId::from_value(value)
}

fn stream(value: u64, offset: u64, fin: bool, data: &'static [u8]) -> Content {
    let id = id(value);
    Frame::Stream {
        id,
        offset,
        fin,
        data,
    }
    .into()
}

fn reset(value: u64, final_size: u64) -> Content {
    let id = id(value);
    Frame::ResetStream {
        id,
        code: 0,
        final_size,
    }
    .into()
}

fn new_id(sequence: u64, retire_prior_to: u64, bytes: &[u8]) -> Content {
    Frame::NewConnectionId {
        sequence,
        retire_prior_to,
        id: ConnectionId::new(bytes).unwrap(),
        reset_token: [7; 16],
    }
    .into()
}

fn ack(number: u64) -> Content {
    let ranges = vec![number..=number];
    Frame::Ack(Ack {
        delay: 0,
        ranges,
        ecn: None,
    })
    .into()
}

fn encoding() -> Vec<Case> {
    let mut unknown = Vec::new();
    write_integer(&mut unknown, 0x4abc);
    let long_id = [vec![0x18, 9, 0, 21], vec![1; 21 + 16]].concat();
    let far = stream(0, INTEGER_MAX, false, b"a");
    let [bidirectional, unidirectional] = [Dir::Bidirectional, Dir::Unidirectional];
    let many = (1 << 60) + 1;
    let blocked = |direction| {
        Frame::StreamsBlocked {
            direction,
            limit: many,
        }
        .into()
    };
    vec![
        (Rule::KnownFrame, 0x4abc, vec![raw(unknown)]),
        (Rule::KnownFrame, 0x1f, vec![Frame::ImmediateAck.into()]),
        (Rule::WholeFrame, 0x10, vec![raw([0x10, 0x80])]),
        (Rule::WholeFrame, 0x0a, vec![raw([0x0a, 0x00, 0x30, 1])]),
        (Rule::WholeFrame, 0x31, vec![raw([0x31, 0x30, 1])]),
        (Rule::AckBelowZero, 0x02, vec![raw([2, 5, 0, 0, 6])]),
        (Rule::AckBelowZero, 0x02, vec![raw([2, 5, 0, 1, 1, 3, 0])]),
        (Rule::NewConnectionIdLength, 0x18, vec![new_id(9, 0, &[])]),
        (Rule::NewConnectionIdLength, 0x18, vec![raw(long_id)]),
        (Rule::RetirePriorTo, 0x18, vec![new_id(2, 3, &[1; 8])]),
        (
            Rule::MaxStreamsRange,
            0x12,
            vec![max_streams(bidirectional, many)],
        ),
        (
            Rule::MaxStreamsRange,
            0x13,
            vec![max_streams(unidirectional, many)],
        ),
        (
            Rule::StreamsBlockedRange,
            0x16,
            vec![blocked(bidirectional)],
        ),
        (
            Rule::StreamsBlockedRange,
            0x17,
            vec![blocked(unidirectional)],
        ),
        (Rule::CryptoOffset, 0x06, vec![crypto(INTEGER_MAX)]),
        (Rule::StreamOffset, 0x0e, vec![far]),
    ]
}

fn max_streams(direction: Dir, maximum: u64) -> Content {
    Frame::MaxStreams { direction, maximum }.into()
}

fn crypto(offset: u64) -> Content {
    Frame::Crypto { offset, data: &[4] }.into()
}

fn states() -> Vec<Case> {
    let max = |value| {
        Frame::MaxStreamData {
            id: id(value),
            maximum: 9,
        }
        .into()
    };
    let stop = |value| {
        Frame::StopSending {
            id: id(value),
            code: 0,
        }
        .into()
    };
    let blocked = |value| {
        Frame::StreamDataBlocked {
            id: id(value),
            limit: 9,
        }
        .into()
    };
    vec![
        (
            Rule::StreamOnSendOnly,
            0x0a,
            vec![stream(3, 0, false, b"a")],
        ),
        (
            Rule::StreamNotOpened,
            0x0a,
            vec![stream(41, 0, false, b"a")],
        ),
        (Rule::ResetOnSendOnly, 0x04, vec![reset(3, 0)]),
        (Rule::ResetNotOpened, 0x04, vec![reset(41, 0)]),
        (Rule::StopOnReceiveOnly, 0x05, vec![stop(2)]),
        (Rule::StopNotOpened, 0x05, vec![stop(41)]),
        (Rule::MaxStreamDataNotOpened, 0x11, vec![max(41)]),
        (Rule::MaxStreamDataOnReceiveOnly, 0x11, vec![max(2)]),
        (Rule::BlockedOnSendOnly, 0x15, vec![blocked(3)]),
        (Rule::BlockedNotOpened, 0x15, vec![blocked(41)]),
    ]
}

fn stream_limits() -> Vec<Case> {
    let [bidirectional, unidirectional] = [400, 402].map(|value| stream(value, 0, false, b"a"));
    let stop = Frame::StopSending {
        id: id(400),
        code: 0,
    };
    vec![
        (Rule::BidirectionalStreamLimit, 0x0a, vec![bidirectional]),
        (Rule::BidirectionalStreamLimit, 0x05, vec![stop.into()]),
        (Rule::UnidirectionalStreamLimit, 0x0a, vec![unidirectional]),
    ]
}

fn flow_control() -> Vec<Case> {
    let window = 1 << 18;
    let whole = [0, 4, 8, 12].map(|value| reset(value, window));
    let beyond = whole.into_iter().chain([reset(16, 1)]).collect();
    vec![
        (
            Rule::StreamDataLimit,
            0x0e,
            vec![stream(0, window, false, b"a")],
        ),
        (Rule::DataLimit, 0x04, beyond),
    ]
}

fn final_sizes() -> Vec<Case> {
    let end = || stream(0, 0, true, b"ab");
    let more = |fin| stream(0, 2, fin, b"c");
    vec![
        (Rule::FinalSizeOfFins, 0x0f, vec![end(), more(true)]),
        (
            Rule::FinalSizeOfFins,
            0x0b,
            vec![end(), stream(0, 0, true, b"a")],
        ),
        (Rule::DataBeyondFinalSize, 0x0e, vec![end(), more(false)]),
        (
            Rule::FinalSizeBelowData,
            0x04,
            vec![more(false), reset(0, 1)],
        ),
        (Rule::FinalSizeBelowData, 0x0b, vec![more(false), end()]),
        (Rule::FinalSizeOfReset, 0x04, vec![end(), reset(0, 3)]),
    ]
}

fn violations() -> Vec<Case> {
    let response = Frame::PathResponse { data: [1; 8] };
    let retirement = Frame::RetireConnectionId { sequence: 50 };
    let [first, other] = [new_id(1, 0, &[1; 8]), new_id(1, 0, &[2; 8])];
    let again = new_id(2, 0, &[1; 8]);
    vec![
        (Rule::ShortestFrameType, 0x01, vec![raw([0x40, 0x01])]),
        (Rule::AckOfUnsent, 0x02, vec![ack(1_000)]),
        (Rule::SameConnectionId, 0x18, vec![first.clone(), other]),
        (Rule::SameConnectionId, 0x18, vec![first, again]),
        (Rule::RetireNeverIssued, 0x19, vec![retirement.into()]),
        (Rule::PathResponse, 0x1b, vec![response.into()]),
        (
            Rule::NewTokenOfClient,
            0x07,
            vec![Frame::NewToken { token: b"t" }.into()],
        ),
        (
            Rule::HandshakeDoneOfClient,
            0x1e,
            vec![Frame::HandshakeDone.into()],
        ),
    ]
}

fn connection_id_limit() -> Vec<Case> {
    let ids = (1..=4).map(|sequence| new_id(sequence, 0, &[sequence as u8; 8]));
    vec![(Rule::ConnectionIdLimit, 0x18, ids.collect())]
}

fn crypto_buffer() -> Vec<Case> {
    vec![(Rule::CryptoBuffer, 0x06, vec![crypto(1 << 20)])]
}

#[test]
fn a_well_behaved_server_closes_for_each_wrong_frame_and_a_mutant_lives_on() {
    let cases = [
        (FRAME_ENCODING_ERROR, encoding()),
        (STREAM_STATE_ERROR, states()),
        (STREAM_LIMIT_ERROR, stream_limits()),
        (FLOW_CONTROL_ERROR, flow_control()),
        (FINAL_SIZE_ERROR, final_sizes()),
        (PROTOCOL_VIOLATION, violations()),
        (CONNECTION_ID_LIMIT_ERROR, connection_id_limit()),
        (CRYPTO_BUFFER_EXCEEDED, crypto_buffer()),
    ];
    for (code, (rule, frame_type, contents)) in cases
        .into_iter()
        .flat_map(|(code, cases)| cases.into_iter().map(move |case| (code, case)))
    {
        let send = |probe: &mut Probe<'_>| probe.reaction_to(one_rtt(contents.clone()));
        let reaction = to_server(good_server(), send);
        let is_right = is_close(&reaction, code, Some(frame_type));
        assert!(is_right, "{rule:?}: {reaction:?}");

        let also = broken_besides(rule).iter().copied();
        let mutant =
            good_server().with_rules(move |rules| rules.ignoring([rule]).ignoring(also.clone()));
        assert_eq!(to_server(mutant, send), TAKEN, "{rule:?}");
    }
}

/// What is larger than announced, which is nothing unless it is.
#[test]
fn a_datagram_frame_is_refused_beyond_what_was_announced() {
    let announced = |size: Option<u64>| {
        let mut config = server_config();
        let id = TransportParameters::MAX_DATAGRAM_FRAME_SIZE;
        config.parameters.retain(|(other, _)| *other != id);
        let size = size.map(|size| (id, integer_value(size)));
        config.parameters.extend(size);
        SimulatedServer::new(config)
    };
    let send =
        |probe: &mut Probe<'_>| probe.reaction_to(one_rtt([Frame::Datagram { data: b"12345678" }]));
    for size in [None, Some(0), Some(9)] {
        let reaction = to_server(announced(size), send);
        assert!(
            is_close(&reaction, PROTOCOL_VIOLATION, Some(0x31)),
            "{reaction:?}"
        );
        let mutant = announced(size).with_rules(|rules| rules.ignoring([Rule::DatagramSize]));
        assert_eq!(to_server(mutant, send), TAKEN);
    }
    assert_eq!(to_server(announced(Some(10)), send), TAKEN);
}

#[test]
fn a_peer_without_connection_ids_issues_none_and_has_none_to_retire() {
    let issue = |server: SimulatedServer| {
        let mut network = Simulated::new(server, Conditions::default());
        let mut config = client_config();
        config.source = ConnectionId::new(&[]);
        let mut probe = Probe::client(&mut network, config);
        assert_eq!(probe.open(), Opened::Confirmed);
        probe.reaction_to(one_rtt([new_id(1, 0, &[1; 8])]))
    };
    let reaction = issue(good_server());
    assert!(
        is_close(&reaction, PROTOCOL_VIOLATION, Some(0x18)),
        "{reaction:?}"
    );
    let mutant = good_server().with_rules(|rules| rules.ignoring([Rule::NewConnectionIdOfNone]));
    assert_eq!(issue(mutant), TAKEN);
}

#[test]
fn a_mutant_may_refuse_what_is_legal() {
    let done = |frame: &Frame<'_>| matches!(frame, Frame::MaxData { maximum: 0 });
    let mutant = good_server().with_rules(move |rules| rules.refusing(done));
    let send = |probe: &mut Probe<'_>| {
        assert!(probe.lives());
        probe.reaction_to(one_rtt([Frame::MaxData { maximum: 0 }]))
    };
    let reaction = to_server(mutant, send);
    assert!(is_close(&reaction, INTERNAL_ERROR, None), "{reaction:?}");

    let mutant = good_server()
        .with_rules(|rules| rules.refusing_parameters(|parameters| parameters.get(0x1b).is_some()));
    let mut network = Simulated::new(mutant, Conditions::default());
    let mut config = client_config();
    config.parameters.push((0x1b, Vec::new()));
    let opened = Probe::client(&mut network, config).open();
    let is_refused = matches!(&opened, Opened::Refused(close) if close.code == INTERNAL_ERROR);
    assert!(is_refused, "{opened:?}");
}

#[test]
fn a_mutant_may_close_with_another_code() {
    let mutant =
        good_server().with_rules(|rules| rules.closing_with(Rule::KnownFrame, INTERNAL_ERROR));
    let reaction = to_server(mutant, |probe| probe.reaction_to(one_rtt([raw([0x21])])));
    assert!(
        is_close(&reaction, INTERNAL_ERROR, Some(0x21)),
        "{reaction:?}"
    );
}

#[test]
fn a_well_behaved_server_lives_on_for_what_is_legal() {
    let legal: [Vec<Content>; 9] = [
        vec![new_id(1, 0, &[1; 8]), new_id(1, 0, &[1; 8])],
        vec![Frame::MaxData { maximum: 0 }.into()],
        vec![max_streams(Dir::Bidirectional, 0)],
        vec![max_streams(Dir::Bidirectional, 1 << 60)],
        vec![Frame::Datagram { data: b"" }.into()],
        vec![
            new_id(1, 1, &[1; 8]),
            new_id(2, 2, &[2; 8]),
            new_id(3, 0, &[3; 8]),
        ],
        vec![
            stream(4, 0, true, b""),
            reset(4, 0),
            stream(4, 0, true, b""),
        ],
        vec![stream(396, (1 << 18) - 1, true, b"a"), reset(398, 1 << 18)],
        vec![
            Frame::StreamsBlocked {
                direction: Dir::Unidirectional,
                limit: 1 << 60,
            }
            .into(),
            Frame::DataBlocked { limit: 7 }.into(),
        ],
    ];
    for contents in legal {
        let packet = one_rtt(contents.clone());
        let reaction = to_server(good_server(), |probe| probe.reaction_to(packet));
        assert_eq!(reaction, TAKEN, "{contents:?}");
    }
}

#[test]
fn frames_of_any_bytes_are_refused_or_taken_without_a_panic() {
    // Types of frames, cut and continued by bytes that look random.
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    for length in 0..200 {
        let mut bytes = vec![next() % 0x34];
        bytes.extend((0..length).map(|_| next()));
        let all = good_server().with_rules(|rules| rules.ignoring(Rule::ALL.iter().copied()));
        for server in [good_server(), all] {
            to_server(server, |probe| {
                probe.send(one_rtt([raw(bytes.clone())]));
                probe.settle(Duration::from_millis(50));
            });
        }
    }
}
