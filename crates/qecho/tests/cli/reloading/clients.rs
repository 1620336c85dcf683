//! A server whose clients' CAs change while it runs.

use std::fs;

use rustix::process::Signal;

use crate::{
    cmd::{Cmd, Output},
    env::{Server, TestEnv},
};

const KEPT: &str = "qecho: cannot use the new CAs of clients, and keeps the old ones: ";

/// Makes two CAs with a client each, and a file with the first of the CAs.
fn two_authorities() -> TestEnv {
    let env = TestEnv::new();
    for name in ["one", "two"] {
        let files = format!("--cert-file {name}.pem --key-file {name}-key.pem");
        let new = format!("cert new {name}.test --client --ca-root {name} {files}");
        env.qecho(&new).ok();
    }
    let_in(&env, "one");
    env
}

/// Puts a CA into the file of the server.
fn let_in(env: &TestEnv, name: &str) {
    let home = env.home();
    fs::copy(home.join(name).join("rootCA.pem"), home.join("clients.pem")).expect("it was made");
}

fn serve(env: &TestEnv, more: &str) -> Server {
    env.server(&format!("--client-ca clients.pem {more}"))
}

fn client(env: &TestEnv, server: &Server, name: &str) -> Cmd {
    env.client(server, format!("--cert {name}.pem --key {name}-key.pem"))
}

fn says_a(env: &TestEnv, server: &Server, name: &str) -> Output {
    client(env, server, name).args("-m a").run()
}

#[test]
fn new_authorities_of_clients_are_asked_and_old_connections_go_on() {
    let env = two_authorities();
    let server = serve(&env, "");
    let mut old = client(&env, &server, "one").start();
    old.echoes("before\n");
    says_a(&env, &server, "two").exits(1);
    let_in(&env, "two");
    let told = server.event("client_ca_reloaded");
    assert_eq!(told["client_ca"], serde_json::json!(["clients.pem"]));
    says_a(&env, &server, "two").exits(0);
    let refused = says_a(&env, &server, "one");
    refused.exits(1).complains("the client is refused: ");
    old.echoes("after\n");
    old.done().exits(0);
    assert_eq!(server.ends_well()["connections"], 2);
}

#[test]
fn broken_files_keep_the_old_authorities_of_clients_and_say_so() {
    let env = two_authorities();
    let server = serve(&env, "");
    let file = env.home().join("clients.pem");
    fs::write(&file, "garbage").expect("it is ours");
    let line = server.process.stderr.line_with(KEPT);
    let words = "there is no certificate in clients.pem";
    assert!(line.ends_with(words), "{line}");
    let told = server.event("client_ca_kept");
    let reason = told["reason"].as_str().expect("a text");
    assert!(reason.ends_with(words), "{reason}");
    says_a(&env, &server, "one").exits(0);
    says_a(&env, &server, "two").exits(1);
    // A hangup asks, and so is answered; it ends nothing.
    server.process.signal(Signal::HUP);
    server.process.stderr.says_times(KEPT, 2);
    fs::remove_file(&file).expect("it is ours");
    server.process.stderr.says_times(KEPT, 3);
    let_in(&env, "two");
    server.event("client_ca_reloaded");
    says_a(&env, &server, "two").exits(0);
    server.ends_well();
}

#[test]
fn a_hangup_reads_the_certificate_and_the_authorities_of_clients() {
    let env = two_authorities();
    let new = "cert new localhost 127.0.0.1 --cert-file c.pem --key-file c-key.pem";
    env.qecho(new).ok();
    let files = "--cert c.pem --key c-key.pem --client-ca clients.pem";
    let server = env.server(files);
    let (text, _) = env.text_server(files);
    server.process.signal(Signal::HUP);
    server.event("certificate_reloaded");
    server.event("client_ca_reloaded");
    text.signal(Signal::HUP);
    let words = "new certificate: localhost, 127.0.0.1; until ";
    text.stdout.says(words);
    text.stdout.says("new CAs of clients: clients.pem\n");
    says_a(&env, &server, "one").exits(0);
    server.ends_well();
}
