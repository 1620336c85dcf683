//! Addresses of a server, and how it says them.

use std::net::SocketAddr;

use crate::env::{self, TestEnv};

#[test]
fn the_first_line_of_json_says_all_that_a_script_needs() {
    let (env, server) = TestEnv::with_server("");
    let line = &server.listening;
    assert_eq!(line["event"], "listening");
    let addresses = line["addresses"].as_array().expect("a list");
    assert!(!addresses.is_empty());
    for address in addresses {
        let address: SocketAddr = address
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("an address");
        assert!(address.ip().is_loopback());
        assert_ne!(address.port(), 0);
        assert_eq!(address.port(), server.port());
    }
    let pin = line["spki_sha256"].as_str().expect("a text");
    assert!(pin.len() == 64 && pin.chars().all(|digit| digit.is_ascii_hexdigit()));
    let ca = line["ca"].as_str().expect("a text");
    assert_eq!(ca, env.home().join("qecho/rootCA.pem").to_string_lossy());
    let pem = env::read(ca);
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let names = serde_json::json!(["localhost", "127.0.0.1", "::1"]);
    assert_eq!(line["names"], names);
    assert!(line["expires_unix"].as_i64() > Some(1_700_000_000));
    let done = env.client(&server, format!("--ca {ca} -m a")).run();
    done.exits(0).complains("verified by CA file ");
    let last = server.ends_well();
    assert_eq!(last["event"], "stopped");
}

#[test]
fn the_banner_tells_a_person_what_to_paste() {
    let env = TestEnv::new();
    let (server, port) = env.text_server("");
    let banner = server.stdout.text();
    let lines: Vec<_> = banner.lines().collect();
    assert_eq!(
        lines[0],
        concat!("qecho ", env!("CARGO_PKG_VERSION"), " echo server")
    );
    assert!(lines[1].starts_with("  listening    127.0.0.1:") || lines[1].contains("[::1]:"));
    assert!(lines[2].starts_with("  certificate  localhost, 127.0.0.1, ::1; until 20"));
    let ca = env.home().join("qecho/rootCA.pem");
    assert!(lines[3].starts_with(&format!("  local CA     {}", ca.display())));
    let near = lines[4].trim_start().strip_prefix("client");
    let near = near.expect(lines[4]).trim();
    assert_eq!(near, format!("qecho client localhost:{port}"));
    let far = lines[5].trim_start().strip_prefix("from afar");
    let far = far.expect(lines[5]).trim();
    assert!(far.starts_with(&format!("qecho client HOST:{port} --pin sha256:")));
    for command in [near, &far.replace("HOST", "127.0.0.1")] {
        let typed = command.strip_prefix("qecho ").expect("it is ours");
        env.qecho(format!("{typed} -m a")).ok();
    }
    let made = "made a local CA, good for localhost alone: ";
    assert!(server.stderr.text().starts_with(made));
    server.terminate();
    let done = server.done();
    done.exits(0);
    let last = done.stdout.lines().last().expect("there is a line");
    let counts = "2 connections, 2 streams, 2 bytes and 0 datagrams echoed";
    assert_eq!(last, format!("stopped: {counts}"));
}

#[test]
fn the_key_and_the_pin_survive_a_restart() {
    let env = TestEnv::new();
    let pins = [(); 2].map(|()| {
        let server = env.server("");
        let pin = server.pin();
        server.ends_well();
        pin
    });
    assert_eq!(pins[0], pins[1]);
}

#[test]
fn several_places_may_be_listened_on() {
    let env = TestEnv::new();
    let server = env.server("--listen 127.0.0.1:0 --listen 127.0.0.1:0");
    let addresses = server.listening["addresses"].as_array().expect("a list");
    assert!(addresses.len() >= 3, "{addresses:?}");
    for address in addresses {
        let address = address.as_str().expect("a text");
        env.qecho(format!("client {address} -m a")).ok();
    }
}

#[test]
fn any_sensible_number_of_shards_can_be_had() {
    let env = TestEnv::new();
    for shards in ["1", "8"] {
        let server = env.server(&format!("--shards {shards}"));
        for _ in 0..4 {
            env.client(&server, "-m a").ok();
        }
        assert_eq!(server.ends_well()["connections"], 4);
    }
    for shards in ["0", "257", "all"] {
        let done = env.qecho(format!("server --shards {shards}")).run();
        let words = "a number from 1 to 256 is expected";
        done.exits(2).complains(words);
    }
}

#[test]
fn a_server_that_spins_echoes_and_ends_as_any_other() {
    let env = TestEnv::new();
    for spin in ["auto", "off", "50us"] {
        let server = env.server(&format!("--spin {spin} --shards 1"));
        env.client(&server, "-m a").ok();
        assert_eq!(server.ends_well()["connections"], 1);
    }
    let done = env.qecho("server --spin 1s").run();
    done.exits(2).complains("at most 1ms");
}

#[test]
fn a_server_open_to_others_says_so() {
    let env = TestEnv::new();
    let server = env.qecho("server --listen *:0").start();
    server.stdout.says("\n\n");
    let banner = server.stdout.text();
    let words = "  open         anyone who reaches this port";
    assert!(banner.contains(words), "{banner}");
    assert!(!banner.contains("(once this server"), "{banner}");
}

#[test]
fn a_busy_port_is_named_with_a_hint_whoever_holds_it() {
    let env = TestEnv::new();
    let other = env::socket();
    let server = env.server("");
    for holder in [env::address(&other).port(), server.port()] {
        for host in ["localhost", "127.0.0.1", "*"] {
            let done = env.qecho(format!("server --listen {host}:{holder}")).run();
            done.fails(2, "cannot listen on ", Some("--listen"));
            done.complains(&holder.to_string());
            assert_eq!(done.stdout, "", "it does not say that it listens");
        }
    }
    env.client(&server, "-m a").ok();
}

#[test]
fn an_address_of_another_host_is_refused_with_a_hint() {
    let done = TestEnv::new().qecho("server --listen 192.0.2.1:0").run();
    done.fails(2, "cannot listen on 192.0.2.1:0", Some("this host"));
}

#[test]
fn a_home_that_takes_no_files_is_refused_with_a_hint() {
    let env = TestEnv::new();
    let file = env.file("file", "no folder");
    let server = env.qecho("server --listen localhost:0");
    let done = server.env("QECHO_HOME", file).run();
    done.fails(2, "cannot open the local CA", Some("QECHO_HOME"));
}

#[test]
fn a_reader_that_leaves_after_the_first_line_does_not_end_the_server() {
    let env = TestEnv::new();
    let server = env.qecho("server --format json --messages always --listen localhost:0");
    let (running, stdout) = server.start_unread();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("a line");
    let listening: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
    let address = listening["addresses"][0].as_str().expect("a text");
    for _ in 0..3 {
        env.qecho(format!("client {address} -m a")).ok();
    }
    running.terminate();
    running.done().exits(0);
}
