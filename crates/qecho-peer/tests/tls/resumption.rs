//! Sessions that go on, with and without 0-RTT data.

use std::{sync::Arc, time::Duration};

use qecho_packet::protection::Suite;
use qecho_peer::tls::{EarlyData, Group, Level, Resumption, Session, Tickets};
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};

use crate::ends::{
    SERVER_PARAMETERS, World, our_client, our_server, provider, talk, their_client, their_server,
};

fn offer(session: &Session, early_data: bool) -> Resumption {
    Resumption {
        session: session.clone(),
        age: Duration::ZERO,
        early_data,
    }
}

#[test]
fn a_client_resumes_with_rustls_and_sends_early_data() {
    for suite in [
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
    ] {
        let world = World::new();
        let theirs = world.their_server_config(provider(Some(suite), &[kx_group::X25519]));
        let theirs = Arc::new(theirs);
        let mut client = our_client(world.client());
        talk(&mut client, &mut their_server(theirs.clone())).expect("both behave well");
        world.log.take();
        assert!(client.sessions.len() >= 2, "rustls sends some tickets");
        for (session, early_data) in client.sessions.iter().zip([true, false]) {
            assert!(session.early_data);
            assert_eq!(session.parameters, SERVER_PARAMETERS);
            let config = world
                .client()
                .with(|it| it.resumption = Some(offer(session, early_data)));
            let (mut client, mut server) = (our_client(config), their_server(theirs.clone()));
            talk(&mut client, &mut server).expect("both behave well");
            let agreed = client.tls.negotiated();
            assert!(agreed.resumed && client.complete);
            let expected = [EarlyData::NotOffered, EarlyData::Accepted];
            assert_eq!(agreed.early_data, expected[usize::from(early_data)]);
            assert_eq!(client.secrets.len(), 4 + usize::from(early_data));
            let mut theirs = world.log.take();
            if !early_data {
                // It derives one all the same.
                theirs.remove("CLIENT_EARLY_TRAFFIC_SECRET");
            }
            assert_eq!(client.secrets, theirs);
        }
    }
}

#[test]
fn a_server_resumes_with_rustls_and_takes_early_data() {
    for suite in [
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
    ] {
        let world = World::new();
        let theirs = world.their_client_config(provider(Some(suite), &[kx_group::X25519]));
        let theirs = Arc::new(theirs);
        let config = world
            .server()
            .with(|it| it.tickets = Some(Tickets::new([7; 32]).with_early_data("limits")));
        talk(
            &mut their_client(theirs.clone()),
            &mut our_server(config.clone()),
        )
        .expect("both behave well");
        world.log.take();
        let (mut client, mut server) = (their_client(theirs.clone()), our_server(config));
        talk(&mut client, &mut server).expect("both behave well");
        let agreed = server.tls.negotiated();
        assert!(agreed.resumed && server.complete);
        assert_eq!(agreed.early_data, EarlyData::Accepted);
        assert_eq!(server.keys[0], (Level::EarlyData, false, true));
        assert_eq!(server.secrets.len(), 5);
        assert_eq!(server.secrets, world.log.take());
    }
}

/// One session of our own client with our own server.
fn session(world: &World, tickets: &Tickets) -> Session {
    let config = world.server().with(|it| it.tickets = Some(tickets.clone()));
    let mut client = our_client(world.client());
    talk(&mut client, &mut our_server(config)).expect("both behave well");
    client.sessions.pop().expect("there is a ticket")
}

