//! A scripted client and a scripted server.

use std::time::Duration;

use qecho_packet::{
    Dir, Direction, Side, StreamId, TransportParameters,
    wire::{ConnectionId, Frame, PacketType, packets},
};
use qecho_peer::{
    endpoint::{Ended, Endpoint, version_negotiation},
    network::{Ecn, PathId, Received},
    packet::{early_data, one_rtt, raw},
    received::Unopened,
    tls::{EarlyData, Group, Level, Resumption, Tickets},
};

use crate::world::{World, assert_lives, client, open_pair, pair};

const STREAM: fn() -> StreamId = || StreamId::new(Side::Client, Dir::Bidirectional, 0);

#[test]
fn two_endpoints_confirm_their_handshake_and_agree() {
    let pair = open_pair();
    for endpoint in [&pair.near, &pair.far] {
        assert_lives(endpoint);
        assert!(endpoint.is_complete() && endpoint.is_confirmed());
        assert_eq!(
            endpoint.negotiated().unwrap().alpn.as_deref(),
            Some(&b"echo"[..])
        );
        assert_eq!(endpoint.connection_ids().remote.len(), 4);
        assert_eq!(endpoint.record().key_log.len(), 4);
    }
    assert_eq!(pair.near.peer_parameters().unwrap(), pair.far.parameters());
    let first = pair.near.record().directed(Direction::Sent).next().unwrap();
    assert!(first.bytes.len() >= 1_200);
}

#[test]
fn data_of_many_windows_arrives_whole_in_both_directions() {
    let mut pair = open_pair();
    let data: Vec<u8> = (0..2_000_000_u32).map(|number| number as u8).collect();
    pair.near.write(STREAM(), &data, true);
    pair.far.write(STREAM(), &data, true);
    pair.until("all came", |pair| {
        let is_whole = |end: &Endpoint| end.stream(STREAM()).is_some_and(|one| one.is_whole());
        is_whole(&pair.near) && is_whole(&pair.far)
    });
    assert_eq!(pair.near.stream(STREAM()).unwrap().data, data);
    assert_eq!(pair.far.stream(STREAM()).unwrap().data, data);
    assert_eq!(pair.near.unsent(), 0);
}

#[test]
fn a_key_update_of_either_side_is_followed() {
    let mut pair = open_pair();
    for round in 1..=5 {
        if round % 2 == 1 {
            pair.near.update_keys();
        } else {
            pair.far.update_keys();
        }
        let number = pair.near.next_number(Level::OneRtt);
        pair.near.send(one_rtt([Frame::Ping]));
        pair.far.send(one_rtt([Frame::Ping]));
        pair.until("it is acknowledged", |pair| {
            pair.near.is_acknowledged(Level::OneRtt, number)
        });
        pair.run(Duration::from_millis(100));
        assert_eq!(pair.near.generation(), round);
        assert_eq!(pair.far.generation(), round);
    }
    assert_lives(&pair.near);
}

#[test]
fn a_client_that_moves_is_validated_and_followed_to_new_connection_ids() {
    let mut pair = open_pair();
    let before = [
        pair.near.connection_ids().destination,
        pair.far.connection_ids().destination,
    ];
    pair.near.migrate(PathId(1));
    pair.near.send(one_rtt([Frame::Ping]));
    pair.until("the server is there", |pair| {
        pair.far.path() == PathId(1) && pair.far.is_validated(PathId(1))
    });
    pair.run(Duration::from_millis(200));
    assert_lives(&pair.near);
    assert_ne!(pair.near.connection_ids().destination, before[0]);
    assert_ne!(pair.far.connection_ids().destination, before[1]);
    for endpoint in [&pair.near, &pair.far] {
        let ids = endpoint.connection_ids();
        assert_eq!(
            ids.local_active().count(),
            4,
            "one is issued for the retired one"
        );
        assert_eq!(ids.remote_active().count(), 4);
    }
}

#[test]
fn an_address_that_never_answers_gets_three_times_its_bytes_and_is_left_again() {
    let mut pair = open_pair();
    let bytes = pair
        .near
        .seal(pair.now, &one_rtt([Frame::Ping]).pad_to(40))
        .unwrap();
    assert_eq!(bytes.len(), 40);
    let now = pair.now;
    // From a path on which the client hears nothing.
    pair.far.receive(
        now,
        &Received {
            path: PathId(7),
            datagram: bytes,
            ecn: Ecn::NotEct,
        },
    );
    assert_eq!(pair.far.path(), PathId(7));
    let mut world = World::new(now, Deaf(pair.near), pair.far);
    world.until("the server is back", |world| world.far.path() == PathId(0));
    let sent = world.far.record().directed(Direction::Sent);
    let there: usize = sent
        .filter(|sent| sent.path == PathId(7))
        .map(|sent| sent.bytes.len())
        .sum();
    assert!((1..=120).contains(&there), "{there}");
}

/// A client to which nothing comes.
struct Deaf(Endpoint);

