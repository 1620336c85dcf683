//! Who is asked what, and which answers count.

use std::{
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use bytes::BytesMut;
use qecho_echo::dial::Target;
use qecho_packet::wire::Protected;

use super::*;
use crate::ping::Mode;

const SECOND: Duration = Duration::from_secs(1);

/// A ping of one host, and what it tells.
struct Asking {
    ping: VersionPing,
    now: Instant,
    events: Receiver<PingEvent>,
}

#[derive(Debug)]
struct Nobody;

impl rustls::client::danger::ServerCertVerifier for Nobody {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Err(rustls::Error::General("nobody is trusted".into()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("nobody is trusted".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("nobody is trusted".into()))
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        Vec::new()
    }
}

fn address(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 443).into()
}

impl Asking {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's time begins somewhere; from here on it is an argument"
    )]
    fn begin(addresses: &[SocketAddr], count: u64) -> Self {
        let target = Target {
            server_name: "test".into(),
            addresses: addresses.to_vec(),
        };
        let verifier = std::sync::Arc::new(Nobody);
        let config = Config {
            over: Mode::VersionNegotiation,
            count: Some(count),
            ..Config::new(vec![Destination { target, verifier }])
        };
        let (tell, events) = channel();
        let listener = move |event| tell.send(event).expect("the test listens");
        let own: SocketAddr = ([0, 0, 0, 0], 5).into();
        let mut ping = VersionPing::new(&config, &[own], 7, Box::new(listener));
        let now = Instant::now();
        ping.handle_timeouts(now);
        Self { ping, now, events }
    }

    /// Takes the only datagram that is to be sent.
    fn question(&mut self) -> (SocketAddr, Vec<u8>) {
        let Some(ForwarderOutput::Send(datagram)) = self.ping.poll_output() else {
            panic!("there is a question");
        };
        assert!(self.ping.poll_output().is_none());
        (datagram.destination, datagram.contents)
    }

    fn hear(&mut self, from: SocketAddr, data: &[u8]) {
        let received = Received {
            binding: 0,
            remote: from,
            local_ip: None,
            ecn: 0,
            data: BytesMut::from(data),
        };
        self.ping.handle_datagram(self.now, received);
    }

    fn news(&self) -> Vec<HostEvent> {
        let events = self.events.try_iter();
        let news = events.filter_map(|event| match event {
            PingEvent::Host { news, .. } => Some(news),
            PingEvent::Finished => None,
        });
        news.collect()
    }
}

/// Makes a server's answer, as RFC 9000 §17.2.1 has it.
fn answer(question: &[u8], versions: &[u32]) -> Vec<u8> {
    let Protected { header, .. } = packets(question, 0)
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
fn a_question_is_a_datagram_that_has_to_be_answered() {
    let (destination, question) = Asking::begin(&[address(1)], 1).question();
    assert_eq!(destination, address(1));
    assert_eq!(question.len(), 1_200);
    let packet = packets(&question, 0).next().expect("a packet");
    let header = packet.expect("well-formed").header;
    assert_eq!(header.packet_type, PacketType::Unknown);
    let version = header.version.expect("a long header has one");
    assert_eq!(version & 0x0f0f_0f0f, 0x0a0a_0a0a);
    assert!(header.destination.len() >= 8);
}

#[test]
fn the_versions_of_the_answer_are_told_with_its_time() {
    let mut asking = Asking::begin(&[address(1)], 1);
    let (_, question) = asking.question();
    asking.now += SECOND;
    let answer = answer(&question, &[1, 0x6b33_43cf]);
    asking.hear(address(1), &answer);
    let [HostEvent::Reply(reply), HostEvent::Ended(report)] = &asking.news()[..] else {
        panic!("a reply and the end");
    };
    assert_eq!((reply.sequence, reply.time), (1, SECOND));
    let expected = Content::Versions {
        versions: vec![1, 0x6b33_43cf],
        bytes: answer.len(),
    };
    assert_eq!(reply.content, expected);
    assert_eq!(report.counts.received, 1);
    assert!(asking.ping.is_finished());
}

#[test]
fn what_is_no_answer_to_this_question_is_not_heard() {
    let mut asking = Asking::begin(&[address(1)], 1);
    let (_, question) = asking.question();
    let good = answer(&question, &[1]);
    asking.hear(address(2), &good);
    asking.hear(address(1), &question);
    for place in [6, 22, 23, 38] {
        let mut bad = good.clone();
        bad[place] ^= 1;
        asking.hear(address(1), &bad);
    }
    for length in 0..good.len() {
        asking.hear(address(1), &good[..length.min(38)]);
    }
    assert!(asking.news().is_empty());
    asking.hear(address(1), &good);
    assert_eq!(asking.news().len(), 2);
}

#[test]
fn another_address_is_asked_when_nobody_listens_at_the_first() {
    let mut asking = Asking::begin(&[address(1), address(2)], 2);
    assert_eq!(asking.question().0, address(1));
    let refused = io::ErrorKind::ConnectionRefused.into();
    let host = SocketAddr::new(address(1).ip(), 0);
    asking.ping.handle_unreachable(asking.now, host, &refused);
    let (destination, question) = asking.question();
    assert_eq!(destination, address(2));
    asking.hear(address(2), &answer(&question, &[1]));
    assert!(matches!(asking.news()[..], [HostEvent::Reply(_)]));
    // That one stays, whatever happens to it.
    asking.now += SECOND;
    asking.ping.handle_timeouts(asking.now);
    assert_eq!(asking.question().0, address(2));
    let host = SocketAddr::new(address(2).ip(), 0);
    asking.ping.handle_unreachable(asking.now, host, &refused);
    let [HostEvent::Lost(lost), HostEvent::Ended(_)] = &asking.news()[..] else {
        panic!("a loss and the end");
    };
    let reason = lost.reason.as_deref();
    assert_eq!(reason, Some("nobody listens there (192.0.2.2:443)"));
}

#[test]
fn silence_is_a_loss_each_time() {
    let mut asking = Asking::begin(&[address(1)], 2);
    asking.question();
    while let Some(due) = asking.ping.deadline() {
        asking.now = due;
        asking.ping.handle_timeouts(due);
    }
    let news = asking.news();
    let [
        HostEvent::Lost(_),
        HostEvent::Lost(_),
        HostEvent::Ended(report),
    ] = &news[..]
    else {
        panic!("{news:?}");
    };
    assert_eq!((report.counts.sent, report.counts.lost), (2, 2));
    assert!(asking.ping.is_finished());
}