#[test]
fn early_data_are_rejected_where_they_depend_on_something_else_now() {
    let world = World::new();
    let tickets = Tickets::new([7; 32]).with_early_data("large limits");
    let session = session(&world, &tickets);
    let smaller = tickets.clone().with_early_data("small limits");
    let cases = [
        (
            world.server().with(|it| it.tickets = Some(tickets.clone())),
            true,
            EarlyData::Accepted,
        ),
        (
            world.server().with(|it| it.tickets = Some(smaller)),
            true,
            EarlyData::Rejected,
        ),
        (
            world
                .server()
                .with(|it| it.tickets = Some(Tickets::new([7; 32]))),
            true,
            EarlyData::Rejected,
        ),
        (
            world
                .server()
                .with(|it| it.tickets = Some(Tickets::new([8; 32]))),
            false,
            EarlyData::Rejected,
        ),
        (world.server(), false, EarlyData::Rejected),
    ];
    for (config, resumed, early_data) in cases {
        let client = world
            .client()
            .with(|it| it.resumption = Some(offer(&session, true)));
        let (mut client, mut server) = (our_client(client), our_server(config));
        talk(&mut client, &mut server).expect("both behave well");
        assert_eq!(client.tls.negotiated().resumed, resumed);
        assert_eq!(client.tls.negotiated().early_data, early_data);
        assert_eq!(client.tls.negotiated(), server.tls.negotiated());
    }
}

#[test]
fn a_session_survives_a_hello_retry_request_but_early_data_do_not() {
    let world = World::new();
    let tickets = Tickets::new([7; 32]).with_early_data("limits");
    let session = session(&world, &tickets);
    let config = world.server().with(|it| it.tickets = Some(tickets));
    let config = config.with(|it| it.groups = vec![Group::Secp256r1]);
    let client = world
        .client()
        .with(|it| it.resumption = Some(offer(&session, true)));
    let (mut client, mut server) = (our_client(client), our_server(config));
    talk(&mut client, &mut server).expect("both behave well");
    let agreed = client.tls.negotiated();
    assert!(agreed.resumed && agreed.retried);
    assert_eq!(agreed.early_data, EarlyData::Rejected);
    assert_eq!(client.tls.negotiated(), server.tls.negotiated());

    // The same with rustls's server.
    let theirs = provider(None, &[kx_group::X25519]);
    let mut theirs = world.their_server_config(theirs);
    let mut client = our_client(world.client());
    let storage = theirs.session_storage.clone();
    talk(&mut client, &mut their_server(theirs)).expect("both behave well");
    let session = client.sessions.pop().expect("there is a ticket");
    theirs = world.their_server_config(provider(None, &[kx_group::SECP256R1]));
    theirs.session_storage = storage;
    let mut client = our_client(
        world
            .client()
            .with(|it| it.resumption = Some(offer(&session, true))),
    );
    talk(&mut client, &mut their_server(theirs)).expect("both behave well");
    assert!(client.tls.negotiated().resumed && client.tls.negotiated().retried);
    assert_eq!(client.tls.negotiated().early_data, EarlyData::Rejected);
}

#[test]
fn a_session_of_another_hash_is_not_resumed() {
    let world = World::new();
    let tickets = Tickets::new([7; 32]);
    let session = session(&world, &tickets);
    assert_eq!(session.suite, Suite::Aes128GcmSha256);
    let config = world.server().with(|it| it.tickets = Some(tickets));
    let config = config.with(|it| it.suites = vec![Suite::Aes256GcmSha384]);
    for config in [
        config.clone(),
        config.with(|it| it.groups = vec![Group::Secp256r1]),
    ] {
        let client = world
            .client()
            .with(|it| it.resumption = Some(offer(&session, false)));
        let (mut client, mut server) = (our_client(client), our_server(config));
        talk(&mut client, &mut server).expect("both behave well");
        assert!(!client.tls.negotiated().resumed && client.complete && server.complete);
    }
}

#[test]
fn a_client_of_rustls_needs_no_ticket_of_ours() {
    let world = World::new();
    let theirs = world.their_client_config(aws_lc_rs::default_provider());
    let (mut client, mut server) = (their_client(theirs), our_server(world.server()));
    talk(&mut client, &mut server).expect("both behave well");
    assert!(server.complete && !server.tls.negotiated().resumed);
}
