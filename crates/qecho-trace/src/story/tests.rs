//! Stories, to the letter.

use qecho_packet::{
    CloseReason, Direction, Side,
    trace::{AnnotatedFrame, Event, RetransmissionOf},
    wire::{Frame, PacketType},
};

use super::{
    super::lines::samples::{self, ack, crypto, datagram, event, header, noted, packet, stream},
    *,
};

const PLAIN: Layout = Layout {
    colour: false,
    width: Some(80),
};

fn told(events: &[Event<'_>]) -> String {
    let mut story = StoryText::new(PLAIN);
    let mut out = Vec::new();
    for event in events {
        story.write(event, &mut out).expect("memory takes bytes");
    }
    String::from_utf8(out).expect("it is text")
}

#[test]
fn a_step_is_explained_when_it_is_first_taken() {
    let connection = samples::connection(Side::Client);
    let (initial, one_rtt) = (header(PacketType::Initial), header(PacketType::OneRtt));
    let hello = packet(&initial, 0, 1_200, vec![crypto(0, &["ClientHello"])]);
    let data = |number| packet(&one_rtt, number, 48, vec![stream(0, false)]);
    let events = [
        event(0, &connection, EventKind::Began),
        event(1, &connection, datagram(Direction::Sent, vec![hello])),
        event(2, &connection, datagram(Direction::Sent, vec![data(0)])),
        event(3, &connection, datagram(Direction::Sent, vec![data(1)])),
        event(4, &connection, EventKind::Closed(&CloseReason::Local)),
    ];
    assert_eq!(
        told(&events),
        "    0.000 • connection 1, original destination connection ID 8394c8f03e515708
            → sent by the client 192.0.2.1:50000, ← by the server 192.0.2.2:4433

  The client begins: an Initial packet carries TLS's ClientHello, and its
  datagram is filled to 1,200 bytes or more, so that the path proves wide enough
  and a forged address gains an attacker little (RFC 9000 §14.1, §8.1).
    0.001 → Initial 0    1,200 B  CRYPTO [0..4) ClientHello

  1-RTT packets are what the handshake was for: they have a short header and
  carry the application's data (RFC 9000 §17.3.1).
  The client sends on a bidirectional stream, which its first STREAM frame
  opens; the frame says where in the stream its bytes belong
  (RFC 9000 §2.1, §19.8).
    0.002 → 1-RTT 0         48 B  STREAM 0 [0..12)
    0.003 → 1-RTT 1         48 B  STREAM 0 [0..12)
    0.004 • closed by the client
"
    );
}

/// Returns what the story says of a packet with these frames, on lines of any length.
fn said(direction: Direction, packet_type: PacketType, frames: Vec<AnnotatedFrame<'_>>) -> String {
    let connection = samples::connection(Side::Client);
    let header = header(packet_type);
    let what = datagram(direction, vec![packet(&header, 1, 60, frames)]);
    told(&[event(0, &connection, what)]).replace("\n  ", " ")
}

fn check_explained(direction: Direction, frame: AnnotatedFrame<'_>, words: &str) {
    let story = said(direction, PacketType::OneRtt, vec![frame]);
    assert!(story.contains(words), "{words}: {story}");
}

#[test]
fn every_step_of_a_handshake_has_its_explanation() {
    let cases = [
        (
            Direction::Received,
            "EncryptedExtensions",
            "transport parameters",
        ),
        (Direction::Received, "Certificate", "says who the server is"),
        (
            Direction::Received,
            "CertificateVerify",
            "says who the server is",
        ),
        (Direction::Received, "Finished", "the server's part"),
        (Direction::Sent, "Finished", "the handshake is complete"),
    ];
    for (direction, message, words) in cases {
        let story = said(
            direction,
            PacketType::Handshake,
            vec![crypto(0, &[message])],
        );
        assert!(story.contains(words), "{words}: {story}");
    }
    check_explained(
        Direction::Received,
        crypto(0, &["NewSessionTicket"]),
        "resume",
    );
    let done = noted(Frame::HandshakeDone);
    check_explained(Direction::Received, done, "the handshake is confirmed");
    let token = noted(Frame::NewToken { token: b"t" });
    check_explained(Direction::Received, token, "NEW_TOKEN is");
}

#[test]
fn every_step_of_an_echo_has_its_explanation() {
    let (client, server) = (Direction::Sent, Direction::Received);
    check_explained(
        client,
        stream(0, true),
        "The client sends on a bidirectional",
    );
    check_explained(client, stream(0, true), "FIN marks");
    check_explained(server, stream(0, false), "The echo:");
    check_explained(client, stream(2, false), "unidirectional: only");
    check_explained(server, stream(3, false), "So its echo");
    let data = noted(Frame::Datagram { data: b"d" });
    check_explained(client, data.clone(), "RFC 9221 §5");
    check_explained(server, data, "Its echo is");
    check_explained(server, ack(1), "ACK names");
    check_explained(client, noted(Frame::MaxData { maximum: 1 }), "MAX_DATA and");
    let close = Frame::ConnectionClose {
        application: true,
        code: 0,
        frame_type: None,
        reason: b"",
    };
    check_explained(client, noted(close), "ends the connection");
    let mut probe = noted(Frame::Ping);
    probe.retransmission_of = Some(RetransmissionOf {
        number: 1,
        lost: false,
    });
    check_explained(client, probe, "as a probe, before");
}

#[test]
fn coalescing_and_probes_for_the_mtu_are_explained() {
    let connection = samples::connection(Side::Server);
    let (initial, handshake) = (header(PacketType::Initial), header(PacketType::Handshake));
    let one_rtt = header(PacketType::OneRtt);
    let both = vec![
        packet(&initial, 0, 145, vec![ack(0), crypto(0, &["ServerHello"])]),
        packet(&handshake, 0, 900, vec![noted(Frame::Ping)]),
    ];
    let story = told(&[event(0, &connection, datagram(Direction::Sent, both))]);
    let place = |words| story.find(words).unwrap_or(usize::MAX);
    assert!(
        place("several packets") < place("ServerHello: now"),
        "{story}"
    );
    assert!(place("ServerHello: now") < place("ACK names"), "{story}");
    assert!(story.contains("#1          + → Handshake 0"), "{story}");
    let probe = |size| {
        let frames = vec![noted(Frame::Ping), noted(Frame::Padding { length: 1_300 })];
        let what = datagram(Direction::Sent, vec![packet(&one_rtt, 1, size, frames)]);
        told(&[event(0, &connection, what)]).contains("PING and PADDING in a datagram")
    };
    assert!(probe(1_326));
    assert!(!probe(1_200));
}

#[test]
fn what_was_not_processed_is_no_step() {
    let connection = samples::connection(Side::Client);
    let one_rtt = header(PacketType::OneRtt);
    let mut late = packet(&one_rtt, 1, 30, vec![stream(0, false)]);
    late.dropped = Some(qecho_packet::DropReason::Duplicate);
    let story = told(&[event(
        0,
        &connection,
        datagram(Direction::Received, vec![late]),
    )]);
    assert!(story.starts_with("    0.000 ← 1-RTT 1"), "{story}");
}
