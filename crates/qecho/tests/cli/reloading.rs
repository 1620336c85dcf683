//! A server whose certificate changes while it runs.

mod clients;

use std::{fs, io::Read};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::stage::{Server, Stage, last_event};

/// Makes a certificate for this host in `c.pem` and `c-key.pem`, and returns its pin.
fn make(stage: &Stage, more: &str) -> String {
    let files = "--cert-file c.pem --key-file c-key.pem";
    let new = format!("cert new localhost 127.0.0.1 {more} {files} --format json");
    let made = last_event(stage.qecho(&new).run().exits(0));
    format!("sha256:{}", text(&made, "spki_sha256"))
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().expect("a text").to_owned()
}

fn serve(stage: &Stage) -> Server {
    stage.server("--cert c.pem --key c-key.pem")
}

/// Checks that new clients find the key that has this pin.
#[track_caller]
fn shows(stage: &Stage, server: &Server, pin: &str) {
    let client = stage.client(server, &format!("-m a --pin {pin}")).run();
    client.exits(0);
}

#[test]
fn new_files_are_shown_to_new_clients_and_old_connections_go_on() {
    let stage = Stage::new();
    let old = make(&stage, "");
    let server = serve(&stage);
    let mut client = stage.client(&server, "").start();
    client.types(b"before\n");
    client.stdout.says("before");
    let new = make(&stage, "a.test --ed25519");
    let told = server.event("certificate_reloaded");
    assert_eq!(format!("sha256:{}", text(&told, "spki_sha256")), new);
    let names = ["localhost", "127.0.0.1", "a.test"];
    assert_eq!(told["names"], serde_json::json!(names));
    shows(&stage, &server, &new);
    let refused = stage.client(&server, &format!("-m a --pin {old}")).run();
    refused.exits(1).complains("was asked for");
    client.types(b"after\n");
    client.stdout.says("after");
    client.done().exits(0);
    assert_eq!(server.ends_well()["connections"], 2);
}

#[test]
fn a_hangup_reads_the_files_at_once_and_ends_nothing() {
    let stage = Stage::new();
    make(&stage, "");
    let server = serve(&stage);
    let mut client = stage.client(&server, "").start();
    client.types(b"before\n");
    client.stdout.says("before");
    for times in 1..4 {
        server.process.signal(Signal::HUP);
        let event = r#""event":"certificate_reloaded""#;
        server.process.stdout.says_times(event, times);
    }
    client.types(b"after\n");
    client.stdout.says("after");
    client.done().exits(0);
    assert_eq!(server.ends_well()["connections"], 1);
}

#[test]
fn a_hangup_ends_a_server_that_has_no_files_to_read() {
    let stage = Stage::new();
    let server = stage.server("");
    server.process.signal(Signal::HUP);
    server.process.done().exits(0);
}

#[test]
fn broken_files_keep_the_old_certificate_and_say_so() {
    let stage = Stage::new();
    let pin = make(&stage, "");
    let server = serve(&stage);
    let home = stage.home();
    let (certificate, key) = (home.join("c.pem"), home.join("c-key.pem"));
    let good = fs::read(&certificate).expect("it is there");
    let keeps = "qecho: cannot use the new certificate, and keeps the old one: ";
    fs::write(&certificate, "garbage").expect("it is ours");
    let line = server.process.stderr.line_with(keeps);
    assert!(line.ends_with("there is no certificate in c.pem"), "{line}");
    let told = server.event("certificate_kept");
    assert_eq!(text(&told, "reason"), "there is no certificate in c.pem");
    shows(&stage, &server, &pin);
    // A hangup asks, and so is answered, each time.
    server.process.signal(Signal::HUP);
    server.process.stderr.says_times(keeps, 2);
    fs::write(&certificate, good).expect("it is ours");
    server.event("certificate_reloaded");
    fs::remove_file(&key).expect("it is ours");
    let words = "cannot read c-key.pem: No such file";
    server.process.stderr.says(words);
    shows(&stage, &server, &pin);
    let another = make(&stage, "");
    let event = r#""event":"certificate_reloaded""#;
    server.process.stdout.says_times(event, 2);
    shows(&stage, &server, &another);
    server.ends_well();
}

#[test]
fn a_renewal_while_the_server_runs_is_all_it_takes() {
    let stage = Stage::new();
    let pin = make(&stage, "--short-lived");
    let server = serve(&stage);
    let text = stage.qecho("server --listen localhost:0 --cert c.pem --key c-key.pem");
    let text = text.start();
    text.stdout.says("\n\n");
    stage.qecho("cert renew c.pem --keep-key").run().exits(0);
    let told = server.event("certificate_reloaded");
    assert_eq!(
        format!("sha256:{}", told["spki_sha256"].as_str().expect("a text")),
        pin
    );
    let line = text
        .stdout
        .line_with("new certificate: localhost, 127.0.0.1; until ");
    assert!(line.ends_with(&format!(", pin {pin}")), "{line}");
    shows(&stage, &server, &pin);
    server.ends_well();
}

#[test]
fn a_link_that_leads_elsewhere_is_followed() {
    let stage = Stage::new();
    let home = stage.home();
    let mut pins = Vec::new();
    for version in ["one", "two"] {
        fs::create_dir(home.join(version)).expect("the home takes folders");
        pins.push(make(&stage, ""));
        for file in ["c.pem", "c-key.pem"] {
            fs::rename(home.join(file), home.join(version).join(file)).expect("it was made");
        }
    }
    std::os::unix::fs::symlink("one", home.join("current")).expect("the home takes links");
    let server = stage.server("--cert current/c.pem --key current/c-key.pem");
    shows(&stage, &server, &pins[0]);
    std::os::unix::fs::symlink("two", home.join("next")).expect("the home takes links");
    fs::rename(home.join("next"), home.join("current")).expect("they are ours");
    server.event("certificate_reloaded");
    shows(&stage, &server, &pins[1]);
    server.ends_well();
}

#[test]
fn a_terminal_that_is_closed_ends_the_server_all_the_same() {
    let stage = Stage::new();
    make(&stage, "");
    let (mut pty, pts) = pty_process::blocking::open().expect("the system has pseudo-terminals");
    let launch = stage.qecho("server --listen localhost:0 --cert c.pem --key c-key.pem");
    let mut command = pty_process::blocking::Command::from(launch.into_command());
    let mut child = command.spawn_borrowed(&pts).expect("the program starts");
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("\r\n\r\n") {
        let mut buffer = [0; 1024];
        let length = pty.read(&mut buffer).expect("the server says something");
        shown.extend_from_slice(&buffer[..length]);
    }
    kill_process(Pid::from_child(&child), Signal::HUP).expect("it lives");
    while !String::from_utf8_lossy(&shown).contains("new certificate: localhost") {
        let mut buffer = [0; 1024];
        let length = pty.read(&mut buffer).expect("the server says something");
        shown.extend_from_slice(&buffer[..length]);
    }
    let ended = crate::process::end_of(&child);
    drop((pty, pts));
    let in_time = ended.within(crate::hearing::LIMIT, |ended| *ended);
    if !in_time {
        let _ = child.kill();
    }
    assert!(in_time, "a closed terminal ends the server");
    child.wait().expect("it has ended");
}
