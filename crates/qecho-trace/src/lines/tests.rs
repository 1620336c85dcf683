//! Traces, to the letter.

mod hostile;
mod notes;
mod odd;

use qecho_packet::{
    CloseReason, Direction, Side,
    trace::{Connection, Event, EventKind, LossReason, Lost, Packet},
    wire::{Frame, Header, PacketType},
};

use super::{
    Detail, Layout, TraceText,
    samples::{self, ack, crypto, event, header, noted, packet, stream},
};

const PLAIN: Layout = Layout {
    colour: false,
    width: None,
};

fn written(detail: Detail, layout: Layout, events: &[Event<'_>]) -> String {
    let mut text = TraceText::new(detail, layout);
    let mut out = Vec::new();
    for event in events {
        text.write(event, &mut out).expect("memory takes bytes");
    }
    String::from_utf8(out).expect("it is text")
}

fn packets(events: &[Event<'_>]) -> String {
    written(Detail::Packets, PLAIN, events)
}

/// Returns one event as it looks on a connection that has begun.
fn line(detail: Detail, kind: EventKind<'_>) -> String {
    let connection = samples::connection(Side::Client);
    written(detail, PLAIN, &[event(0, &connection, kind)])
}

fn alone<'a>(direction: Direction, packet: Packet<'a>) -> EventKind<'a> {
    samples::datagram(direction, vec![packet])
}

fn loss(reason: LossReason) -> EventKind<'static> {
    EventKind::Lost(Lost {
        direction: Direction::Sent,
        packet_type: PacketType::OneRtt,
        number: 12,
        size: 1_200,
        reason,
    })
}

fn unopened(header: Option<&Header>, size: usize) -> Packet<'_> {
    Packet {
        header,
        size,
        content: None,
        dropped: None,
        is_stateless_reset: false,
    }
}

/// The headers that the beginning of a connection takes.
fn headers() -> [Header; 3] {
    use PacketType::{Handshake, Initial, OneRtt};
    [Initial, Handshake, OneRtt].map(header)
}

/// The beginning of a connection, as its client sees it.
fn beginning<'a>(headers: &'a [Header; 3], connection: &'a Connection) -> Vec<Event<'a>> {
    let [initial, handshake, one_rtt] = headers;
    let padding = noted(Frame::Padding { length: 912 });
    let hello = vec![crypto(0, &["ClientHello"]), padding];
    let answer = vec![
        packet(initial, 0, 145, vec![ack(0), crypto(0, &["ServerHello"])]),
        packet(handshake, 0, 1_055, vec![crypto(0, &samples::FLIGHT)]),
    ];
    let data = packet(one_rtt, 0, 48, vec![stream(0, false)]);
    let done = vec![noted(Frame::HandshakeDone), stream(0, true)];
    let done = packet(one_rtt, 1, 50, done);
    let kinds = [
        (0, EventKind::Began),
        (
            312,
            alone(Direction::Sent, packet(initial, 0, 1_200, hello)),
        ),
        (1_680, samples::datagram(Direction::Received, answer)),
        (1_700, alone(Direction::Sent, data)),
        (23_456_789, alone(Direction::Received, done)),
    ];
    let event = |(micros, kind)| event(micros, connection, kind);
    kinds.map(event).into()
}

const BEGINNING: &str = "    0.000 • connection 1, original destination connection ID 8394c8f03e515708
            → sent by the client 192.0.2.1:50000, ← by the server 192.0.2.2:4433
    0.312 → Initial 0    1,200 B  CRYPTO [0..4) ClientHello · PADDING 912
    1.680 ← Initial 0      145 B  ACK 0 · CRYPTO [0..4) ServerHello
        + ← Handshake 0  1,055 B  CRYPTO [0..4) EncryptedExtensions, Certificate, CertificateVerify, Finished
    1.700 → 1-RTT 0         48 B  STREAM 0 [0..12)
23456.789 ← 1-RTT 1         50 B  HANDSHAKE_DONE · STREAM 0 [0..12) FIN
";

#[test]
fn every_packet_has_a_line() {
    let connection = samples::connection(Side::Client);
    assert_eq!(packets(&beginning(&headers(), &connection)), BEGINNING);
}

#[test]
fn a_line_that_is_too_long_goes_on_below_its_frames() {
    let connection = samples::connection(Side::Client);
    let layout = Layout {
        width: Some(100),
        ..PLAIN
    };
    let broken = BEGINNING.replace(
        "CertificateVerify, Finished",
        "CertificateVerify,\n                                  Finished",
    );
    let headers = headers();
    let events = beginning(&headers, &connection);
    assert_eq!(written(Detail::Packets, layout, &events), broken);
}

