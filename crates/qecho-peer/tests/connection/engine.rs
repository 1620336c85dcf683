//! Scripted endpoints with the repository's engine at the other end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use qecho_echo::server::Echo;
use qecho_engine::{ClientTls, CloseReason, Shard, config::RetryPolicy};
use qecho_packet::{Dir, Side, StreamId, wire::Frame};
use qecho_peer::{
    endpoint::{Ended, Endpoint},
    network::PathId,
    packet::one_rtt,
    received::Unopened,
    tls::Level,
};
use qecho_testkit::{
    load::{Command, Load},
    scenario::Scenario,
    stream::Plan,
};
use rustls::{RootCertStore, client::WebPkiServerVerifier};

use crate::world::{ALPN, Engine, Identity, World, assert_lives, beginning, client};

const STREAM: fn() -> StreamId = || StreamId::new(Side::Client, Dir::Bidirectional, 0);

/// Lets a scripted client meet the engine's echo.
fn echo_server(scenario: &Scenario) -> World<Endpoint, Engine<Echo>> {
    let now = beginning();
    let identity = qecho_testkit::identity::Identity::generate();
    let shard = scenario.server(&identity);
    let far = Engine::new(shard, Side::Server, now);
    World::new(now, Endpoint::client(client(), now), far)
}

fn open_echo() -> World<Endpoint, Engine<Echo>> {
    let mut world = echo_server(&Scenario::seeded(1));
    world.until("it is confirmed", |world| world.near.is_confirmed());
    world.run(Duration::from_millis(100));
    world
}

/// Lets a PING be acknowledged.
fn ping(world: &mut World<Endpoint, Engine<Echo>>) {
    let number = world.near.next_number(Level::OneRtt);
    world.near.send(one_rtt([Frame::Ping]));
    world.until("a PING is acknowledged", |world| {
        world.near.is_acknowledged(Level::OneRtt, number)
    });
}

#[test]
fn the_engines_server_echoes_a_scripted_client() {
    let mut world = open_echo();
    let data = vec![7; 300_000];
    world.near.write(STREAM(), &data, true);
    world.until("all is back", |world| {
        let stream = world.near.stream(STREAM());
        stream.is_some_and(|stream| stream.is_whole())
    });
    assert_eq!(world.near.stream(STREAM()).unwrap().data, data);
    world.near.send_frame(Frame::Datagram { data: b"datagram" });
    world.until("a DATAGRAM frame is back", |world| {
        let packets = world.near.received().iter();
        let mut frames = packets.flat_map(|packet| packet.frames());
        frames.any(|frame| frame == Frame::Datagram { data: b"datagram" })
    });
    assert_lives(&world.near);
}

#[test]
fn the_engines_server_follows_key_updates_and_a_migration() {
    let mut world = open_echo();
    for generation in 1..=3 {
        world.near.update_keys();
        ping(&mut world);
        let last = world.near.received().last().unwrap();
        assert_eq!(last.generation, generation);
        assert_eq!(last.key_phase, generation % 2 == 1);
        world.run(Duration::from_millis(500));
    }
    let before = world.near.connection_ids().destination;
    world.near.migrate(PathId(1));
    ping(&mut world);
    world.run(Duration::from_secs(1));
    let asked = |frame: &Frame<'_>| matches!(frame, Frame::PathChallenge { .. });
    let packets = world.near.received().iter();
    let mut challenges = packets.filter(|packet| packet.frames().iter().any(asked));
    assert!(challenges.any(|packet| packet.path == PathId(1)));
    assert_ne!(world.near.connection_ids().destination, before);
    world.near.write(STREAM(), b"still here", true);
    world.until("the echo is back", |world| {
        world
            .near
            .stream(STREAM())
            .is_some_and(|one| one.is_whole())
    });
    let last = world.near.received().last().unwrap();
    assert_eq!(last.path, PathId(1));
    assert_lives(&world.near);
}

#[test]
fn the_engines_server_sends_a_retry_and_takes_a_close() {
    let scenario = Scenario::seeded(1).retry(RetryPolicy::Always);
    let mut world = echo_server(&scenario);
    world.until("it is confirmed", |world| world.near.is_confirmed());
    let retries = world.near.record().unopened_as(Unopened::Retry);
    assert_eq!(retries.count(), 1);
    assert_lives(&world.near);
    world.near.close(true, 0, "done");
    world.until("the server has forgotten it", |world| {
        world.far.shard.connections() == 0
    });
    assert_eq!(world.near.ended(), Some(&Ended::ByEndpoint));
}

