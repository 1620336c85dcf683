//! Words of strangers.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use qecho_packet::{
    CloseReason, Direction,
    trace::{AnnotatedFrame, Datagram, EventKind, LossReason},
    wire::{Frame, Header, PacketType},
};

use super::{
    super::{
        Detail,
        samples::{self, crypto, header, noted, packet},
    },
    line, loss,
};

/// Everything that a stranger or a system may say, as nastily as possible.
fn hostile<'a>(header: &'a Header, text: &'a str, reason: &'a CloseReason) -> Vec<EventKind<'a>> {
    let mut frames: Vec<AnnotatedFrame<'a>> = samples::frames();
    frames.push(noted(Frame::ConnectionClose {
        application: true,
        code: u64::MAX,
        frame_type: Some(u64::MAX),
        reason: text.as_bytes(),
    }));
    frames.push(noted(Frame::Datagram {
        data: text.as_bytes(),
    }));
    let mut hello = crypto(u64::MAX, &["ClientHello"]);
    hello.tls[0].detail = text.into();
    frames.push(hello);
    let address = SocketAddr::from(([0; 16], u16::MAX));
    let datagram = Datagram {
        direction: Direction::Sent,
        local: address,
        remote: address,
        ecn: u8::MAX,
        size: usize::MAX,
        packets: vec![packet(header, u64::MAX, usize::MAX, frames)],
        unsent: Some(text),
    };
    vec![
        EventKind::Datagram(datagram),
        EventKind::Closed(reason),
        loss(LossReason::TimeThreshold {
            acknowledged: u64::MAX,
            age: Duration::MAX,
        }),
        EventKind::EventsDropped { count: u64::MAX },
    ]
}

#[test]
fn nothing_that_a_stranger_says_leaves_its_line() {
    let text = "\x1b]0;title\x07\r\n\u{202e}\u{2066}\u{2028}\u{85}\0é".repeat(40);
    let reason = CloseReason::Peer {
        code: u64::MAX,
        reason: Bytes::from(text.clone()),
    };
    let header = header(PacketType::Initial);
    for what in hostile(&header, &text, &reason) {
        let is_packet = matches!(what, EventKind::Datagram(_));
        for detail in [Detail::Handshake, Detail::Packets, Detail::Frames] {
            let shown = line(detail, what.clone());
            let lines = match is_packet && detail == Detail::Frames {
                true => 1 + samples::frames().len() + 3,
                false => 1,
            };
            assert_eq!(shown.lines().count(), lines, "{shown}");
            let clean = shown.replace('\n', "");
            assert!(!clean.chars().any(char::is_control), "{shown}");
            assert!(
                !clean.contains(['\u{202e}', '\u{2066}', '\u{2028}']),
                "{shown}"
            );
        }
    }
}
