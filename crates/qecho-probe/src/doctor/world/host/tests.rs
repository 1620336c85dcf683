//! The real world on loopback, and in networks of its own.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::{Mutex, PoisonError},
    thread,
};

use qecho_cert::{Pin, TrustSettings};
use qecho_packet::{DatagramObserver, ObservedDatagram};
use qecho_peer::network::{Ecn, PathId};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs, pki_types::PrivateKeyDer,
};

use super::*;
use crate::doctor::world::Unreachable;

const PATIENCE: Duration = Duration::from_secs(20);
const PATH: PathId = PathId(0);

fn world() -> HostWorld {
    HostWorld::new(Arc::default())
}

fn bind() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
    let address = socket.local_addr().expect("it is bound");
    (socket, address)
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Waits until something is noted; returns all of it.
fn noted(network: &mut dyn Network, notes: &Notes) -> Vec<Told> {
    let until = network.now() + PATIENCE;
    while notes.all().is_empty() && network.now() < until {
        let look = network.now() + Duration::from_millis(10);
        network.receive(look);
    }
    notes.all().into_iter().map(|note| note.what).collect()
}

#[test]
fn a_port_at_which_nobody_listens_is_noted_and_not_waited_for() {
    let mut world = world();
    let (socket, address) = bind();
    drop(socket);
    let (mut network, notes) = world.network(address).expect("loopback has ports");
    network.send(PATH, b"anybody?", Ecn::NotEct);
    // An hour would be noticed.
    let until = network.now() + Duration::from_secs(3_600);
    assert_eq!(network.receive(until), None);
    let expected = Told::Unreachable {
        from: Some(address.ip()),
        why: Unreachable::Port,
    };
    let notes = notes.all();
    assert_eq!(notes[0].what, expected);
    assert!(notes[0].at < until && network.now() >= until);
    assert!(world.now() >= until, "the world lives at the same time");
    let (other, _) = world.network(address).expect("loopback has ports");
    assert!(other.now() >= until);
}

/// Keeps the other end's address of each datagram.
struct Onlooker(Arc<Mutex<Vec<SocketAddr>>>);

impl DatagramObserver for Onlooker {
    fn see(&mut self, datagram: &ObservedDatagram<'_>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(datagram.remote);
    }

    fn flush(&mut self) {}
}

#[test]
fn what_comes_from_another_address_is_noted_and_all_is_observed() {
    let mut world = world();
    let seen = Arc::new(Mutex::new(Vec::new()));
    *world.observer().lock().unwrap() = Some(Box::new(Onlooker(Arc::clone(&seen))));
    let ((peer, address), (stranger, elsewhere)) = (bind(), bind());
    let (mut network, notes) = world.network(address).expect("loopback has ports");
    network.send(PATH, b"hello", Ecn::Ect0);
    let (length, from) = peer.recv_from(&mut [0; 100]).expect("it comes");
    assert_eq!(length, 5);
    stranger
        .send_to(b"from elsewhere", from)
        .expect("it leaves");
    let expected = Told::Foreign {
        from: elsewhere,
        contents: b"from elsewhere".to_vec(),
    };
    assert_eq!(noted(&mut *network, &notes), [expected]);
    peer.send_to(b"answer", from).expect("it leaves");
    let answer = network.receive(network.now() + PATIENCE).expect("it comes");
    assert_eq!(answer.datagram, b"answer");
    assert_eq!(notes.all().len(), 1);
    assert_eq!(*seen.lock().unwrap(), [address, elsewhere, address]);
}

#[test]
fn tcp_is_open_or_refused() {
    let mut world = world();
    let (listener, address) = listener();
    assert_eq!(world.tcp(address, PATIENCE), TcpAnswer::Open);
    drop(listener);
    assert_eq!(world.tcp(address, PATIENCE), TcpAnswer::Refused);
}