#[test]
fn the_engines_server_closes_for_an_odd_packet_and_says_so() {
    let cases = [
        (one_rtt([Frame::HandshakeDone]), 0x0a),
        (one_rtt([Frame::Ping]).reserved_bits(0b11), 0x0a),
        (one_rtt([vec![0x80, 0x00, 0x4a, 0xbc]]), 0x07),
    ];
    for (packet, code) in cases {
        let mut world = open_echo();
        world.near.send(packet.clone());
        world.until("it is closed", |world| world.near.closed().is_some());
        let close = world.near.closed().unwrap();
        assert_eq!(close.code, code, "{packet:?}: {close:?}");
        assert!(!close.application);
        assert_eq!(close.level, Level::OneRtt);
    }
}

/// Lets the engine's client, which does this on its streams, meet a scripted server.
fn engine_client(plans: Vec<Plan>) -> World<Engine<Load>, Endpoint> {
    let now = beginning();
    let identity = Identity::generate();
    let mut roots = RootCertStore::empty();
    roots.add(identity.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let tls = ClientTls::new(verifier.build().unwrap()).with_alpn(&[ALPN]);
    let load = Load::new(tls.connector().unwrap(), plans, Vec::new());
    let config = Scenario::seeded(1).client_config();
    let shard = Shard::new(&config, &[qecho_netsim::simulation::NEAR], load).unwrap();
    let mut near = Engine::new(shard, Side::Client, now);
    near.shard.handle_command(now, Command::Connect);
    World::new(now, near, Endpoint::server(identity.server(), now))
}

/// Echoes what came on streams and was not echoed yet.
fn echo(server: &mut Endpoint, echoed: &mut BTreeMap<StreamId, usize>) {
    let mut replies = Vec::new();
    for (id, stream) in server.streams() {
        let done = echoed.entry(id).or_default();
        let fin = stream.is_whole();
        // One more than there are bytes, once the end is echoed.
        if *done < stream.data.len() + usize::from(fin) {
            let from = (*done).min(stream.data.len());
            replies.push((id, stream.data[from..].to_vec(), fin));
            *done = stream.data.len() + usize::from(fin);
        }
    }
    for (id, data, fin) in replies {
        server.write(id, &data, fin);
    }
}

#[test]
fn the_engines_client_is_echoed_by_a_scripted_server_under_new_keys_and_from_a_new_address() {
    let plans = vec![Plan::bidirectional(300_000), Plan::bidirectional(10)];
    let mut world = engine_client(plans);
    let mut echoed = BTreeMap::new();
    let mut done = |world: &mut World<Engine<Load>, Endpoint>| {
        echo(&mut world.far, &mut echoed);
        world.near.shard.application().is_done()
    };
    world.until("all is back", &mut done);
    world.run(Duration::from_millis(200));
    let now = world.now;
    let shard = &mut world.near.shard;
    shard.handle_command(now, Command::UpdateKeys);
    world.near.path = PathId(3);
    let more = Command::Open(Plan::bidirectional(10_000));
    world.near.shard.handle_command(now, more);
    world.until("more is back", &mut done);
    world.run(Duration::from_millis(500));
    assert_eq!(world.far.generation(), 1);
    assert_eq!(world.far.path(), PathId(3));
    assert!(world.far.is_validated(PathId(3)));
    assert_lives(&world.far);
    let connection = &world.near.shard.application().connections[0];
    assert_eq!((&connection.fault, &connection.closed), (&None, &None));
}

#[test]
fn the_engines_client_hears_why_a_scripted_server_closes() {
    let mut world = engine_client(Vec::new());
    world.until("it is confirmed", |world| world.far.is_confirmed());
    world.run(Duration::from_millis(100));
    world.far.close(true, 7, "enough");
    world.until("the client has heard", |world| {
        world.near.shard.application().connections[0]
            .closed
            .is_some()
    });
    let closed = world.near.shard.application().connections[0].closed.clone();
    match closed.unwrap() {
        CloseReason::Application { code, reason, .. } => {
            assert_eq!((code, &reason[..]), (7, &b"enough"[..]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_engines_client_closes_for_an_odd_packet_of_a_scripted_server() {
    let mut world = engine_client(Vec::new());
    world.until("it is confirmed", |world| world.far.is_confirmed());
    world.run(Duration::from_millis(100));
    world.far.send(one_rtt([Frame::NewToken { token: b"" }]));
    world.until("the server has heard", |world| world.far.closed().is_some());
    assert_eq!(world.far.closed().unwrap().code, 0x07);
    assert_eq!(world.far.ended(), Some(&Ended::ByPeer));
}
