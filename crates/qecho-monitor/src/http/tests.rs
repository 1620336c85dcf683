//! Requests whose answers stand still, or panic.

use std::sync::{Mutex, mpsc};

use super::*;
use crate::testing::{self, Gate};

fn address(monitor: &Monitor) -> std::net::SocketAddr {
    let sockets = MonitorSockets::bind(qecho_io::Listen::Loopback { port: 0 });
    let sockets = sockets.expect("there is a free port");
    let address = sockets.addresses()[0];
    monitor.serve(sockets).expect("there is a thread");
    address
}

fn ask(address: std::net::SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let patience = Some(testing::LIMIT);
    stream.set_read_timeout(patience).expect("it has a timeout");
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .expect("the server reads");
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it ends in time");
    text
}

#[test]
fn a_request_that_is_being_answered_keeps_its_place_whoever_comes() {
    let (server, gate) = (testing::server(1), Arc::new(Gate::default()));
    let (entered, entering) = mpsc::channel();
    let (entered, held) = (Mutex::new(entered), gate.clone());
    let monitor = Monitor::new(&server, crate::Limits::default(), move || {
        let entered = entered.lock().expect("nobody panics");
        entered.send(()).expect("the test waits");
        drop(entered);
        held.wait();
        0
    });
    let address = address(&monitor);
    let mut asking = Vec::new();
    for _ in 0..HTTP_CONNECTIONS_MAX {
        asking.push(ask(address, "/metrics"));
        entering.recv_timeout(testing::LIMIT).expect("it is read");
    }
    // It is closed at once.
    let mut refused = TcpStream::connect(address).expect("it listens");
    let patience = Some(testing::LIMIT);
    refused
        .set_read_timeout(patience)
        .expect("it has a timeout");
    assert_eq!(refused.read(&mut [0]).expect("it is closed"), 0);
    gate.open();
    for stream in asking {
        assert!(answer(stream).starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn answers_that_panic_give_their_places_back() {
    let server = testing::server(1);
    let monitor = Monitor::new(&server, crate::Limits::default(), || {
        panic!("an embedder's mistake")
    });
    let address = address(&monitor);
    for _ in 0..2 * HTTP_CONNECTIONS_MAX {
        assert_eq!(answer(ask(address, "/metrics")), "");
    }
    assert!(answer(ask(address, "/healthz")).ends_with("\r\n\r\nok\n"));
}
