//! Good handshakes with rustls: whatever suite and group, both sides have the same secrets.

use std::sync::Arc;

use qecho_packet::protection::Suite;
use qecho_peer::tls::{
    ClientConfig, EarlyData, Group, Level, Message, ServerConfig, Verification, extension_type,
};
use rustls::{
    SupportedCipherSuite,
    crypto::aws_lc_rs::{self, cipher_suite, kx_group},
    pki_types::ServerName,
    server::WebPkiClientVerifier,
};

use crate::ends::{
    CLIENT_PARAMETERS, End, SERVER_PARAMETERS, World, our_client, our_server, provider, talk,
    their_client, their_server,
};

const SUITES: [(Suite, SupportedCipherSuite); 3] = [
    (
        Suite::Aes128GcmSha256,
        cipher_suite::TLS13_AES_128_GCM_SHA256,
    ),
    (
        Suite::Aes256GcmSha384,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
    ),
    (
        Suite::ChaCha20Poly1305Sha256,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
];

const GROUPS: [(Group, &dyn rustls::crypto::SupportedKxGroup); 4] = [
    (Group::X25519, kx_group::X25519),
    (Group::Secp256r1, kx_group::SECP256R1),
    (Group::Secp384r1, kx_group::SECP384R1),
    (Group::X25519MlKem768, kx_group::X25519MLKEM768),
];

/// Our client with a server of rustls; returns whether there was a HelloRetryRequest.
fn our_client_succeeds(world: &World, config: ClientConfig, theirs: rustls::ServerConfig) -> bool {
    let (mut client, mut server) = (our_client(config), their_server(theirs));
    talk(&mut client, &mut server).expect("both behave well");
    assert!(client.complete && !server.tls.is_handshaking());
    assert_eq!(client.secrets, world.log.take());
    assert_eq!(client.secrets.len(), 4);
    assert_eq!(client.parameters.as_deref(), Some(SERVER_PARAMETERS));
    let agreed = client.tls.negotiated();
    assert_eq!(agreed.alpn.as_deref(), Some(&b"echo"[..]));
    let theirs = server.tls.negotiated_key_exchange_group();
    let theirs = theirs.map(|group| u16::from(group.name()));
    assert_eq!(agreed.group.map(Group::number), theirs);
    assert_eq!(
        client.keys,
        [(Level::Handshake, true, true), (Level::OneRtt, true, true)]
    );
    agreed.retried
}

/// Our server with a client of rustls; returns whether there was a HelloRetryRequest.
fn our_server_succeeds(world: &World, config: ServerConfig, theirs: rustls::ClientConfig) -> bool {
    let (mut client, mut server) = (their_client(theirs), our_server(config));
    talk(&mut client, &mut server).expect("both behave well");
    assert!(server.complete && !client.tls.is_handshaking());
    assert_eq!(server.secrets, world.log.take());
    assert_eq!(server.secrets.len(), 4);
    assert_eq!(server.parameters.as_deref(), Some(CLIENT_PARAMETERS));
    let hello = server.tls.client_hello().expect("it was read");
    assert_eq!(hello.server_name().as_deref(), Some("localhost"));
    // RFC 9001 §5.7: 1-RTT packets are opened only once the handshake is complete.
    assert_eq!(
        server.keys,
        [
            (Level::Handshake, true, true),
            (Level::OneRtt, true, false),
            (Level::OneRtt, false, true),
        ]
    );
    server.tls.negotiated().retried
}

#[test]
fn a_client_agrees_with_rustls_in_every_suite_and_group() {
    let world = World::new();
    for (suite, their_suite) in SUITES {
        for (group, their_group) in GROUPS {
            let config = world.client().with(|it| it.suites = vec![suite]);
            let config = config.with(|it| (it.groups, it.shares) = (vec![group], vec![group]));
            let theirs = provider(Some(their_suite), &[their_group]);
            let theirs = world.their_server_config(theirs);
            assert!(!our_client_succeeds(&world, config, theirs));
        }
    }
}

#[test]
fn a_server_agrees_with_rustls_in_every_suite_and_group() {
    let world = World::new();
    for (suite, their_suite) in SUITES {
        for (group, their_group) in GROUPS {
            let config = world.server().with(|it| it.suites = vec![suite]);
            let config = config.with(|it| it.groups = vec![group]);
            let theirs = provider(Some(their_suite), &[their_group]);
            let theirs = world.their_client_config(theirs);
            assert!(!our_server_succeeds(&world, config, theirs));
        }
    }
}

#[test]
fn a_client_answers_a_hello_retry_request_for_each_group() {
    let world = World::new();
    for (suite, their_suite) in SUITES {
        for (group, their_group) in GROUPS {
            let share = match group {
                Group::X25519 => Group::Secp256r1,
                _ => Group::X25519,
            };
            let config = world.client().with(|it| it.suites = vec![suite]);
            let config =
                config.with(|it| (it.groups, it.shares) = (vec![share, group], vec![share]));
            let theirs = provider(Some(their_suite), &[their_group]);
            let theirs = world.their_server_config(theirs);
            assert!(our_client_succeeds(&world, config, theirs));
        }
    }
}

#[test]
fn a_server_asks_for_a_share_of_the_group_that_it_speaks() {
    let world = World::new();
    for (suite, their_suite) in SUITES {
        for (group, _) in GROUPS {
            let config = world.server().with(|it| it.suites = vec![suite]);
            let config = config.with(|it| it.groups = vec![group]);
            // A client sends a share of its first group alone.
            let first: &dyn rustls::crypto::SupportedKxGroup = match group {
                Group::X25519 => kx_group::SECP256R1,
                _ => kx_group::X25519,
            };
            let groups = [
                first,
                kx_group::X25519,
                kx_group::SECP256R1,
                kx_group::SECP384R1,
                kx_group::X25519MLKEM768,
            ];
            let theirs = world.their_client_config(provider(Some(their_suite), &groups));
            assert!(our_server_succeeds(&world, config, theirs), "{group:?}");
        }
    }
}

#[test]
fn a_cookie_comes_back() {
    const CRUMBS: &[u8] = b"\x00\x06crumbs";
    let world = World::new();
    let config = world.server().with(|it| {
        it.groups = vec![Group::Secp256r1];
        it.edit = Some(Arc::new(|message| match message {
            Message::ServerHello(hello) if hello.is_retry_request() => {
                hello
                    .extensions
                    .push((extension_type::COOKIE, CRUMBS.to_vec()));
            }
            _ => {}
        }));
    });
    let (mut client, mut server) = (our_client(world.client()), our_server(config));
    talk(&mut client, &mut server).expect("both behave well");
    assert!(client.tls.negotiated().retried && client.complete && server.complete);
    let second = server.tls.client_hello().expect("there are two");
    assert_eq!(second.extension(extension_type::COOKIE), Some(CRUMBS));
}

#[test]
fn a_client_without_certificate_says_so_when_it_is_asked() {
    let world = World::new();
    let like = world.their_server_config(aws_lc_rs::default_provider());
    let provider = like.crypto_provider().clone();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(world.roots.clone(), provider.clone())
            .allow_unauthenticated()
            .build()
            .expect("there is a root");
    let mut theirs = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks it")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(like.cert_resolver.clone());
    theirs.alpn_protocols = like.alpn_protocols;
    theirs.key_log = like.key_log;
    our_client_succeeds(&world, world.client(), theirs);
}

#[test]
fn a_client_may_offer_no_application_protocol() {
    let world = World::new();
    let mut client = our_client(world.client().with(|it| it.alpn = vec![]));
    assert_eq!(talk(&mut client, &mut our_server(world.server())), Ok(()));
}

#[test]
fn a_client_refuses_a_name_that_is_not_the_certificates() {
    let world = World::new();
    let mut config = world.client();
    let verification = config.verification.take().expect("it checks");
    let config = config.with(|it| {
        it.verification = Some(Verification {
            name: ServerName::try_from("example.org").expect("it is a name"),
            ..verification
        })
    });
    let (mut client, mut server) = (our_client(config), world.their_server());
    // bad_certificate
    assert_eq!(talk(&mut client, &mut server), Err(("client", 0x12a)));
    let error = client.error.expect("it failed");
    assert_eq!(error.rule, None);
    assert_eq!(error.alert(), Some(42));
}

#[test]
fn messages_may_come_in_any_pieces() {
    let world = World::new();
    let (mut client, mut server) = (our_client(world.client()), our_server(world.server()));
    for _ in 0..4 {
        for (level, bytes) in client.flight() {
            for byte in bytes {
                server
                    .read(level, &[byte])
                    .expect("the client behaves well");
            }
        }
        for (level, bytes) in server.flight() {
            for byte in bytes {
                client
                    .read(level, &[byte])
                    .expect("the server behaves well");
            }
        }
    }
    assert!(client.complete && server.complete);
    assert_eq!(client.secrets, server.secrets);
    assert_eq!(client.tls.negotiated(), server.tls.negotiated());
    assert_eq!(client.tls.negotiated().early_data, EarlyData::NotOffered);
}

#[test]
fn a_seed_repeats_a_client_hello() {
    let world = World::new();
    let mut flights = [0, 1].map(|_| our_client(world.client()).flight());
    assert_eq!(flights[0], flights[1]);
    assert_eq!(
        flights[0].pop().map(|(level, _)| level),
        Some(Level::Initial)
    );
}
