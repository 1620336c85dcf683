//! A server that lets in only clients with a certificate.

use std::{fs, path::Path};

use crate::{
    cert::mkcert_in,
    cmd::Output,
    env::{Server, TestEnv, assert_contains},
};

const CLIENT_CA: &str = "--client-ca qecho/ca/rootCA.pem --messages always";

/// Starts a server that lets in clients of the CA of `qecho cert`.
fn serve(env: &TestEnv) -> Server {
    env.qecho("cert ca new").ok();
    env.server(CLIENT_CA)
}

fn client_with(env: &TestEnv, server: &Server, certificate: &Path, key: &Path) -> Output {
    let client = env.client(server, "-m secret --cert").arg(certificate);
    client.arg("--key").arg(key).run()
}

/// Checks what both sides say, and that nothing was echoed.
#[track_caller]
fn refused(server: Server, done: &Output, words: &str, hint: &str) {
    done.fails(1, words, Some(hint));
    assert_eq!(done.stdout, "", "nothing was echoed");
    assert_contains(&server.event("handshake_failed")["reason"], words);
    let counts = server.ends_well();
    assert_eq!(counts["connections"], 0, "no handshake was completed");
    assert_eq!(counts["bytes_echoed"], 0, "nothing was echoed");
}

#[test]
fn a_client_of_the_right_authority_is_let_in_by_every_way() {
    let env = TestEnv::new();
    let server = serve(&env);
    let listening = &server.listening["client_ca"];
    assert_eq!(listening, &serde_json::json!(["qecho/ca/rootCA.pem"]));
    for (name, kind) in [("ada@engine.test", ""), ("a.test", "--ed25519")] {
        let files = "--cert-file me.pem --key-file me-key.pem";
        let new = format!("cert new {name} --client {kind} {files}");
        env.qecho(&new).ok();
        for way in ["stream", "uni", "datagram"] {
            let command = format!("-m a --over {way} --cert me.pem --key me-key.pem");
            env.client(&server, &command).ok();
        }
    }
    let shown = env.qecho(format!("cert show {}", server.place())).ok();
    shown.prints("trusted      for 127.0.0.1, by qecho's local CA");
    assert_eq!(server.ends_well()["streams"], 4);
}

#[test]
fn a_ping_is_let_in_with_a_certificate_and_told_what_to_show_without() {
    let env = TestEnv::new();
    let server = serve(&env);
    let files = "--cert-file me.pem --key-file me-key.pem";
    let new = format!("cert new ada@engine.test --client {files}");
    env.qecho(&new).ok();
    let ping = |options: &str| {
        let place = server.place();
        env.qecho(format!("ping {place} -n 1 {options}")).run()
    };
    ping("--cert me.pem --key me-key.pem").exits(0);
    ping("")
        .exits(1)
        .complains("show one by --cert FILE --key FILE");
    ping("--cert me.pem").exits(2).complains("--key");
}

#[test]
fn a_client_without_a_certificate_is_refused_on_both_sides() {
    for input in [&b""[..], b"secret\n"] {
        let env = TestEnv::new();
        let server = serve(&env);
        let arguments = if input.is_empty() { "-m secret" } else { "" };
        let done = env.client(&server, arguments).run_with(input);
        let hint = "show one by --cert FILE --key FILE";
        let place = server.place();
        done.complains(&format!("qecho: {place} refuses this client: "));
        refused(server, &done, "the client sent no certificate", hint);
    }
}

