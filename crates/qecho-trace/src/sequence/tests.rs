//! Diagrams, to the letter.

use qecho_packet::{
    CloseReason, Direction, Side,
    trace::{Connection, Event, EventKind, LossReason, Lost},
    wire::{Frame, PacketType},
};

use super::{
    super::lines::samples::{self, ack, crypto, datagram, event, header, noted, packet, stream},
    *,
};

fn drawn(width: usize, events: &[Event<'_>]) -> String {
    let mut sequence = Sequence::new(width);
    let mut out = Vec::new();
    for event in events {
        sequence.write(event, &mut out).expect("memory takes bytes");
    }
    sequence.finish(&mut out).expect("memory takes bytes");
    String::from_utf8(out).expect("it is text")
}

fn lost(direction: Direction, number: u64) -> EventKind<'static> {
    EventKind::Lost(Lost {
        direction,
        packet_type: PacketType::OneRtt,
        number,
        size: 30,
        reason: LossReason::PacketThreshold { acknowledged: 9 },
    })
}

#[test]
fn datagrams_are_arrows_between_two_lifelines() {
    let connection = samples::connection(Side::Client);
    let (initial, handshake) = (header(PacketType::Initial), header(PacketType::Handshake));
    let one_rtt = header(PacketType::OneRtt);
    let padding = noted(Frame::Padding { length: 900 });
    let hello = vec![crypto(0, &["ClientHello"]), padding.clone()];
    let hello = packet(&initial, 0, 1_200, hello);
    let answer = vec![
        packet(&initial, 0, 145, vec![ack(0), crypto(0, &["ServerHello"])]),
        packet(&handshake, 0, 900, vec![crypto(0, &samples::FLIGHT)]),
    ];
    let probe = packet(&one_rtt, 1, 1_326, vec![noted(Frame::Ping), padding]);
    let events = [
        event(0, &connection, EventKind::Began),
        event(312, &connection, datagram(Direction::Sent, vec![hello])),
        event(1_680, &connection, datagram(Direction::Received, answer)),
        event(1_700, &connection, datagram(Direction::Sent, vec![probe])),
        event(2_000, &connection, EventKind::Closed(&CloseReason::Local)),
    ];
    assert_eq!(
        drawn(80, &events),
        "          client                                                          server
          192.0.2.1:50000                                         192.0.2.2:4433
          │                                                                    │
    0.312 │── Initial 0: CRYPTO ClientHello ──────────────────────────────────▶│
    1.680 │◀─ Initial 0: ACK 0 · CRYPTO ServerHello ───────────────────────────│
          │   Handshake 0: CRYPTO EncryptedExtensions, Certificate,            │
          │     CertificateVerify, Finished                                    │
    1.700 │── 1-RTT 1: PING · PADDING to 1,326 bytes ─────────────────────────▶│
    2.000 │   closed by the client                                             │
"
    );
}

#[test]
fn a_lost_datagram_does_not_reach_the_other_side() {
    let one_rtt = header(PacketType::OneRtt);
    let packet = |number| packet(&one_rtt, number, 30, vec![stream(0, false)]);
    let data = |number| datagram(Direction::Sent, vec![packet(number)]);
    let found = EventKind::SpuriousLoss {
        direction: Direction::Sent,
        packet_type: PacketType::OneRtt,
        number: 2,
    };
    let mut unsent = data(3);
    if let EventKind::Datagram(datagram) = &mut unsent {
        datagram.unsent = Some("no route");
    }
    let whats = [
        data(1),
        data(2),
        lost(Direction::Sent, 1),
        lost(Direction::Sent, 2),
        found,
        unsent,
        lost(Direction::Received, 1),
    ];
    let seen_by = |side| {
        let connection = samples::connection(side);
        let events = whats.clone().map(|what| event(0, &connection, what));
        drawn(80, &events)
    };
    assert_eq!(
        seen_by(Side::Client).lines().skip(3).collect::<Vec<_>>(),
        [
            "    0.000 │── 1-RTT 1: STREAM 0 [0..12) ──✕                                    │",
            "    0.000 │── 1-RTT 2: STREAM 0 [0..12) ──────────────────────────────────────▶│",
            "          │   (declared lost, but it arrived)                                  │",
            "    0.000 │── 1-RTT 3: STREAM 0 [0..12) ──✕                                    │",
            "          │   (not sent: no route)                                             │",
            "    0.000 │   ✕ 1-RTT 1 lost on its way here: 9 was acknowledged, three or     │",
            "          │   more later (RFC 9002 §6.1.1)                                     │",
        ]
    );
    let server = seen_by(Side::Server);
    assert_eq!(
        server.lines().nth(3),
        Some("    0.000 │                                    ✕── 1-RTT 1: STREAM 0 [0..12) ──│")
    );
}

