//! A server whose certificate changes while it runs.

mod clients;

use std::{fs, io::Read, sync::Arc};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use signal_hook::consts::SIGHUP;

use crate::{
    cmd::Cmd,
    env::{Server, TestEnv},
};

/// Makes a certificate for this host in `c.pem` and `c-key.pem`, and returns its pin.
fn make(env: &TestEnv, more: &str) -> String {
    let files = "--cert-file c.pem --key-file c-key.pem";
    let new = format!("cert new localhost 127.0.0.1 {more} {files} --format json");
    let made = env.qecho(&new).ok().last_event();
    format!("sha256:{}", text(&made, "spki_sha256"))
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().expect("a text").to_owned()
}

fn serve(env: &TestEnv) -> Server {
    env.server("--cert c.pem --key c-key.pem")
}

/// Checks that new clients find the key that has this pin.
#[track_caller]
fn shows(env: &TestEnv, server: &Server, pin: &str) {
    env.client(server, format!("-m a --pin {pin}")).ok();
}

#[test]
fn new_files_are_shown_to_new_clients_and_old_connections_go_on() {
    let env = TestEnv::new();
    let old = make(&env, "");
    let server = serve(&env);
    let mut client = env.client(&server, "").start();
    client.echoes("before\n");
    let new = make(&env, "a.test --ed25519");
    let told = server.event("certificate_reloaded");
    assert_eq!(format!("sha256:{}", text(&told, "spki_sha256")), new);
    let names = ["localhost", "127.0.0.1", "a.test"];
    assert_eq!(told["names"], serde_json::json!(names));
    shows(&env, &server, &new);
    let refused = env.client(&server, format!("-m a --pin {old}")).run();
    refused.exits(1).complains("was asked for");
    client.echoes("after\n");
    client.done().exits(0);
    assert_eq!(server.ends_well()["connections"], 2);
}

#[test]
fn a_hangup_reads_the_files_at_once_and_ends_nothing() {
    let env = TestEnv::new();
    make(&env, "");
    let server = serve(&env);
    let mut client = env.client(&server, "").start();
    client.echoes("before\n");
    for times in 1..4 {
        server.process.signal(Signal::HUP);
        let event = r#""event":"certificate_reloaded""#;
        server.process.stdout.says_times(event, times);
    }
    client.echoes("after\n");
    client.done().exits(0);
    assert_eq!(server.ends_well()["connections"], 1);
}

#[test]
fn a_hangup_ends_no_service_that_has_no_files_to_read() {
    let (env, server) = TestEnv::with_server("");
    let relay = env.relay(&server.place(), "");
    let through = env.client(&relay, format!("--pin {}", server.pin()));
    let mut client = through.start();
    client.echoes("before\n");
    for times in 1..4 {
        for service in [&server, &relay] {
            service.process.signal(Signal::HUP);
            service.process.stderr.says_times("SIGHUP: there ", times);
        }
    }
    client.echoes("after\n");
    client.done().exits(0);
    relay.ends_well();
    assert_eq!(server.ends_well()["connections"], 1);
}

/// Lets what is started from now on end by a hangup, also if the tests were started to ignore
/// it: what a process catches is as it was at the beginning for those that it starts.
fn hangups_are_not_ignored() {
    let caught = Arc::default();
    signal_hook::flag::register(SIGHUP, caught).expect("a hangup can be caught");
}

