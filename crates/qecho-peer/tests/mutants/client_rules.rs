//! Rules of a client for what its server sends.

use qecho_packet::{
    Dir, StreamId,
    close::{
        CONNECTION_ID_LIMIT_ERROR, CRYPTO_BUFFER_EXCEEDED, FRAME_ENCODING_ERROR,
        PROTOCOL_VIOLATION, STREAM_STATE_ERROR,
    },
    wire::{Ack, ConnectionId, Frame},
};
use qecho_peer::{
    packet::{Content, Packet, handshake, initial, one_rtt, raw},
    rules::Rule,
    script::{Probe, Reaction},
    tls::Level,
};

use crate::ends::{client, script_server_config, to_client};

fn cases() -> Vec<(Rule, u64, Vec<Content>)> {
    let id = StreamId::from_value;
    let stream = |value| {
        let (id, offset, fin) = (id(value), 0, false);
        Frame::Stream {
            id,
            offset,
            fin,
            data: b"a",
        }
        .into()
    };
    let new_id = |sequence, length| {
        Frame::NewConnectionId {
            sequence,
            retire_prior_to: 0,
            id: ConnectionId::new(&vec![sequence as u8; length]).unwrap(),
            reset_token: [7; 16],
        }
        .into()
    };
    let many = (1..=4).map(|sequence| new_id(sequence, 8)).collect();
    let maximum = (1 << 60) + 1;
    let streams = Frame::MaxStreams {
        direction: Dir::Bidirectional,
        maximum,
    };
    let far = Frame::Crypto {
        offset: 1 << 20,
        data: &[4],
    };
    let ack = Ack {
        delay: 0,
        ranges: vec![1_000..=1_000],
        ecn: None,
    };
    let retirement = Frame::RetireConnectionId { sequence: 50 };
    vec![
        (
            Rule::EmptyToken,
            FRAME_ENCODING_ERROR,
            vec![raw([0x07, 0x00])],
        ),
        (Rule::StreamNotOpened, STREAM_STATE_ERROR, vec![stream(40)]),
        (Rule::StreamOnSendOnly, STREAM_STATE_ERROR, vec![stream(2)]),
        (
            Rule::MaxStreamsRange,
            FRAME_ENCODING_ERROR,
            vec![streams.into()],
        ),
        (
            Rule::RetireNeverIssued,
            PROTOCOL_VIOLATION,
            vec![retirement.into()],
        ),
        (Rule::KnownFrame, FRAME_ENCODING_ERROR, vec![raw([0x21])]),
        (
            Rule::NewConnectionIdLength,
            FRAME_ENCODING_ERROR,
            vec![new_id(1, 0)],
        ),
        (Rule::ConnectionIdLimit, CONNECTION_ID_LIMIT_ERROR, many),
        (Rule::CryptoBuffer, CRYPTO_BUFFER_EXCEEDED, vec![far.into()]),
        (
            Rule::AckOfUnsent,
            PROTOCOL_VIOLATION,
            vec![Frame::Ack(ack).into()],
        ),
    ]
}

fn is_close(reaction: &Reaction, code: u64) -> bool {
    matches!(reaction, Reaction::Closed(close) if close.code == code)
}

#[test]
fn a_well_behaved_client_closes_for_each_wrong_frame_and_a_mutant_lives_on() {
    for (rule, code, contents) in cases() {
        let send = |probe: &mut Probe<'_>| probe.reaction_to(one_rtt(contents.clone()));
        let reaction = to_client(&mut client(|rules| rules, []), send);
        assert!(is_close(&reaction, code), "{rule:?}: {reaction:?}");
        let mut mutant = client(|rules| rules.ignoring([rule]), []);
        let reaction = to_client(&mut mutant, send);
        let is_right = matches!(reaction, Reaction::LivesOn { .. });
        assert!(is_right, "{rule:?}: {reaction:?}");
    }
}

#[test]
fn a_client_lives_on_when_its_handshake_is_done_again() {
    let reaction = to_client(&mut client(|rules| rules, []), |probe| {
        probe.reaction_to(one_rtt([Frame::HandshakeDone]))
    });
    assert_eq!(
        reaction,
        Reaction::LivesOn {
            is_acknowledged: true
        }
    );
}

/// Sends a packet as soon as there are keys, before the client has more than the ServerHello.
fn early(rule: Option<Rule>, packet: Packet) -> Reaction {
    let mut network = client(|rules| rules.ignoring(rule), []);
    let mut config = script_server_config();
    config.behaviour.sends_handshake_done = false;
    // A ServerHello would end the level.
    config.behaviour.sends_crypto = packet.level != Level::Initial;
    let mut probe = Probe::server(&mut network, config);
    let level = packet.level;
    let patience = probe.patience;
    assert!(probe.wait_for(|endpoint| endpoint.has_keys(level), patience));
    probe.reaction_to(packet)
}

#[test]
fn wrong_packets_of_the_handshake_are_refused_unless_the_mutant_takes_them() {
    let stream = Frame::Stream {
        id: StreamId::from_value(1),
        offset: 0,
        fin: false,
        data: b"a",
    };
    let cases = [
        (Rule::FrameOfPacketType, handshake([Frame::HandshakeDone])),
        (Rule::FrameOfPacketType, handshake([stream])),
        (
            Rule::ReservedBits,
            handshake([Frame::Ping]).reserved_bits(0b01),
        ),
        (
            Rule::ReservedBits,
            initial([Frame::Ping]).reserved_bits(0b11),
        ),
        (Rule::ServerInitialToken, initial([Frame::Ping]).token([1])),
    ];
    for (rule, packet) in cases {
        let reaction = early(None, packet.clone());
        assert!(
            is_close(&reaction, PROTOCOL_VIOLATION),
            "{rule:?}: {reaction:?}"
        );
        let reaction = early(Some(rule), packet);
        let is_right = matches!(reaction, Reaction::LivesOn { .. });
        assert!(is_right, "{rule:?}: {reaction:?}");
    }
}

#[test]
fn an_initial_packet_from_another_connection_id_is_discarded_unless_the_mutant_takes_it() {
    let other = ConnectionId::new(&[9; 8]).unwrap();
    let send = |rule| early(rule, initial([Frame::MaxData { maximum: 7 }]).source(other));
    assert!(matches!(send(None), Reaction::LivesOn { .. }));
    assert!(is_close(&send(Some(Rule::SameSource)), PROTOCOL_VIOLATION));
}
