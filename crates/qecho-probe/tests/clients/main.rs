//! The repository's own client, on loopback, as a visitor of each requirement.

#![expect(clippy::unwrap_used, reason = "tests")]

mod by_name;

use std::{
    cell::RefCell,
    io,
    net::{SocketAddr, UdpSocket},
    rc::Rc,
    sync::{Arc, LazyLock, atomic::AtomicBool},
    time::Duration,
};

use qecho_echo::{
    ALPN_ECHO,
    client::{self, Client, Command, Message, Mode},
    dial::Target,
};
use qecho_io::{Listen, PortEvent, Ports};
use qecho_packet::wire::ConnectionId;
use qecho_peer::{
    endpoint::{Endpoint, ServerConfig},
    network::{Ecn, PathId},
    tls,
};
use qecho_probe::{
    conform::{ClientProber, ClientSubject, Level, Report, Runner, Selection, Side, Verdict},
    remote::client as client_config,
    visiting::VisitingClient,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
};

/// A certificate of the server, and its key.
static IDENTITY: LazyLock<rcgen::CertifiedKey<rcgen::KeyPair>> = LazyLock::new(|| {
    let names = [
        "localhost",
        "c12.localhost",
        "c135.localhost",
        "c135.one.localhost",
        "c135.two.localhost",
    ];
    let names = names.map(str::to_owned);
    rcgen::generate_simple_self_signed(names).unwrap()
});

/// Time for answers on a machine that has more to do.
const PATIENCE: Duration = Duration::from_secs(4);

/// Requirements of which the client makes no pass, and the reason.
const OTHERWISE: &[(&str, Verdict, &str)] = &[
    ("C11", Verdict::NotApplicable, NO_VERSION_INFORMATION),
    (
        "C21",
        Verdict::Note,
        "rustls refuses a CertificateRequest after the handshake with the alert of TLS \
         (unexpected_message), not with PROTOCOL_VIOLATION",
    ),
    (
        "C75",
        Verdict::NotApplicable,
        "the client takes DATAGRAM frames of any size",
    ),
    ("C101", Verdict::NotApplicable, NO_VERSION_INFORMATION),
    ("C102", Verdict::NotApplicable, NO_VERSION_INFORMATION),
    (
        "C103",
        Verdict::NotApplicable,
        "the client announces grease_quic_bit",
    ),
    (
        "C115",
        Verdict::NotApplicable,
        "the client's connection ID has some bytes",
    ),
    ("C139", Verdict::NotApplicable, NO_PREFERRED_ADDRESS),
    ("C140", Verdict::NotApplicable, NO_PREFERRED_ADDRESS),
    ("C141", Verdict::NotApplicable, NO_PREFERRED_ADDRESS),
    ("C142", Verdict::Fail, NO_PREFERRED_ADDRESS),
    ("C143", Verdict::NotApplicable, NO_SESSIONS),
    ("C144", Verdict::NotApplicable, NO_SESSIONS),
    ("C145", Verdict::NotApplicable, NO_SESSIONS),
    ("C146", Verdict::NotApplicable, NO_SESSIONS),
    ("C147", Verdict::NotApplicable, NO_SESSIONS),
];

const NO_VERSION_INFORMATION: &str = "the client sends no version_information (RFC 9368)";
const NO_SESSIONS: &str = "the client keeps no sessions for the next time";
const NO_PREFERRED_ADDRESS: &str = "quinn-proto goes to no preferred address";

fn server_config() -> ServerConfig {
    let chain = vec![IDENTITY.cert.der().clone()];
    let key = IDENTITY.signing_key.serialize_der();
    let mut tls = tls::ServerConfig::new(chain, &key, []).unwrap();
    tls.alpn = vec![ALPN_ECHO.to_vec()];
    ServerConfig::new(tls, 1)
}

