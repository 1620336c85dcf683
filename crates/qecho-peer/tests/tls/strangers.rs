//! Lies reach a stranger: rustls answers them with the alerts of RFC 8446.

use std::{sync::Arc, time::Duration};

use qecho_peer::tls::{Group, Resumption, Tickets, TlsRule};
use rustls::crypto::aws_lc_rs::{self, kx_group};

use crate::{
    ends::{World, our_client, our_server, provider, talk, their_client, their_server},
    lies::{Breach, Liar, Lie, Scene, Way, lies},
};

/// Tells a lie to rustls; returns the code with which it refuses it.
fn tell(world: &World, lie: &Lie) -> Option<u64> {
    match lie.liar {
        Liar::Client => lie_to_server(world, lie),
        Liar::Server => lie_to_client(world, lie),
    }
}

fn lie_to_server(world: &World, lie: &Lie) -> Option<u64> {
    let groups = match lie.scene {
        Scene::Retry => vec![kx_group::SECP256R1],
        Scene::Plain | Scene::EarlyData => aws_lc_rs::default_provider().kx_groups,
    };
    let theirs = Arc::new(world.their_server_config(provider(None, &groups)));
    let mut config = world.client();
    if lie.scene == Scene::EarlyData {
        let mut first = our_client(config.clone());
        talk(&mut first, &mut their_server(theirs.clone())).expect("both behave well");
        config = config.with(|it| {
            it.resumption = Some(Resumption {
                session: first.sessions.pop().expect("there is a ticket"),
                age: Duration::ZERO,
                early_data: true,
            })
        });
    }
    config.edit = lie.edit_of_messages();
    let (mut client, mut server) = (our_client(config), their_server(theirs));
    if let Way::Before(level, message) = &lie.way {
        client.tls.send_message(*level, message);
    }
    let mut result = talk(&mut client, &mut server);
    if let (Ok(()), Way::After(level, message)) = (result, &lie.way) {
        client.tls.send_message(*level, message);
        result = talk(&mut client, &mut server);
    }
    refusal(result, "server")
}

fn lie_to_client(world: &World, lie: &Lie) -> Option<u64> {
    let groups = [kx_group::X25519, kx_group::SECP256R1];
    let theirs = Arc::new(world.their_client_config(provider(None, &groups)));
    let mut config = world.server();
    match lie.scene {
        Scene::Plain => {}
        Scene::Retry => config = config.with(|it| it.groups = vec![Group::Secp256r1]),
        Scene::EarlyData => {
            config = config
                .with(|it| it.tickets = Some(Tickets::new([7; 32]).with_early_data("limits")));
            let mut first = our_server(config.clone());
            talk(&mut their_client(theirs.clone()), &mut first).expect("both behave well");
        }
    }
    config.edit = lie.edit_of_messages();
    let (mut client, mut server) = (their_client(theirs), our_server(config));
    let mut result = talk(&mut client, &mut server);
    if let (Ok(()), Way::After(level, message)) = (result, &lie.way) {
        server.tls.send_message(*level, message);
        result = talk(&mut client, &mut server);
    }
    refusal(result, "client")
}

/// Returns the code with which one end refused the other; none if the other refused it, or nobody.
fn refusal(result: Result<(), (&str, u64)>, victim: &str) -> Option<u64> {
    result
        .err()
        .filter(|(end, _)| *end == victim)
        .map(|(_, code)| code)
}

/// Answers of rustls that are others, or that believe a lie: by breach, liar and code.
const OTHERWISE: [(Breach, Liar, Option<u64>); 2] = [
    (
        Breach::Rule(TlsRule::PostHandshakeRequest),
        Liar::Server,
        Some(0x10a),
    ),
    // A server SHOULD refuse it (RFC 9001 §8.4).
    (Breach::Rule(TlsRule::SessionId), Liar::Client, None),
];

#[test]
fn rustls_answers_lies_with_the_alerts_of_the_rfc() {
    let world = World::new();
    for (index, lie) in lies().into_iter().enumerate() {
        let breach = lie.breach;
        // rustls is not told of levels, and has codes of its own where no rule of QUIC is broken.
        let rule = breach.rule();
        if matches!(
            rule,
            None | Some(TlsRule::LaterLevel | TlsRule::EarlierLevel)
        ) {
            continue;
        }
        let mut otherwise = OTHERWISE.iter();
        let otherwise = otherwise.find(|(other, by, _)| (*other, *by) == (breach, lie.liar));
        let expected = otherwise.map_or(Some(breach.code()), |(_, _, code)| *code);
        let code = tell(&world, &lie);
        assert_eq!(code, expected, "lie {index}, {breach:?}");
    }
}