#[test]
fn this_host_tells_what_it_can_do() {
    let mut world = world();
    let machine = world.machine().expect("there are sockets");
    assert!(machine.receive_buffer_bytes > 0 && machine.gso_segments > 0);
    let route = world.route((Ipv4Addr::LOCALHOST, 443).into());
    let route = route.expect("there is loopback");
    assert_eq!(route.source, Ipv4Addr::LOCALHOST);
    if cfg!(target_os = "linux") {
        assert_eq!(route.mtu, Some(65_535));
        assert!(world.dropped().is_some());
    }
}

/// Web server for one connection, and the judge who trusts it.
fn web_server(answer: &'static [u8]) -> (SocketAddr, Arc<TrustVerifier>) {
    let names = ["localhost".to_owned()];
    let identity = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let certificate = identity.cert.der().clone();
    let pin = Pin::of_certificate(&certificate).expect("it has a key");
    let verifier = TrustVerifier::new(TrustSettings::default().with_pin(pin)).expect("a pin");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("it is there")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they fit");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let (listener, address) = listener();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("it comes");
        let tls = ServerConnection::new(Arc::new(config)).expect("it is complete");
        let mut stream = StreamOwned::new(tls, stream);
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut bytes = [0; 500];
            match stream.read(&mut bytes) {
                Ok(length) if length > 0 => request.extend(&bytes[..length]),
                // A client that does not trust it.
                _ => return,
            }
        }
        assert!(request.starts_with(b"HEAD / HTTP/1.1\r\n"));
        stream.write_all(answer).expect("it leaves");
        stream.conn.send_close_notify();
        stream.flush().expect("it leaves");
    });
    (address, verifier)
}

#[test]
fn a_web_server_says_what_it_announces() {
    let fields = b"HTTP/1.1 200 OK\r\nAlt-Svc: h3=\":443\"\r\nServer: s\r\n\r\n";
    for (answer, expected) in [
        (&fields[..], &["h3=\":443\""][..]),
        (&b"HTTP/1.1 404 Not Found\r\n\r\n"[..], &[][..]),
    ] {
        let (address, verifier) = web_server(answer);
        let mut world = world().with_verifier(verifier);
        let values = world.alternative_services(address, "localhost", PATIENCE);
        assert_eq!(values.expect("it is asked"), expected);
    }
}

#[test]
fn a_web_server_that_cannot_be_asked_is_an_error_in_words() {
    let ask = |address, verifier, name, patience| {
        let mut world = world().with_verifier(verifier);
        let values = world.alternative_services(address, name, patience);
        values.expect_err("it cannot be asked").to_string()
    };
    let answer = b"HTTP/1.1 200 OK\r\n\r\n";
    let (address, _) = web_server(answer);
    let (_, stranger) = web_server(answer);
    let words = ask(address, Arc::clone(&stranger), "localhost", PATIENCE);
    assert!(
        words.starts_with("the server's key has pin sha256:"),
        "{words}"
    );
    let (address, verifier) = web_server(b"220 mail.example.com ESMTP\r\n");
    let words = ask(address, verifier, "localhost", PATIENCE);
    assert!(words.contains("not HTTP"), "{words}");
    let (address, verifier) = web_server(b"HTTP/1.1 200 OK\r\n");
    let words = ask(address, verifier, "localhost", PATIENCE);
    assert!(words.contains("ends before"), "{words}");
    // The record of a fatal alert protocol_version (RFC 8446 §6), and no TLS at all.
    for (said, expected) in [
        (
            &[21, 3, 3, 0, 2, 2, 70][..],
            "it takes no TLS 1.3 from here",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it does not speak TLS"),
    ] {
        let (listener, address) = listener();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("it comes");
            let _ = stream.read(&mut [0; 2_000]).expect("it says something");
            stream.write_all(said).expect("it leaves");
        });
        let words = ask(address, Arc::clone(&stranger), "localhost", PATIENCE);
        assert_eq!(words, expected);
    }
    let (_listener, address) = listener();
    let patience = Duration::from_millis(50);
    let words = ask(address, stranger, "localhost", patience);
    assert!(words.contains("timed out"), "{words}");
    let unjudged = world().alternative_services(address, "localhost", PATIENCE);
    assert!(unjudged.is_err());
}

#[cfg(target_os = "linux")]
mod namespaces;
