//! Handshakes that break the rules, whichever side it is.

use std::time::Instant;

use qecho_engine::{
    Application, CloseReason, ConnectTo, Connection, Connector, Event, Output, Received,
    RejectReason, Shard, ShardContext,
    config::{ShardConfig, Transport},
};
use qecho_netsim::simulation::{FAR, NEAR};
use qecho_packet::wire::{self, PacketType};
use qecho_testkit::{
    identity::{Identity, SERVER_NAME},
    initial::{Initial, client_hello, initial},
};
use quinn_proto::ConnectionError;

use crate::{
    attack::{Attack, MEMORY_MAX, Server},
    forgery::forged,
    frames::Frames,
};

const PROTOCOL_VIOLATION: u64 = 0x0a;

#[test]
fn a_frame_that_is_illegal_in_0_rtt_behind_the_first_initial_is_answered_with_its_error() {
    let frame = |kind: u64| Frames::default().varint(kind);
    for frames in [
        // ACK, CRYPTO, NEW_TOKEN, RETIRE_CONNECTION_ID, PATH_RESPONSE, HANDSHAKE_DONE.
        frame(0x02).bytes(&[0, 0, 0, 0]),
        Frames::default().crypto(0, b"x"),
        frame(0x07).bytes(&[1, 1]),
        frame(0x19).bytes(&[0]),
        frame(0x1b).bytes(&[7; 8]),
        frame(0x1e),
    ] {
        let frames = frames.into_packet();
        let mut attack = Attack::on(Server::parrot());
        attack.come_again();
        assert!(attack.attacker.connection.has_0rtt());
        let mut datagrams = attack.attacker.connection.datagrams();
        let sent = datagrams.send(forged(&frames).into(), false);
        sent.expect("the first connection has learned that it may");
        attack.run(20);
        let Some(ConnectionError::ConnectionClosed(close)) = attack.lost else {
            panic!("{frames:02x?}: {:?}", attack.lost);
        };
        assert_eq!(
            u64::from(close.error_code),
            PROTOCOL_VIOLATION,
            "{frames:02x?}"
        );
        assert_eq!(attack.victim.half_open(), 0);
    }
}

#[test]
fn early_data_is_taken_by_a_server_that_is_short_of_memory() {
    let mut attack = Attack::on(Server::parrot());
    let now = attack.now();
    attack.victim.note_resident_memory(now, MEMORY_MAX);
    attack.come_again();
    attack.run(200);
    // RFC 9000 §7.4.1: the client would end the connection if it were allowed less than before.
    assert!(attack.lost.is_none(), "{:?}", attack.lost);
    assert!(attack.attacker.connection.accepted_0rtt());
}

#[test]
fn a_version_that_nobody_speaks_is_negotiated_whatever_the_length_of_its_connection_ids() {
    for (destination, source) in [(8, 8), (20, 0), (30, 25), (255, 255)] {
        let mut attack = Attack::on(Server::deaf());
        attack.sent.clear();
        let mut asked = vec![0xc0, 0x1a, 0x2a, 0x3a, 0x4a];
        for (length, byte) in [(destination, 0xdd), (source, 0x55)] {
            asked.push(length as u8);
            asked.resize(asked.len() + length, byte);
        }
        asked.resize(1_200, 0);
        attack.deliver(NEAR, &asked);
        attack.turn();
        let [(to, answer)] = &attack.sent[..] else {
            panic!("{:?}", attack.sent);
        };
        assert_eq!(*to, NEAR);
        assert_eq!(answer[1..5], [0; 4]);
        let ids = [
            &[source as u8][..],
            &vec![0x55; source],
            &[destination as u8],
            &vec![0xdd; destination],
        ]
        .concat();
        assert!(answer[5..].starts_with(&ids));
        assert!(answer.ends_with(&[0, 0, 0, 1]));
    }
}

/// Returns the error for which a server turns away the client with this ClientHello, if it does.
fn refusal(hello: &[u8]) -> Option<u64> {
    let mut attack = Attack::on(Server::deaf());
    let frames = Frames::default().crypto(0, hello).into_packet();
    attack.deliver(NEAR, &initial([7; 8], 0, &frames, 1_200));
    attack.turn();
    let turned_away = &attack.victim.application().turned_away;
    assert_eq!(attack.victim.half_open() + turned_away.len(), 1);
    match turned_away.first()? {
        RejectReason::Handshake(CloseReason::Violation { code, .. }) => Some(*code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_hello_is_as_rfc_9001_has_it_or_refused_with_the_error_that_it_names() {
    let hello = client_hello(&[b"echo"]);
    assert_eq!(refusal(&hello), None);
    let at = hello.windows(2).rposition(|bytes| bytes == [0, 0x39]);
    let at = at.expect("it has transport parameters");
    let mut draft = hello.clone();
    draft[at..at + 2].copy_from_slice(&[0xff, 0xa5]);
    assert_eq!(refusal(&draft), Some(0x16d), "missing_extension");
    // Behind the version and the random bytes.
    let (begin, rest) = hello[4..].split_at(2 + 32);
    let body = [begin, &[32], &[5; 32], &rest[1..]].concat();
    let length = (body.len() as u32).to_be_bytes();
    let with_session_id = [&[1], &length[1..], &body].concat();
    assert_eq!(refusal(&with_session_id), Some(PROTOCOL_VIOLATION));
}

/// A client that connects once.
struct Client {
    connector: Connector,
    closed: Option<CloseReason>,
}

impl Application for Client {
    type State = ();
    type Command = ();

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, _: &mut Connection<'_>, (): &mut (), event: Event) {
        if let Event::Closed(reason) = event {
            self.closed = Some(reason);
        }
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, ()>, (): ()) {
        let to = ConnectTo {
            remote: FAR,
            server_name: SERVER_NAME,
            connector: &self.connector,
        };
        context.connect(&to, ()).expect("there is a socket");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
fn a_client_takes_no_initial_of_a_server_that_has_a_token() {
    for (token, is_heard) in [(&[][..], true), (&[1, 2, 3], false)] {
        let now = Instant::now();
        let client = Client {
            connector: Identity::generate().connector(&[b"echo"]),
            closed: None,
        };
        let config = ShardConfig::client(Transport::default());
        let mut client = Shard::new(&config, &[NEAR], client).expect("these settings work");
        client.start(now);
        client.handle_command(now, ());
        let Output::Datagram(hello) = client.poll_output(now) else {
            panic!("it begins");
        };
        let first = wire::packets(&hello.contents, 8).next();
        let header = first.expect("a packet").expect("well-formed").header;
        assert_eq!(header.packet_type, PacketType::Initial);
        let initial = Initial {
            side: rustls::Side::Server,
            original: &header.destination,
            destination: &header.source.expect("a long header has one"),
            bits: 0,
            token,
            number: 0,
        };
        // CONNECTION_CLOSE with an error, a frame type and no reason.
        let close = initial.sealed(&[0x1c, 0x02, 0, 0], 1_200);
        client.handle_timeouts(now);
        client.handle_datagram(now, Received::from_remote(FAR, &close));
        while !matches!(client.poll_output(now), Output::Timeout(_)) {}
        assert_eq!(client.application().closed.is_some(), is_heard);
    }
}