#[test]
fn a_client_with_nothing_to_say_and_a_load_learn_that_a_certificate_is_wanted() {
    for (command, hint) in [
        ("client", "show one by --cert FILE --key FILE"),
        ("bench", "qecho bench shows none"),
    ] {
        let env = TestEnv::new();
        let server = serve(&env);
        let done = env.qecho(format!("{command} {}", server.place())).run();
        refused(server, &done, "the client sent no certificate", hint);
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused_on_both_sides() {
    let env = TestEnv::new();
    let server = serve(&env);
    let other = "--ca-root other";
    for command in [
        &format!("ca new --name-constraints a.test {other}"),
        &format!("new a.test --client {other}"),
    ] {
        env.qecho(format!("cert {command}")).ok();
    }
    let home = env.home();
    let (certificate, key) = ("a.test-client.pem", "a.test-client-key.pem");
    let done = client_with(&env, &server, &home.join(certificate), &home.join(key));
    let words = "the client is refused: the certificate's issuer is not trusted (O=";
    let hint = "that the server's --client-ca has signed";
    refused(server, &done, words, hint);
}

#[test]
fn a_certificate_for_servers_alone_is_refused_on_both_sides() {
    let env = TestEnv::new();
    let server = serve(&env);
    env.qecho("cert new localhost").ok();
    let home = env.home();
    let (certificate, key) = (home.join("localhost.pem"), home.join("localhost-key.pem"));
    let done = client_with(&env, &server, &certificate, &key);
    let words = "the client is refused: the certificate is not meant for a client";
    refused(server, &done, words, "for clients");
}

#[test]
fn files_that_cannot_be_used_are_named_by_both_commands() {
    let env = TestEnv::new();
    let server = serve(&env);
    let text = env.file("text.pem", "no PEM at all");
    let server_with = env.qecho("server --listen localhost:0 --client-ca");
    let reason = "cannot decide which clients to let in";
    server_with
        .arg(&text)
        .run()
        .fails(2, reason, None)
        .complains("text.pem");
    env.qecho("cert new localhost").ok();
    let leaf = env.qecho("server --listen localhost:0 --client-ca localhost.pem");
    let reason = "a certificate in localhost.pem is not a CA's";
    leaf.run().fails(2, reason, None);
    let done = client_with(&env, &server, &text, &text);
    done.fails(2, "cannot use this certificate", None);
    env.qecho("cert new a.test --client").ok();
    let home = env.home();
    let other = home.join("qecho/ca/rootCA-key.pem");
    let done = client_with(&env, &server, &home.join("a.test-client.pem"), &other);
    done.fails(2, "does not fit the certificate", None);
    let lonely = env.client(&server, "-m a --cert a.pem").run();
    lonely.exits(2).complains("--key <FILE>");
    server.ends_well();
}

#[test]
fn a_person_reads_whom_the_server_lets_in() {
    let env = TestEnv::new();
    env.qecho("cert ca new").ok();
    let (server, _) = env.text_server(CLIENT_CA);
    let banner = server.stdout.text();
    let words = "  clients      only with a certificate that qecho/ca/rootCA.pem vouches for\n";
    assert!(banner.contains(words), "{banner}");
    assert!(banner.contains(" --cert FILE --key FILE"), "{banner}");
}

#[test]
fn a_refusal_is_told_as_json_too() {
    let env = TestEnv::new();
    let server = serve(&env);
    let done = env.client(&server, "-m secret --format json").run();
    let last = done.exits(1).last_event();
    assert_eq!(last["event"], "error");
    assert_contains(&last["reason"], "the client sent no certificate");
    assert_contains(&last["hint"], "--cert FILE");
    server.ends_well();
}

#[test]
fn mkcerts_clients_are_let_in_by_its_authority() {
    let env = TestEnv::new();
    let made = mkcert_in(&env, &env.home(), &["-client", "ada@engine.test"]);
    assert!(made.status.success(), "{made:?}");
    let server = env.server("--client-ca caroot/rootCA.pem");
    let certificate = env.home().join("ada@engine.test-client.pem");
    let key = env.home().join("ada@engine.test-client-key.pem");
    assert!(fs::metadata(&certificate).is_ok());
    client_with(&env, &server, &certificate, &key).exits(0);
    server.ends_well();
}

#[test]
fn a_server_of_known_clients_gives_no_session_to_resume() {
    let env = TestEnv::new();
    env.qecho("cert ca new").ok();
    env.qecho("cert new a.test --client --cert-file me.pem --key-file me-key.pem")
        .ok();
    for (launch, gives) in [("", true), (CLIENT_CA, false)] {
        let server = env.server(launch);
        let show = "-m a --cert me.pem --key me-key.pem --trace=frames";
        let done = env.client(&server, show).run();
        let given = done.exits(0).stderr.contains("NewSessionTicket");
        assert_eq!(given, gives, "{done:#?}");
        server.ends_well();
    }
}
