//! Each rule catches the lie that breaks it, by its name and code, and only if it is not ignored.

use std::{collections::BTreeSet, time::Duration};

use qecho_packet::protection::Suite;
use qecho_peer::tls::{ClientConfig, Group, Resumption, ServerConfig, Tickets, TlsError, TlsRule};

use crate::{
    ends::{End, World, our_client, our_server, talk},
    lies::{Liar, Lie, Scene, Way, lies},
};

fn configs(world: &World, scene: Scene) -> (ClientConfig, ServerConfig) {
    let (client, server) = (world.client(), world.server());
    let retrying = server.clone().with(|it| it.groups = vec![Group::Secp256r1]);
    match scene {
        Scene::Plain => (client, server),
        Scene::Retry => (client, retrying),
        Scene::EarlyData => {
            let server = server
                .with(|it| it.tickets = Some(Tickets::new([7; 32]).with_early_data("limits")));
            let mut first = our_client(client.clone());
            talk(&mut first, &mut our_server(server.clone())).expect("both behave well");
            let resumption = Resumption {
                session: first.sessions.pop().expect("there is a ticket"),
                age: Duration::ZERO,
                early_data: true,
            };
            (client.with(|it| it.resumption = Some(resumption)), server)
        }
    }
}

/// Tells a lie to an end that ignores some rules; returns its error.
fn tell(world: &World, lie: &Lie, ignored: &[TlsRule]) -> Option<TlsError> {
    let (mut client, mut server) = configs(world, lie.scene);
    match lie.liar {
        Liar::Client => {
            client.edit = lie.edit_of_messages();
            server = server.with(|it| it.ignore = ignored.to_vec());
        }
        Liar::Server => {
            server.edit = lie.edit_of_messages();
            client = client.with(|it| it.ignore = ignored.to_vec());
        }
    }
    let (mut client, mut server) = (our_client(client), our_server(server));
    if let Way::Before(level, message) = &lie.way {
        client.tls.send_message(*level, message);
    }
    // The end that was lied to keeps its error; the liar may be surprised later.
    let _ = talk(&mut client, &mut server);
    if let Way::After(level, message) = &lie.way {
        assert!(client.complete && server.complete);
        match lie.liar {
            Liar::Client => client.tls.send_message(*level, message),
            Liar::Server => server.tls.send_message(*level, message),
        }
        let _ = talk(&mut client, &mut server);
    }
    match lie.liar {
        Liar::Client => server.error,
        Liar::Server => client.error,
    }
}

#[test]
fn each_rule_catches_the_lie_that_breaks_it() {
    let world = World::new();
    for (index, lie) in lies().into_iter().enumerate() {
        let breach = lie.breach;
        let error = tell(&world, &lie, &[]);
        let error = error.unwrap_or_else(|| panic!("lie {index}, {breach:?}, was believed"));
        let expected = (breach.rule(), breach.code());
        assert_eq!((error.rule, error.code), expected, "lie {index}: {error}");
        if let Some(rule) = breach.rule() {
            let without = tell(&world, &lie, &[rule]).and_then(|error| error.rule);
            assert_ne!(without, Some(rule), "lie {index}: the rule is ignored");
        }
    }
}

#[test]
fn each_rule_has_a_lie() {
    let lied: BTreeSet<String> = lies()
        .iter()
        .filter_map(|lie| lie.breach.rule())
        // Its lie is a test of its own: it is not one of messages.
        .chain([TlsRule::KeyChange])
        .map(|rule| format!("{rule:?}"))
        .collect();
    let all: BTreeSet<String> = TlsRule::all().map(|rule| format!("{rule:?}")).collect();
    assert_eq!(lied, all);
}

#[test]
fn a_message_does_not_lie_across_a_change_of_keys() {
    let world = World::new();
    for (ignored, expected) in [
        (vec![], Some(TlsRule::KeyChange)),
        (vec![TlsRule::KeyChange], None),
    ] {
        let mut client = our_client(world.client());
        let mut server = our_server(world.server().with(|it| it.ignore = ignored));
        let mut flight = client.flight();
        // The beginning of a Finished behind the ClientHello.
        flight[0].1.extend([20, 0]);
        let result = server.read(flight[0].0, &flight[0].1);
        assert_eq!(server.error.as_ref().and_then(|error| error.rule), expected);
        assert_eq!(result.is_err(), expected.is_some());
    }
}

#[test]
fn sides_without_anything_in_common_fail_without_a_rule() {
    let world = World::new();
    let suites = world
        .server()
        .with(|it| it.suites = vec![Suite::Aes256GcmSha384]);
    let groups = world
        .server()
        .with(|it| it.groups = vec![Group::X25519MlKem768]);
    for config in [suites, groups] {
        let client = world
            .client()
            .with(|it| it.suites = vec![Suite::Aes128GcmSha256]);
        let (mut client, mut server) = (our_client(client), our_server(config));
        // handshake_failure
        assert_eq!(talk(&mut client, &mut server), Err(("server", 0x128)));
        assert_eq!(server.error.and_then(|error| error.rule), None);
    }
}
