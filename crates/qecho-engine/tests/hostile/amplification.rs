//! The bytes that a server sends to addresses at which nobody has proved to receive: three
//! times what came from there, to the byte (RFC 9000 §8, §9.3).

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use qecho_engine::{
    Output, Received, ServerTls, Shard,
    config::{AdmissionSettings, RetryPolicy, ShardConfig, Transport},
};
use qecho_netsim::simulation::NEAR;
use qecho_testkit::{
    identity::Identity,
    initial::{client_hello, initial},
};
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{
    attack::{Attack, Server},
    frames::Frames,
};

/// A chain of many certificates.
#[derive(Debug)]
struct Repeated(Arc<dyn ResolvesServerCert>);

impl ResolvesServerCert for Repeated {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut key = CertifiedKey::clone(&*self.0.resolve(hello)?);
        key.cert = vec![key.cert[0].clone(); 30];
        Some(Arc::new(key))
    }
}

/// Makes a server that has more to say than a client's first flight allows.
fn talkative_server(retry: RetryPolicy) -> Shard<Server> {
    let tls = Identity::generate().server(&[b"echo"]);
    let tls = ServerTls::new(Arc::new(Repeated(tls.identity)), tls.alpn);
    let admission = AdmissionSettings::default().with_retry(retry);
    let config = ShardConfig::server(Transport::default(), tls);
    Server::deaf().shard(config.with_admission(admission))
}

/// Lets minutes pass after a flight from an address; returns what the server sent there.
#[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
fn answer(server: &mut Shard<Server>, flight: &[Vec<u8>]) -> usize {
    let mut now = Instant::now();
    let mut sent = 0;
    let mut turn = |server: &mut Shard<Server>, now| {
        server.handle_timeouts(now);
        while let Output::Datagram(datagram) = server.poll_output(now) {
            assert_eq!(datagram.destination, NEAR);
            sent += datagram.contents.len();
        }
    };
    for datagram in flight {
        let received = Received::from_remote(NEAR, datagram);
        server.handle_datagram(now, received);
        turn(server, now);
    }
    for _ in 0..3_000 {
        now += Duration::from_millis(100);
        turn(server, now);
    }
    sent
}

#[test]
fn a_first_flight_that_falls_silent_is_answered_by_three_times_its_bytes_at_most() {
    let hello = Frames::default().crypto(0, &client_hello(&[b"echo"]));
    let hello = hello.into_packet();
    let one = |size| vec![initial([7; 8], 0, &hello, size)];
    let flights = [
        one(1_200),
        one(1_201),
        one(1_250),
        one(1_300),
        one(1_500),
        one(2_400),
        vec![one(1_200).remove(0), initial([7; 8], 1, &[1], 1_200)],
        vec![
            one(1_200).remove(0),
            vec![0x40; 21],
            initial([7; 8], 1, &[1], 1_255),
        ],
    ];
    for retry in [RetryPolicy::Auto, RetryPolicy::Always] {
        for flight in &flights {
            let came: usize = flight.iter().map(Vec::len).sum();
            let went = answer(&mut talkative_server(retry), flight);
            assert!(
                went > 0 && went <= 3 * came,
                "{came} bytes came, {went} went"
            );
            // What may be sent is used: less than a datagram is left.
            let unused = 3 * came - went;
            assert!(
                retry == RetryPolicy::Always || unused < 1_200,
                "{came}: {unused}"
            );
        }
    }
}

#[test]
fn a_first_flight_that_is_refused_is_answered_by_less_than_it_is() {
    for frames in [
        // No ALPN of the server's, an unknown frame, no ClientHello.
        Frames::default().crypto(0, &client_hello(&[b"other"])),
        Frames::default().bytes(&[0x3f]),
        Frames::default().crypto(0, b"GET / HTTP/1.1"),
    ] {
        let flight = [initial([7; 8], 0, &frames.into_packet(), 1_200)];
        let went = answer(&mut talkative_server(RetryPolicy::Auto), &flight);
        assert!(went <= 1_200, "{went} bytes");
    }
}

fn elsewhere(number: u16) -> SocketAddr {
    ([203, 0, 113, 7], 1_000 + number).into()
}

#[test]
fn a_small_packet_from_a_forged_address_brings_three_times_its_bytes_there_at_most() {
    let mut attack = Attack::on(Server::parrot());
    attack.run(500);
    for number in 0..6 {
        attack.attacker.address = elsewhere(number);
        attack.attacker.connection.ping();
        attack.turn();
        let came = attack.last_sent();
        // Nobody is there who could answer.
        attack.deaf = true;
        attack.run(2);
        attack.attacker.address = NEAR;
        for _ in 0..40 {
            attack.wait(Duration::from_millis(500));
        }
        attack.deaf = false;
        attack.attacker.connection.ping();
        attack.run(500);
        let went = attack.sent_to(elsewhere(number));
        assert!(went <= 3 * came, "{came} bytes came, {went} went");
        // Who never answers is not challenged for ever.
        assert!(went > 0 || number > 0, "the first is challenged");
    }
}

#[test]
fn a_client_that_has_moved_is_challenged_with_1200_bytes_where_that_is_allowed() {
    let mut attack = Attack::on(Server::deaf());
    attack.run(500);
    for (number, length) in [(1, 30), (2, 700)] {
        attack.attacker.address = elsewhere(number);
        let data = vec![b'x'; length];
        attack.send([Frames::default().datagram(&data).into_packet()]);
        let mut sent = attack.sent.iter();
        let first = sent.find(|(to, _)| *to == attack.attacker.address);
        let (_, first) = first.expect("one");
        let full = length * 3 > 1_200;
        assert_eq!(first.len() == 1_200, full, "{length}: {}", first.len());
        attack.run(300);
    }
    let closed = &attack.victim.application().closed;
    assert_eq!(closed.len(), 0, "{closed:?}");
}

#[test]
fn with_data_under_way_a_forged_address_gets_one_datagram_and_no_more() {
    let mut attack = Attack::on(Server::parrot());
    attack.run(500);
    let connection = &mut attack.attacker.connection;
    let id = connection.streams().open(quinn_proto::Dir::Bi);
    let mut stream = connection.send_stream(id.expect("it is allowed"));
    let written = stream.write_chunks(&mut [vec![b'x'; 200_000].into()]);
    assert_eq!(written.expect("there is room").bytes, 200_000);
    attack.run(20);
    attack.deaf = true;
    attack.attacker.address = elsewhere(9);
    attack.attacker.connection.ping();
    attack.turn();
    attack.run(2);
    attack.attacker.address = NEAR;
    attack.run(3_000);
    let went = attack.sent.iter().filter(|(to, _)| *to == elsewhere(9));
    let went: Vec<usize> = went.map(|(_, data)| data.len()).collect();
    assert!(went.len() <= 1, "{went:?}");
    assert!(
        attack.victim.application().bytes > 0,
        "something was echoed"
    );
}
