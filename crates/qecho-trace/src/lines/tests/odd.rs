//! Packets that are not as they usually are.

use qecho_packet::{
    Direction, DropReason,
    trace::{EventKind, Packet},
    wire::{Frame, Malformed, PacketType},
};

use super::{
    super::{
        Detail,
        samples::{header, noted, packet},
    },
    alone, line, unopened,
};

#[test]
fn packets_that_are_not_opened_say_what_they_are() {
    let mut retry = header(PacketType::Retry);
    retry.token = vec![1; 80];
    let mut negotiation = header(PacketType::VersionNegotiation);
    negotiation.version = Some(0);
    negotiation.versions = vec![1, 0x6b33_43cf, 0x0a1a_2a3a];
    let mut unknown = header(PacketType::Unknown);
    unknown.version = Some(0xff00_001d);
    let one_rtt = header(PacketType::OneRtt);
    let cases = [
        (
            unopened(Some(&retry), 120),
            "Retry          120 B  token 80 bytes · source 5051",
        ),
        (
            unopened(Some(&negotiation), 29),
            "Version Negotiation    29 B  versions 1, 2, 0x0a1a2a3a (grease)",
        ),
        (
            unopened(Some(&unknown), 1_200),
            "unknown      1,200 B  version draft-29",
        ),
        (
            unopened(Some(&one_rtt), 30),
            "1-RTT           30 B  not opened",
        ),
        (
            Packet {
                dropped: Some(DropReason::NoKeys),
                ..unopened(Some(&one_rtt), 30)
            },
            "1-RTT           30 B  not processed: there are no keys for it",
        ),
        (
            Packet {
                is_stateless_reset: true,
                ..unopened(Some(&one_rtt), 43)
            },
            "Stateless Reset    43 B  the peer has lost the connection (RFC 9000 §10.3)",
        ),
        (
            Packet {
                dropped: Some(DropReason::Malformed(Malformed {
                    offset: 0,
                    what: "version",
                    frame_type: None,
                })),
                ..unopened(None, 3)
            },
            "no packet        3 B  not processed: malformed version at byte 0",
        ),
        (
            Packet {
                dropped: Some(DropReason::Padding),
                ..unopened(None, 900)
            },
            "no packet      900 B  padding after the packet",
        ),
    ];
    for (packet, expected) in cases {
        let expected = format!("    0.000 ← {expected}\n");
        assert_eq!(
            line(Detail::Packets, alone(Direction::Received, packet)),
            expected
        );
    }
}

#[test]
fn what_went_wrong_with_a_packet_stands_before_its_frames() {
    let one_rtt = header(PacketType::OneRtt);
    let ping = || packet(&one_rtt, 3, 30, vec![noted(Frame::Ping)]);
    let duplicate = Packet {
        dropped: Some(DropReason::Duplicate),
        ..ping()
    };
    assert_eq!(
        line(Detail::Handshake, alone(Direction::Received, duplicate)),
        "    0.000 ← 1-RTT 3         30 B  not processed: it has come before · PING\n"
    );
    let mut unsent = alone(Direction::Sent, ping());
    if let EventKind::Datagram(datagram) = &mut unsent {
        datagram.unsent = Some("Message too long\n");
    }
    assert_eq!(
        line(Detail::Handshake, unsent),
        "    0.000 → 1-RTT 3         30 B  not sent: Message too long\\n · PING\n"
    );
    let mut cut = ping();
    if let Some(content) = &mut cut.content {
        content.malformed = Some(Malformed {
            offset: 1,
            what: "STREAM",
            frame_type: None,
        });
    }
    assert_eq!(
        line(Detail::Handshake, alone(Direction::Received, cut)),
        "    0.000 ← 1-RTT 3         30 B  PING · malformed STREAM at byte 1\n"
    );
}

#[test]
fn packets_after_the_close_are_no_news() {
    let one_rtt = header(PacketType::OneRtt);
    let late = Packet {
        dropped: Some(DropReason::Closed),
        ..packet(&one_rtt, 3, 30, vec![noted(Frame::Ping)])
    };
    let what = || alone(Direction::Received, late.clone());
    assert_eq!(line(Detail::Handshake, what()), "");
    assert_eq!(
        line(Detail::Packets, what()),
        "    0.000 ← 1-RTT 3         30 B  not processed: the connection is closed · PING\n"
    );
}

#[test]
fn in_full_too_they_say_what_their_headers_tell() {
    let mut retry = header(PacketType::Retry);
    retry.token = vec![1; 40];
    let mut negotiation = header(PacketType::VersionNegotiation);
    negotiation.version = Some(0);
    negotiation.versions = vec![1; 20];
    let one_rtt = header(PacketType::OneRtt);
    let token = format!("{}…", "01".repeat(32));
    let ones = ["1"; 16].join(", ");
    let cases = [
        (
            unopened(Some(&retry), 80),
            format!(
                "Retry           80 B  version 1 · destination d0d1 · source 5051 · token 40 bytes {token} · datagram of 80 bytes"
            ),
        ),
        (
            unopened(Some(&negotiation), 90),
            format!(
                "Version Negotiation    90 B  destination d0d1 · source 5051 · versions {ones}, 4 others · datagram of 90 bytes"
            ),
        ),
        (
            unopened(Some(&one_rtt), 30),
            "1-RTT           30 B  destination d0d1 · spin 0 · not opened · datagram of 30 bytes"
                .into(),
        ),
    ];
    for (packet, expected) in cases {
        let expected = format!("    0.000 ← {expected}\n");
        assert_eq!(
            line(Detail::Frames, alone(Direction::Received, packet)),
            expected
        );
    }
}