#[test]
fn a_hangup_ends_a_command_once_unless_it_was_started_to_ignore_it() {
    hangups_are_not_ignored();
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    let ping = format!("ping {place} -i 1ms -n 100000 --format json");
    let mut process = env.qecho(&ping).start();
    process.stdout.says(r#""seq":1,"#);
    process.signal(Signal::HUP);
    process.signal(Signal::HUP);
    let summary = process.done().exits(143).last_event();
    assert!(summary["received"].as_u64() < Some(100_000), "{summary}");
    // As `nohup` does.
    let mut ignoring = env.command("sh");
    let program = env!("CARGO_BIN_EXE_qecho");
    ignoring.args(["-c", &format!("trap '' HUP; exec {program} {ping}")]);
    process = Cmd::new(ignoring).start();
    process.stdout.says(r#""seq":1,"#);
    process.signal(Signal::HUP);
    let seen = process.stdout.text().lines().count();
    process.stdout.says(&format!(r#""seq":{},"#, seen + 1_000));
    process.signal(Signal::INT);
    process.done().exits(0);
    server.ends_well();
}

#[test]
fn broken_files_keep_the_old_certificate_and_say_so() {
    let env = TestEnv::new();
    let pin = make(&env, "");
    let server = serve(&env);
    let home = env.home();
    let (certificate, key) = (home.join("c.pem"), home.join("c-key.pem"));
    let good = fs::read(&certificate).expect("it is there");
    let keeps = "qecho: cannot use the new certificate, and keeps the old one: ";
    fs::write(&certificate, "garbage").expect("it is ours");
    let line = server.process.stderr.line_with(keeps);
    assert!(line.ends_with("there is no certificate in c.pem"), "{line}");
    let told = server.event("certificate_kept");
    assert_eq!(text(&told, "reason"), "there is no certificate in c.pem");
    shows(&env, &server, &pin);
    // A hangup asks, and so is answered, each time.
    server.process.signal(Signal::HUP);
    server.process.stderr.says_times(keeps, 2);
    fs::write(&certificate, good).expect("it is ours");
    server.event("certificate_reloaded");
    fs::remove_file(&key).expect("it is ours");
    let words = "cannot read c-key.pem: No such file";
    server.process.stderr.says(words);
    shows(&env, &server, &pin);
    let another = make(&env, "");
    let event = r#""event":"certificate_reloaded""#;
    server.process.stdout.says_times(event, 2);
    shows(&env, &server, &another);
    server.ends_well();
}

#[test]
fn a_renewal_while_the_server_runs_is_all_it_takes() {
    let env = TestEnv::new();
    let pin = make(&env, "--short-lived");
    let server = serve(&env);
    let (text_server, _) = env.text_server("--cert c.pem --key c-key.pem");
    env.qecho("cert renew c.pem --keep-key").ok();
    let told = server.event("certificate_reloaded");
    assert_eq!(format!("sha256:{}", text(&told, "spki_sha256")), pin);
    let words = "new certificate: localhost, 127.0.0.1; until ";
    let line = text_server.stdout.line_with(words);
    assert!(line.ends_with(&format!(", pin {pin}")), "{line}");
    shows(&env, &server, &pin);
    server.ends_well();
}

#[test]
fn a_link_that_leads_elsewhere_is_followed() {
    let env = TestEnv::new();
    let home = env.home();
    let mut pins = Vec::new();
    for version in ["one", "two"] {
        fs::create_dir(home.join(version)).expect("the home takes folders");
        pins.push(make(&env, ""));
        for file in ["c.pem", "c-key.pem"] {
            fs::rename(home.join(file), home.join(version).join(file)).expect("it was made");
        }
    }
    std::os::unix::fs::symlink("one", home.join("current")).expect("the home takes links");
    let server = env.server("--cert current/c.pem --key current/c-key.pem");
    shows(&env, &server, &pins[0]);
    std::os::unix::fs::symlink("two", home.join("next")).expect("the home takes links");
    fs::rename(home.join("next"), home.join("current")).expect("they are ours");
    server.event("certificate_reloaded");
    shows(&env, &server, &pins[1]);
    server.ends_well();
}

#[test]
fn a_terminal_that_is_closed_ends_the_server_all_the_same() {
    hangups_are_not_ignored();
    let env = TestEnv::new();
    make(&env, "");
    let (mut pty, pts) = pty_process::blocking::open().expect("the system has pseudo-terminals");
    let launch = env.qecho("server --listen localhost:0 --cert c.pem --key c-key.pem");
    let mut command = pty_process::blocking::Command::from(launch.into_command());
    let mut child = command.spawn_borrowed(&pts).expect("the program starts");
    let mut shown = Vec::new();
    let mut says = |words: &str| {
        while !String::from_utf8_lossy(&shown).contains(words) {
            let mut buffer = [0; 1024];
            let length = pty.read(&mut buffer).expect("the server says something");
            shown.extend_from_slice(&buffer[..length]);
        }
    };
    says("\r\n\r\n");
    kill_process(Pid::from_child(&child), Signal::HUP).expect("it lives");
    says("new certificate: localhost");
    let ended = crate::cmd::end_of(&child);
    drop((pty, pts));
    let in_time = ended.within(crate::transcript::LIMIT, |ended| *ended);
    if !in_time {
        let _ = child.kill();
    }
    assert!(in_time, "a closed terminal ends the server");
    child.wait().expect("it has ended");
}