#[test]
fn what_happens_between_datagrams_stands_between_the_arrows() {
    let connection = samples::connection(Side::Client);
    let before = (samples::address(1, 40_000), samples::address(2, 4433));
    let update = EventKind::KeyUpdate {
        direction: Direction::Sent,
        generation: 1,
    };
    let whats = [
        EventKind::PathChanged { before },
        update,
        EventKind::EventsDropped { count: 7 },
        EventKind::Forgotten,
    ];
    let events = whats.map(|what| event(0, &connection, what));
    let text = drawn(100, &events);
    assert_eq!(text.lines().count(), 3 + 3, "{text}");
    for words in ["the client moved from", "key update 1", "7 observations"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn every_line_keeps_to_its_width() {
    let connection = samples::connection(Side::Server);
    let one_rtt = header(PacketType::OneRtt);
    let address = |text: &str| text.parse().expect("it is an address");
    let second = Connection {
        number: 2,
        local: address("[2001:db8:1111:2222:3333:4444:5555:6666]:4433"),
        remote: address("[2001:db8:1111:2222:3333:4444:5555:7777]:50000"),
        ..connection.clone()
    };
    let reason = "\u{7}x".repeat(200);
    let mut frames = samples::frames();
    frames.push(noted(Frame::ConnectionClose {
        application: true,
        code: u64::MAX,
        frame_type: None,
        reason: reason.as_bytes(),
    }));
    let all = packet(&one_rtt, u64::MAX, 900, frames);
    let all = || datagram(Direction::Received, vec![all.clone()]);
    let stray = Event {
        connection: None,
        ..event(3, &second, all())
    };
    let events = [
        event(0, &connection, all()),
        event(1, &second, all()),
        stray,
    ];
    for width in [60, 80, 100, 120] {
        let text = drawn(width, &events);
        assert!(text.lines().all(|line| columns(line) <= width), "{text}");
        let bars = |line: &&str| line.contains('│');
        assert!(
            text.lines().filter(bars).all(|line| columns(line) == width),
            "{text}"
        );
        assert!(text.contains(" connection 2\n"), "{text}");
        assert!(text.ends_with("not drawn: 1 datagram of no known connection\n"));
        assert!(!text.replace('\n', "").chars().any(char::is_control));
    }
}

#[test]
fn rows_wait_only_as_long_as_their_limit_allows() {
    let connection = samples::connection(Side::Client);
    let one_rtt = header(PacketType::OneRtt);
    let ping = packet(&one_rtt, 1, 30, vec![noted(Frame::Ping)]);
    let ping = datagram(Direction::Sent, vec![ping]);
    let mut sequence = Sequence::new(80);
    let mut out = Vec::new();
    for _ in 0..ROWS_HELD_MAX + 1 {
        let event = event(0, &connection, ping.clone());
        let written = sequence.write(&event, &mut out);
        written.expect("memory takes bytes");
    }
    assert_eq!(sequence.rows.len(), ROWS_HELD_MAX);
    assert!(!out.is_empty());
}