impl crate::world::End for Deaf {
    fn receive(&mut self, _: std::time::Instant, _: &Received) {}

    fn timeout(&mut self, _: std::time::Instant) {}

    fn transmit(&mut self, _: std::time::Instant) -> (Vec<Received>, Option<std::time::Instant>) {
        let _ = &self.0;
        (Vec::new(), None)
    }
}

#[test]
fn a_retry_is_followed_once_and_names_itself_in_the_parameters() {
    let mut pair = pair(|client, server| {
        client.token = b"of another connection".to_vec();
        server.retry_token = Some(b"token".to_vec());
    });
    pair.until("it is confirmed", |pair| pair.near.is_confirmed());
    assert_lives(&pair.near);
    let retries = pair.near.record().unopened_as(Unopened::Retry);
    assert_eq!(retries.count(), 1);
    assert_eq!(pair.near.token(), b"token");
    let parameters = pair.near.peer_parameters().unwrap();
    let told = |id| ConnectionId::new(parameters.get(id).unwrap()).unwrap();
    assert_eq!(
        Some(told(TransportParameters::RETRY_SOURCE_CONNECTION_ID)),
        pair.near.retry_source()
    );
    assert_eq!(
        told(TransportParameters::ORIGINAL_DESTINATION_CONNECTION_ID),
        pair.near.original_destination()
    );
    // RFC 9000 §17.2.5.3: the packet number goes on.
    let sent = pair.near.record().directed(Direction::Sent);
    let initials = sent.filter(|sent| {
        let first = packets(&sent.bytes, 8).next().unwrap().unwrap();
        first.header.packet_type == PacketType::Initial
    });
    assert_eq!(
        initials.count() as u64,
        pair.near.next_number(Level::Initial)
    );
}

#[test]
fn a_long_token_leaves_every_datagram_as_long_as_every_path_carries() {
    let mut pair = pair(|client, server| {
        server.retry_token = Some(vec![7; 700]);
        client.tls.shares = vec![Group::X25519MlKem768];
        client.tls.groups.clone_from(&client.tls.shares);
    });
    pair.until("it is confirmed", |pair| pair.near.is_confirmed());
    let sent = pair.near.record().directed(Direction::Sent);
    let longest = sent.map(|sent| sent.bytes.len()).max();
    assert_eq!(longest, Some(1_200));
    assert_lives(&pair.near);
}

#[test]
fn a_client_gives_up_where_its_version_is_not_spoken_and_only_there() {
    let now = crate::world::beginning();
    let mut near = Endpoint::client(client(), now);
    let first = near.transmit(now).unwrap();
    let header = packets(&first.bytes, 8).next().unwrap().unwrap().header;
    let answer = |near: &mut Endpoint, versions: &[u32]| {
        let datagram = version_negotiation(&header, versions);
        near.receive(
            now,
            &Received {
                path: PathId(0),
                datagram,
                ecn: Ecn::NotEct,
            },
        );
    };
    answer(&mut near, &[0x6b33_43cf, 1]);
    assert_eq!(near.ended(), None);
    answer(&mut near, &[0x6b33_43cf]);
    let ended = Ended::VersionNegotiation(vec![0x6b33_43cf]);
    assert_eq!(near.ended(), Some(&ended));
    assert_eq!(near.deadline(), None);
}

#[test]
fn a_close_of_either_side_is_seen_with_all_that_it_says() {
    let mut pair = open_pair();
    pair.far.close(false, 0x0a, "no such frame");
    pair.until("the client has heard", |pair| pair.near.closed().is_some());
    let close = pair.near.closed().unwrap();
    assert_eq!((close.application, close.code), (false, 0x0a));
    assert_eq!(close.reason, b"no such frame");
    assert_eq!(pair.near.ended(), Some(&Ended::ByPeer));
    assert_eq!(pair.far.ended(), Some(&Ended::ByEndpoint));
    let before = pair.far.record().datagrams.len();
    pair.near.send(one_rtt([Frame::Ping]));
    pair.run(Duration::from_secs(1));
    let after = pair.far.record().datagrams.len();
    assert_eq!(after - before, 2, "who goes on hears it again");
}

#[test]
fn a_close_of_the_application_before_the_handshake_ends_tells_nothing_of_it() {
    let mut pair = pair(|_, _| {});
    pair.until("the server has answered", |pair| {
        pair.far.has_keys(Level::Handshake)
    });
    pair.far.close(true, 7, "secret");
    pair.until("the client has heard", |pair| pair.near.closed().is_some());
    let close = pair.near.closed().unwrap();
    assert_eq!((close.application, close.code), (false, 0x0c));
    assert!(close.reason.is_empty());
}

#[test]
fn a_stateless_reset_ends_a_connection_and_one_of_an_unused_id_does_not() {
    let mut pair = open_pair();
    let ids = &pair.near.connection_ids().remote;
    let (used, unused) = (ids[0].reset_token.unwrap(), ids[1].reset_token.unwrap());
    for (token, ended) in [(unused, None), (used, Some(Ended::Reset))] {
        let reset = qecho_peer::endpoint::stateless_reset(&token, 40, &[0x55; 16]);
        pair.far.send_raw(PathId(0), reset, Ecn::NotEct);
        pair.run(Duration::from_millis(100));
        assert_eq!(pair.near.ended(), ended.as_ref());
    }
}

