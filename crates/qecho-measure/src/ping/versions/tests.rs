//! Requests for versions, and the answers that count.

use std::{
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use qecho_echo::dial::Target;
use qecho_packet::wire::Protected;
use qecho_testkit::identity::Identity;

use qecho_packet::wire::PacketType;

use super::*;
use crate::ping::Mode;

const SECOND: Duration = Duration::from_secs(1);

/// A ping of one host, and its events.
struct HostPing {
    ping: VersionPing,
    now: Instant,
    events: Receiver<PingEvent>,
}

fn address(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 443).into()
}

impl HostPing {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's time begins somewhere; from here on it is an argument"
    )]
    fn begin(addresses: &[SocketAddr], count: u64) -> Self {
        let target = Target {
            server_name: "test".into(),
            addresses: addresses.to_vec(),
        };
        let verifier = Identity::generate().verifier();
        let config = Config {
            mode: Mode::VersionNegotiation,
            count: Some(count),
            ..Config::new(vec![Destination { target, verifier }])
        };
        let (tell, events) = channel();
        let sink = move |_, event| tell.send(event).expect("the test receives");
        let own: SocketAddr = ([0, 0, 0, 0], 5).into();
        let mut ping = VersionPing::new(&config, &[own], 7, Box::new(sink));
        let now = Instant::now();
        ping.handle_timeouts(now);
        Self { ping, now, events }
    }

    /// Takes the only datagram that is to be sent.
    fn request(&mut self) -> (SocketAddr, Vec<u8>) {
        let Some(ForwarderOutput::Send(datagram)) = self.ping.poll_output() else {
            panic!("there is a request");
        };
        assert!(self.ping.poll_output().is_none());
        (datagram.destination, datagram.contents)
    }

    /// Lets a second pass, in as many turns as are due.
    fn wait(&mut self) {
        let end = self.now + SECOND;
        while let Some(due) = self.ping.deadline().filter(|due| *due <= end) {
            self.now = due;
            self.ping.handle_timeouts(due);
        }
        self.now = end;
    }

    fn receive(&mut self, from: SocketAddr, data: &[u8]) {
        let received = Received::from_remote(from, data);
        self.ping.handle_datagram(self.now, received);
    }

    fn events(&self) -> Vec<PingEvent> {
        self.events.try_iter().collect()
    }
}

/// Makes a server's answer, as RFC 9000 §17.2.1 has it.
fn answer(request: &[u8], versions: &[u32]) -> Vec<u8> {
    let Protected { header, .. } = packets(request, 0)
        .next()
        .expect("it is a packet")
        .expect("it is well-formed");
    let mut answer = vec![0x80, 0, 0, 0, 0];
    let source = header.source.expect("a long header has one");
    for id in [&source[..], &header.destination[..]] {
        answer.push(id.len() as u8);
        answer.extend(id);
    }
    answer.extend(versions.iter().flat_map(|version| version.to_be_bytes()));
    answer
}

#[test]
fn a_request_is_a_datagram_that_has_to_be_answered() {
    let (destination, request) = HostPing::begin(&[address(1)], 1).request();
    assert_eq!(destination, address(1));
    assert_eq!(request.len(), 1_200);
    let packet = packets(&request, 0).next().expect("a packet");
    let header = packet.expect("well-formed").header;
    assert_eq!(header.packet_type, PacketType::Unknown);
    let version = header.version.expect("a long header has one");
    assert_eq!(version & 0x0f0f_0f0f, 0x0a0a_0a0a);
    assert!(header.destination.len() >= 8);
}

#[test]
fn the_versions_of_the_answer_are_told_with_its_time() {
    let mut ping = HostPing::begin(&[address(1)], 1);
    let (_, request) = ping.request();
    ping.wait();
    let answer = answer(&request, &[1, 0x6b33_43cf]);
    ping.receive(address(1), &answer);
    let [PingEvent::Reply(reply), PingEvent::Ended(report)] = &ping.events()[..] else {
        panic!("a reply and the end");
    };
    assert_eq!((reply.sequence, reply.time), (1, SECOND));
    let expected = ReplyKind::Versions {
        versions: vec![1, 0x6b33_43cf],
        bytes: answer.len(),
    };
    assert_eq!(reply.kind, expected);
    assert_eq!(report.counts.received, 1);
    assert!(ping.ping.is_finished());
}

#[test]
fn what_is_no_answer_to_this_request_is_not_heard() {
    let mut ping = HostPing::begin(&[address(1)], 1);
    let (_, request) = ping.request();
    let good = answer(&request, &[1]);
    ping.receive(address(2), &good);
    ping.receive(address(1), &request);
    for place in [6, 22, 23, 38] {
        let mut bad = good.clone();
        bad[place] ^= 1;
        ping.receive(address(1), &bad);
    }
    for length in 0..good.len() {
        ping.receive(address(1), &good[..length.min(38)]);
    }
    assert!(ping.events().is_empty());
    ping.receive(address(1), &good);
    assert_eq!(ping.events().len(), 2);
}