fn verifier() -> Arc<dyn ServerCertVerifier> {
    let mut roots = RootCertStore::empty();
    roots.add(IDENTITY.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.build().unwrap()
}

/// Starts a client that connects, and waits for the echo of a message.
fn start(address: SocketAddr) -> Client {
    start_by_name("localhost", address)
}

/// The same, by a name.
fn start_by_name(name: &str, address: SocketAddr) -> Client {
    let target = Target {
        server_name: name.into(),
        addresses: vec![address],
    };
    let config = client::Config::new(target, verifier()).with_timeout(2 * PATIENCE);
    let client = Client::converse(&config, Box::new(|_| {})).unwrap();
    client.send(Command::Message(Message {
        data: "hello".into(),
        over: Mode::Stream,
    }));
    client
}

/// Waits so long at a port of loopback.
fn visited(patience: Duration) -> VisitingClient {
    bound("127.0.0.1:0", patience)
}

fn bound(place: &str, patience: Duration) -> VisitingClient {
    let place = Listen::Address(place.parse().unwrap());
    let stopped = Arc::new(AtomicBool::new(false));
    VisitingClient::bind(place, Arc::new(|_| server_config()), patience, stopped).unwrap()
}

/// Tries all requirements of clients on what comes.
fn tried(subject: VisitingClient) -> Report {
    let rows = Selection::new(Side::Client).rows().unwrap();
    let runner = Runner::new("a client").with_level(Level::Should);
    let mut target = ClientProber::new(subject);
    runner.run(&rows, &mut target, &mut |_| {}, &|| false)
}

#[test]
fn the_own_client_keeps_every_must_and_all_else_stands_here_with_its_reason() {
    let clients = Rc::new(RefCell::new(Vec::new()));
    let invited = Rc::clone(&clients);
    let subject = visited(PATIENCE).with_invitation(move |addresses: &[SocketAddr]| {
        invited.borrow_mut().push(start(addresses[0]));
        Ok(())
    });
    let report = tried(subject);
    for client in clients.take() {
        // One that was not answered ends by itself.
        client.send(Command::Finish);
    }
    assert_eq!(report.lost, None);
    let otherwise = report.rows.iter().filter_map(|row| {
        let (id, finding) = (row.requirement.id, &row.finding);
        let is_known = OTHERWISE
            .iter()
            .any(|(other, verdict, _)| (*other, *verdict) == (id, finding.verdict));
        let is_right = finding.verdict == Verdict::Pass || is_known;
        (!is_right).then(|| format!("{id} {}: {}", finding.verdict, finding.seen))
    });
    let otherwise: Vec<_> = otherwise.collect();
    assert!(otherwise.is_empty(), "{otherwise:#?}");
}

#[test]
fn a_client_that_never_comes_is_waited_for_once() {
    let report = tried(visited(Duration::from_millis(50)));
    assert_eq!(
        report.lost.as_deref(),
        Some("no client has come within 0.05 s")
    );
    let all = Selection::new(Side::Client).rows().unwrap().len();
    let mut rows = report.rows.iter();
    assert!(rows.all(|row| row.finding.verdict == Verdict::NotReached));
    assert_eq!(report.rows.len(), all);
}

#[test]
fn a_client_that_cannot_be_started_is_told_by_its_error() {
    let subject = visited(PATIENCE);
    let subject = subject.with_invitation(|_: &[SocketAddr]| Err(io::ErrorKind::NotFound.into()));
    assert_eq!(tried(subject).lost.as_deref(), Some("entity not found"));
}

/// The first datagram of a connection to this destination.
fn beginning(ports: &Ports, destination: u8) -> Vec<u8> {
    let mut config = client_config("localhost", Some(ALPN_ECHO), verifier()).unwrap();
    config.destination = ConnectionId::new(&[destination; 8]);
    config.seed = 7;
    let mut client = Endpoint::client(config, ports.now());
    client.transmit(ports.now()).unwrap().bytes
}

#[test]
fn what_remains_of_one_visit_is_no_other() {
    let mut subject = visited(PATIENCE);
    let mut ports = Ports::open(subject.addresses()[0]).unwrap();
    let mut visitors = Vec::new();
    for sent in [&[1][..], &[1, 2], &[2, 1, 3]] {
        for destination in sent {
            let datagram = beginning(&ports, *destination);
            ports.send(0, &datagram, 0).unwrap();
        }
        let mut visit = subject.network().unwrap();
        let until = visit.now() + PATIENCE;
        visitors.push(visit.receive(until).unwrap().datagram);
    }
    assert_eq!(visitors, [1, 2, 3].map(|it| beginning(&ports, it)));
}

#[test]
fn a_server_at_all_addresses_has_a_second_port_that_can_be_reached() {
    for place in ["127.0.0.1:0", "0.0.0.0:0"] {
        let mut subject = bound(place, PATIENCE);
        let port = subject.addresses()[0].port();
        let first = SocketAddr::from(([127, 0, 0, 1], port));
        let mut visitor = Ports::open(first).unwrap();
        let datagram = beginning(&visitor, 1);
        visitor.send(0, &datagram, 0).unwrap();
        let mut visit = subject.network().unwrap();
        let path = visit.open_path().unwrap();
        let second = visit.address(path).unwrap();
        assert!(
            second.ip().is_loopback() && second.port() != port,
            "{place}"
        );
        let mut ports = Ports::open(second).unwrap();
        ports.send(0, b"hello", 0).unwrap();
        let until = visit.now() + PATIENCE;
        let mut received = std::iter::from_fn(|| visit.receive(until));
        let hello = received.find(|received| received.path == path);
        assert_eq!(hello.unwrap().datagram, b"hello", "{place}");
        visit.send(path, b"there", Ecn::NotEct);
        let answer = ports.receive(ports.now() + PATIENCE).unwrap();
        assert!(matches!(
            answer,
            Some(PortEvent::Datagram { contents, .. }) if contents == b"there"
        ));
    }
}

#[test]
fn what_nobody_takes_of_one_port_ends_no_visit_at_the_other() {
    let mut subject = visited(PATIENCE);
    let first = subject.addresses()[0];
    let mut visitor = Ports::open(first).unwrap();
    let address = visitor.local(0).unwrap();
    let datagram = beginning(&visitor, 1);
    visitor.send(0, &datagram, 0).unwrap();
    let mut visit = subject.network().unwrap();
    assert_eq!(visit.receive(visit.now()).unwrap().datagram, datagram);
    let path = visit.open_path().unwrap();
    let second = visit.address(path).unwrap();
    // The system says by ICMP that nobody listens.
    drop(visitor);
    for path in [path, PathId(0)] {
        visit.send(path, b"anybody?", Ecn::NotEct);
    }
    let visitor = UdpSocket::bind(address).unwrap();
    for (place, words) in [(second, b"second"), (first, b"first.")] {
        visitor.send_to(words, place).unwrap();
        let received = visit.receive(visit.now() + PATIENCE).unwrap();
        assert_eq!(received.datagram, words);
    }
}