#[test]
fn early_data_of_a_resumed_client_is_there_before_its_handshake_ends() {
    let identity = crate::world::Identity::generate();
    let now = crate::world::beginning();
    let mut server = identity.server();
    server.tls.tickets = Some(Tickets::new([7; 32]).with_early_data("state"));
    let mut first = World::new(
        now,
        Endpoint::client(client(), now),
        Endpoint::server(server.clone(), now),
    );
    first.until("a ticket came", |first| !first.near.sessions().is_empty());
    let mut config = client();
    config.tls.resumption = Some(Resumption {
        session: first.near.sessions()[0].clone(),
        age: Duration::from_millis(20),
        early_data: true,
    });
    let mut second = World::new(
        now,
        Endpoint::client(config, now),
        Endpoint::server(server, now),
    );
    let stream = Frame::Stream {
        id: STREAM(),
        offset: 0,
        fin: true,
        data: b"early",
    };
    second.near.send(early_data([stream]));
    second.until("it came", |second| second.far.stream(STREAM()).is_some());
    assert!(!second.far.is_complete());
    assert_eq!(second.far.stream(STREAM()).unwrap().data, b"early");
    second.until("it is confirmed", |second| second.near.is_confirmed());
    assert_eq!(
        second.near.negotiated().unwrap().early_data,
        EarlyData::Accepted
    );
    assert_lives(&second.near);
}

#[test]
fn silence_ends_a_connection_after_the_shorter_idle_timeout() {
    let mut pair = pair(|client, _| {
        client
            .parameters
            .retain(|(id, _)| *id != TransportParameters::MAX_IDLE_TIMEOUT);
        let timeout = qecho_peer::endpoint::integer_value(5_000);
        client
            .parameters
            .push((TransportParameters::MAX_IDLE_TIMEOUT, timeout));
    });
    pair.until("it is confirmed", |pair| pair.near.is_confirmed());
    pair.run(Duration::from_secs(4));
    assert_lives(&pair.near);
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.near.ended(), Some(&Ended::TimedOut));
    assert_eq!(pair.far.ended(), Some(&Ended::TimedOut));
}

#[test]
fn a_server_with_much_to_say_waits_until_its_client_is_validated() {
    let mut pair = pair(|client, server| {
        let one = server.tls.chain[0].clone();
        server.tls.chain = vec![one; 12];
        // Two datagrams of ClientHello.
        let groups = vec![Group::X25519MlKem768, Group::X25519];
        client.tls.shares.clone_from(&groups);
        client.tls.groups = groups;
    });
    let mut came_before = 0;
    pair.until("it is confirmed", |pair| {
        let bytes = |direction| {
            let all = pair.far.record().directed(direction);
            all.map(|datagram| datagram.bytes.len()).sum::<usize>()
        };
        if !pair.far.is_validated(PathId(0)) {
            came_before = bytes(Direction::Received);
            assert!(bytes(Direction::Sent) <= 3 * came_before);
        }
        pair.near.is_confirmed()
    });
    assert!(came_before >= 2_400, "{came_before}");
    assert_lives(&pair.near);
}

#[test]
fn a_stream_that_is_stopped_is_reset_at_what_was_sent_whatever_a_script_did_before() {
    let mut pair = open_pair();
    let id = STREAM();
    pair.near.write(id, b"some", false);
    pair.run(Duration::from_millis(100));
    pair.far.send(one_rtt([Frame::StopSending { id, code: 3 }]));
    pair.run(Duration::from_millis(100));
    let stream = pair.far.stream(id).unwrap();
    assert_eq!((stream.reset, stream.final_size), (Some(3), Some(4)));

    // Two bytes of stream 4 at offset 2^62-1.
    let beyond = [&[0x0e, 0x04][..], &[0xff; 8], &[0x02, 7, 7]].concat();
    pair.near.send(one_rtt([raw(beyond)]));
    let id = StreamId::new(Side::Client, Dir::Bidirectional, 1);
    pair.far.send(one_rtt([Frame::StopSending { id, code: 4 }]));
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.far.stream(id).unwrap().reset, Some(4));
    assert_lives(&pair.near);
}

#[test]
fn a_frame_that_is_larger_than_any_datagram_goes_alone_and_holds_up_nothing() {
    let mut pair = open_pair();
    pair.near.send_frame(Frame::Datagram { data: &[7; 2_000] });
    pair.near.write(STREAM(), b"after it", true);
    pair.until("both came", |pair| {
        pair.far.stream(STREAM()).is_some_and(|one| one.is_whole())
    });
    let sizes = pair
        .far
        .received()
        .iter()
        .map(|packet| packet.datagram_size);
    assert!(sizes.max() > Some(2_000));
}
