//! HTTP that is odd, slow, silent or too much.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
};

use qecho_monitor::{HEAD_MAX, HTTP_CONNECTIONS_MAX};

use super::asking::{ask, connect, get, monitored};
use crate::env::{TestEnv, assert_contains};

#[test]
fn a_request_gets_the_status_that_it_deserves() {
    let (_env, server) = monitored("");
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(HEAD_MAX));
    for (request, status) in [
        ("GET /healthz HTTP/1.0\r\n\r\n", 200),
        ("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET /readyz?verbose HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (
            "GET /metrics/../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
            404,
        ),
        (
            "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            405,
        ),
        ("GET /metrics HTTP/1.1\r\n\r\n", 400),
        ("\r\n\r\n\x16\x03\x01\x02", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (&long, 431),
    ] {
        let answer = ask(connect(&server), request.as_bytes());
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
        if request.starts_with("HEAD ") {
            assert_eq!(answer.body, "");
            assert_ne!(answer.header("content-length"), Some("0"));
        }
        let allowed = (status == 405).then_some("GET, HEAD");
        assert_eq!(answer.header("allow"), allowed);
    }
    server.ends_well();
}

#[test]
fn a_crowd_of_silent_readers_keeps_neither_a_scrape_nor_a_client_waiting() {
    let (env, server) = monitored("");
    let silent: Vec<TcpStream> = (0..2 * HTTP_CONNECTIONS_MAX)
        .map(|_| connect(&server))
        .collect();
    let mut half = connect(&server);
    half.write_all(b"GET /metrics HT")
        .expect("the server reads");
    for _ in 0..3 {
        let answer = get(&server, "/metrics", "");
        assert_eq!(answer.status, 200);
        env.client(&server, "-m hello").ok();
    }
    // The oldest were closed to make room.
    for mut stream in silent.into_iter().take(HTTP_CONNECTIONS_MAX) {
        match stream.read(&mut [0]) {
            Ok(length) => assert_eq!(length, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    server.ends_well();
}

#[test]
fn a_reader_that_never_asks_is_told_so_and_let_go() {
    let (_env, server) = monitored("");
    let answer = ask(connect(&server), b"GET /metrics HTTP/1.1\r\nHost:");
    assert_eq!(answer.status, 408);
    server.ends_well();
}

#[test]
fn a_busy_port_for_metrics_is_said_before_anybody_is_let_in() {
    let env = TestEnv::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = taken.local_addr().expect("it is bound");
    let server = format!("server --listen localhost:0 --metrics {address}");
    let done = env.qecho(server).run();
    let hint = "has this port; choose another by --metrics PORT, or 0 for any";
    let reason = format!("cannot serve metrics on {address}: ");
    done.fails(2, &reason, Some(hint)).complains("in use");
    assert_eq!(done.stdout, "");
    for (place, said) in [
        ("example.com:1", "write for instance 9433 or 127.0.0.1:9433"),
        (":7", "no address is named"),
        ("1.2.3.4:x", "--metrics"),
        ("99999", "`99999` is no port number (0 to 65535)"),
        ("nan", "`nan` is no port number (0 to 65535)"),
        ("http://localhost:9433", "write ADDRESS:PORT"),
    ] {
        let done = env.qecho(format!("server --metrics {place}")).run();
        done.exits(2).complains("--metrics").complains(said);
    }
    let done = env.qecho("server --listen localhost:0 --metrics 192.0.2.1:9");
    let reason = "cannot serve metrics on 192.0.2.1:9: ";
    done.run().fails(2, reason, Some("--metrics '*:PORT'"));
}

#[test]
fn a_server_that_wants_a_port_twice_itself_says_so() {
    let env = TestEnv::new();
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let place = free.expect("there is a free port");
    let typed = format!("server --listen {place} --also tls --metrics {place}");
    let done = env.qecho(typed).run();
    done.exits(2)
        .complains("this server itself wants the port twice");
}

#[test]
fn metrics_are_for_this_host_unless_an_address_is_named() {
    let (env, server) = monitored("");
    let addresses = &server.listening["metrics"];
    assert_contains(&addresses[0], "127.0.0.1:");
    server.ends_well();
    let server = env.server("--metrics *:0");
    assert_contains(&server.listening["metrics"][0], "0.0.0.0:");
    server.ends_well();
    let (server, _) = env.text_server("--metrics *:0");
    let line = server.stdout.line_with("metrics");
    assert!(
        line.ends_with("/metrics; anyone who reaches it can read them"),
        "{line}"
    );
    let server = env.server("");
    assert!(
        server.listening.get("metrics").is_none(),
        "nobody has asked for them"
    );
    server.ends_well();
    let (server, _) = env.text_server("--metrics 0");
    let line = server.stdout.line_with("metrics");
    assert!(
        line.starts_with("  metrics      http://127.0.0.1:"),
        "{line}"
    );
}
