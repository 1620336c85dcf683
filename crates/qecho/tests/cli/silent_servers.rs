//! Peers that let no handshake come about, each told apart by whoever dials them.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
};

use crate::env::{self, Server, TestEnv};

/// Time that a command has; the peer is asked for its versions when three quarters have passed.
const TIMEOUT: &str = "3s";

/// Checks what every command that dials says of an address.
#[track_caller]
fn is_told(env: &TestEnv, address: SocketAddr, reason: &str, hint: &str) {
    let reason = format!("no answer within 3 s ({address}): {reason}");
    for command in [
        "client ADDRESS -m a",
        "ping ADDRESS -n 1 --give-up",
        "bench ADDRESS -d 100ms",
        "conform ADDRESS",
        "cert show ADDRESS",
    ] {
        let command = command.replace("ADDRESS", &address.to_string());
        let done = env.qecho(format!("{command} --timeout {TIMEOUT}")).run();
        done.fails(1, &reason, Some(hint));
    }
    let ping = format!("ping {address} --over handshake -n 1 --timeout {TIMEOUT}");
    env.qecho(ping).run().exits(1).prints(&reason);
}

/// Starts a peer that answers each datagram as a function says.
fn responder(answer: fn(&[u8]) -> Option<Vec<u8>>) -> SocketAddr {
    let socket = env::socket();
    let address = env::address(&socket);
    thread::spawn(move || {
        let mut buffer = [0; 2_000];
        // Until nothing has come for longer than a test takes.
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = answer(&buffer[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}

/// Starts a middle between clients and a server; what comes back goes by `back`.
fn middle(
    server: &Server,
    mut back: impl FnMut(&UdpSocket, &[u8], SocketAddr) + Send + 'static,
) -> SocketAddr {
    let (front, behind) = (env::socket(), env::socket());
    let address = env::address(&front);
    behind.connect(server.place()).expect("loopback has ports");
    behind.set_nonblocking(true).expect("a socket can be so");
    let poll = std::time::Duration::from_millis(5);
    front
        .set_read_timeout(Some(poll))
        .expect("it has a timeout");
    thread::spawn(move || {
        let mut buffer = [0; 2_000];
        let mut client = None;
        // The test ends it with the process.
        loop {
            if let Ok((length, from)) = front.recv_from(&mut buffer) {
                client = Some(from);
                let _ = behind.send(&buffer[..length]);
            }
            while let (Ok(length), Some(to)) = (behind.recv(&mut buffer), client) {
                back(&front, &buffer[..length], to);
            }
        }
    });
    address
}

#[test]
fn a_service_that_is_not_quic_is_called_so() {
    let env = TestEnv::new();
    let reason = "something answers that is not QUIC";
    for answer in [
        (|_| Some(b"What?\r\n".to_vec())) as fn(&[u8]) -> Option<Vec<u8>>,
        |request| Some(request.to_vec()),
        |_| Some(vec![0xff; 1_200]),
    ] {
        is_told(&env, responder(answer), reason, "the right UDP port");
    }
}

/// Answers packets of other versions than 1 with Version Negotiation for version 1
/// (RFC 9000 §17.2.1).
fn negotiate(packet: &[u8]) -> Option<Vec<u8>> {
    if packet.get(1..5)? == [0, 0, 0, 1] {
        return None;
    }
    let destination = usize::from(*packet.get(5)?);
    let source = usize::from(*packet.get(6 + destination)?);
    let (destination, source) = (
        packet.get(5..6 + destination)?,
        packet.get(6 + destination..7 + destination + source)?,
    );
    Some([&[0x80, 0, 0, 0, 0], source, destination, &[0, 0, 0, 1]].concat())
}

#[test]
fn a_server_that_ignores_this_client_is_told_from_none() {
    let env = TestEnv::new();
    let reason = "a QUIC server is there but does not answer this client";
    is_told(&env, responder(negotiate), reason, "--alpn NAME");
    // One that lists the client's version in answer to every packet.
    let negotiates_always: fn(&[u8]) -> Option<Vec<u8>> = |packet| {
        let mut packet = packet.to_vec();
        packet.get_mut(1..5)?.fill(0xff);
        negotiate(&packet)
    };
    is_told(&env, responder(negotiates_always), reason, "--alpn NAME");
}

#[test]
fn answers_from_another_address_are_told_with_it() {
    let (env, server) = TestEnv::with_server("");
    let elsewhere = env::socket();
    let reason = format!("answers came from {} instead", env::address(&elsewhere));
    let address = middle(&server, move |_, answer, to| {
        let _ = elsewhere.send_to(answer, to);
    });
    is_told(&env, address, &reason, "connect to 127.0.0.1:");
}

#[test]
fn a_server_whose_later_packets_are_lost_began_to_answer() {
    let (env, server) = TestEnv::with_server("");
    let address = middle(&server, |front, answer, to| {
        // Its Initial packet comes before any other in a datagram, and fits.
        let _ = front.send_to(&answer[..answer.len().min(300)], to);
    });
    let reason = "the server began to answer and fell silent (large packets may be lost)";
    is_told(&env, address, reason, "1,200 bytes");
}