#[test]
fn the_handshake_alone_leaves_the_data_out() {
    let connection = samples::connection(Side::Client);
    let handshake: String = BEGINNING
        .split_inclusive('\n')
        .filter(|line| !line.contains("1-RTT 0"))
        .collect();
    let headers = headers();
    let events = beginning(&headers, &connection);
    assert_eq!(written(Detail::Handshake, PLAIN, &events), handshake);
}

#[test]
fn a_packet_in_full_shows_its_header_and_each_frame() {
    let (mut initial, one_rtt) = (header(PacketType::Initial), header(PacketType::OneRtt));
    initial.token = vec![7, 8];
    let mut hello = crypto(0, &["ClientHello"]);
    hello.retransmission_of = Some(qecho_packet::trace::RetransmissionOf {
        number: 0,
        lost: false,
    });
    let mut data = packet(&one_rtt, 4, 40, vec![stream(0, false)]);
    if let Some(content) = &mut data.content {
        content.key_phase = true;
        content.number_length = 2;
    }
    let first = packet(&initial, 1, 1_160, vec![hello]);
    let mut what = samples::datagram(Direction::Sent, vec![first, data]);
    if let EventKind::Datagram(datagram) = &mut what {
        datagram.ecn = 2;
    }
    assert_eq!(
        line(Detail::Frames, what),
        "    0.000 → Initial 1    1,160 B  version 1 · destination d0d1 · source 5051 · token 2 bytes 0708 · number in 1 byte · 1 of 2 in a datagram of 1,200 bytes · ECT(0)
              CRYPTO [0..4) · 4 bytes · ClientHello · (again, as a probe: 0 is unanswered)
        + → 1-RTT 4         40 B  destination d0d1 · spin 0 · number in 2 bytes · key phase 1 · 2 of 2 in a datagram of 1,200 bytes · ECT(0)
              STREAM 0 [0..12) · 12 bytes \"Hello, QUIC!\" · bidirectional, the client's
"
    );
}

#[test]
fn lines_are_labelled_where_there_is_more_than_one_connection() {
    let first = samples::connection(Side::Client);
    let second = Connection {
        number: 2,
        ..first.clone()
    };
    let closed = |connection| event(0, connection, EventKind::Closed(&CloseReason::Local));
    assert_eq!(
        packets(&[closed(&first), closed(&second), closed(&first)]),
        "    0.000 • closed by the client
#2      0.000 • closed by the client
#1      0.000 • closed by the client
"
    );
    let server = samples::connection(Side::Server);
    let stray = Packet {
        dropped: Some(qecho_packet::DropReason::UnknownConnection),
        ..unopened(None, 30)
    };
    let stray = Event {
        connection: None,
        ..event(5, &server, alone(Direction::Received, stray))
    };
    assert_eq!(
        packets(&[event(0, &server, EventKind::Began), stray]),
        "#1      0.000 • connection 1, original destination connection ID 8394c8f03e515708
                → sent by the server 192.0.2.2:4433, ← by the client 192.0.2.1:50000
        0.005 ← no packet       30 B  not processed: no such connection is known · from 192.0.2.2:4433
"
    );
}

/// Removes what colours a text.
fn without_escapes(text: &str) -> String {
    let mut pieces = text.split('\x1b');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |plain, piece| {
        let (_, rest) = piece.split_once('m').expect("an escape ends with m");
        plain + rest
    })
}

#[test]
fn colours_repeat_what_the_text_says() {
    let connection = samples::connection(Side::Client);
    let headers = headers();
    let mut events = beginning(&headers, &connection);
    events.push(event(0, &connection, loss(LossReason::MtuProbe)));
    for width in [None, Some(60)] {
        let written = |colour| written(Detail::Packets, Layout { colour, width }, &events);
        let (plain, coloured) = (written(false), written(true));
        assert!(!plain.contains('\x1b'));
        assert!(coloured.contains("\x1b[36m → Initial 0"), "{coloured}");
        assert!(coloured.contains("\x1b[1m\x1b[31m ✕"), "{coloured}");
        assert_eq!(without_escapes(&coloured), plain);
        for line in coloured.lines() {
            let last = line.rfind("\x1b[").map_or("\x1b[0m", |at| &line[at..]);
            assert!(last.starts_with("\x1b[0m"), "{line:?}");
        }
    }
}