#[test]
fn another_address_is_asked_when_nobody_listens_at_the_first() {
    let mut ping = HostPing::begin(&[address(1), address(2)], 2);
    assert_eq!(ping.request().0, address(1));
    let refused = io::ErrorKind::ConnectionRefused.into();
    let host = SocketAddr::new(address(1).ip(), 0);
    ping.ping.handle_unreachable(ping.now, host, &refused);
    let (destination, request) = ping.request();
    assert_eq!(destination, address(2));
    ping.receive(address(2), &answer(&request, &[1]));
    assert!(matches!(ping.events()[..], [PingEvent::Reply(_)]));
    // That one stays, whatever happens to it.
    ping.wait();
    ping.ping.handle_timeouts(ping.now);
    assert_eq!(ping.request().0, address(2));
    let host = SocketAddr::new(address(2).ip(), 0);
    ping.ping.handle_unreachable(ping.now, host, &refused);
    let [PingEvent::Lost(lost), PingEvent::Ended(_)] = &ping.events()[..] else {
        panic!("a loss and the end");
    };
    let reason = lost.reason.as_deref();
    assert_eq!(reason, Some("nobody listens there (192.0.2.2:443)"));
}

#[test]
fn a_request_that_cannot_be_sent_is_lost_at_once_and_says_why() {
    let mut ping = HostPing::begin(&[address(1), address(2)], 2);
    let unreachable = io::ErrorKind::NetworkUnreachable.into();
    let fail = |ping: &mut HostPing, to| {
        let (destination, contents) = ping.request();
        assert_eq!(destination, to);
        let datagram = Datagram::new(0, destination, contents);
        ping.ping.handle_unsent(ping.now, &datagram, &unreachable);
    };
    fail(&mut ping, address(1));
    assert!(ping.events().is_empty(), "there is another address");
    fail(&mut ping, address(2));
    ping.wait();
    ping.ping.handle_timeouts(ping.now);
    fail(&mut ping, address(2));
    let [first, second, PingEvent::Ended(report)] = &ping.events()[..] else {
        panic!("two losses and the end");
    };
    for (event, sequence) in [(first, 1), (second, 2)] {
        let PingEvent::Lost(lost) = event else {
            panic!("a loss: {event:?}");
        };
        let reason = "the network is unreachable (192.0.2.2:443)".to_owned();
        assert_eq!((lost.sequence, &lost.reason), (sequence, &Some(reason)));
    }
    assert_eq!((report.counts.sent, report.counts.lost), (2, 2));
    assert!(ping.ping.is_finished());
}

#[test]
fn an_address_is_left_once_this_machine_refuses_to_send_there_twice_in_a_row() {
    let mut ping = HostPing::begin(&[address(1), address(2)], 4);
    let fail = |ping: &mut HostPing| {
        let (destination, contents) = ping.request();
        let datagram = Datagram::new(0, destination, contents);
        let refused = io::ErrorKind::PermissionDenied.into();
        ping.ping.handle_unsent(ping.now, &datagram, &refused);
        destination
    };
    assert_eq!(fail(&mut ping), address(1));
    assert!(matches!(ping.events()[..], [PingEvent::Lost(_)]));
    ping.wait();
    ping.ping.handle_timeouts(ping.now);
    assert_eq!(fail(&mut ping), address(1));
    assert!(ping.events().is_empty(), "there is another address");
    assert_eq!(ping.request().0, address(2));
}

#[test]
fn silence_is_a_loss_each_time() {
    let mut ping = HostPing::begin(&[address(1)], 2);
    ping.request();
    while let Some(due) = ping.ping.deadline() {
        ping.now = due;
        ping.ping.handle_timeouts(due);
    }
    let events = ping.events();
    let [
        PingEvent::Lost(_),
        PingEvent::Lost(_),
        PingEvent::Ended(report),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((report.counts.sent, report.counts.lost), (2, 2));
    assert!(ping.ping.is_finished());
}

#[test]
fn a_pause_leaves_out_the_request_under_way_although_its_answer_was_received() {
    let mut ping = HostPing::begin(&[address(1)], 2);
    let (_, request) = ping.request();
    ping.now += 10 * SECOND;
    ping.receive(address(1), &answer(&request, &[1]));
    ping.ping.handle_timeouts(ping.now);
    let [PingEvent::Paused { pause, left_out: 1 }] = ping.events()[..] else {
        panic!("a pause alone");
    };
    assert_eq!(pause, 10 * SECOND);
    let (_, request) = ping.request();
    ping.receive(address(1), &answer(&request, &[1]));
    let [PingEvent::Reply(reply), PingEvent::Ended(report)] = &ping.events()[..] else {
        panic!("a reply and the end");
    };
    assert_eq!((reply.sequence, reply.time), (2, Duration::ZERO));
    let counts = report.counts;
    assert_eq!((counts.received, counts.left_out, counts.lost), (1, 1, 0));
}
