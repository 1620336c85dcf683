//! Events for the tests, built by hand.

use std::{net::SocketAddr, time::Duration};

use qecho_packet::{
    Dir, Direction, Side, StreamId,
    trace::{
        AnnotatedFrame, Connection, Datagram, Event, EventKind, Packet, PacketContent,
        RetransmissionOf, TlsMessage,
    },
    wire::{Ack, ConnectionId, EcnCounts, Frame, Header, PacketType},
};

/// A frame about which nothing more is known.
pub(crate) fn noted(frame: Frame<'_>) -> AnnotatedFrame<'_> {
    AnnotatedFrame {
        frame,
        retransmission_of: None,
        tls: Vec::new(),
        ack_delay: None,
    }
}

/// A CRYPTO frame with these whole messages.
pub(crate) fn crypto(offset: u64, messages: &[&'static str]) -> AnnotatedFrame<'static> {
    let data = &[0; 4];
    AnnotatedFrame {
        tls: messages.iter().map(|name| message(name, true)).collect(),
        ..noted(Frame::Crypto { offset, data })
    }
}

/// The messages with which a server answers after its ServerHello.
pub(crate) const FLIGHT: [&str; 4] = [
    "EncryptedExtensions",
    "Certificate",
    "CertificateVerify",
    "Finished",
];

/// STREAM with the demo's text.
pub(crate) fn stream(id: u64, fin: bool) -> AnnotatedFrame<'static> {
    noted(Frame::Stream {
        id: StreamId::from_value(id),
        offset: 0,
        fin,
        data: b"Hello, QUIC!",
    })
}

/// ACK of all packets up to one.
pub(crate) fn ack(largest: u64) -> AnnotatedFrame<'static> {
    noted(Frame::Ack(Ack {
        delay: 0,
        ranges: vec![0..=largest],
        ecn: None,
    }))
}

/// A TLS message.
pub(crate) fn message(name: &'static str, complete: bool) -> TlsMessage {
    TlsMessage {
        name,
        complete,
        detail: String::new(),
    }
}

/// One of each kind of frame.
pub(crate) fn frames() -> Vec<AnnotatedFrame<'static>> {
    let id = StreamId::from_value;
    let mut hello = crypto(0, &["ClientHello"]);
    hello.tls[0].detail = "server name localhost\x07, ALPN echo".into();
    let mut certificate = crypto(4, &["Certificate"]);
    certificate.tls.push(message("CertificateVerify", false));
    certificate.retransmission_of = Some(RetransmissionOf {
        number: 12,
        lost: true,
    });
    let mut ack = noted(Frame::Ack(Ack {
        delay: 25,
        ranges: vec![7..=7, 0..=4],
        ecn: Some(EcnCounts {
            ect0: 5,
            ect1: 0,
            ce: 1,
        }),
    }));
    ack.ack_delay = Some(Duration::from_micros(200));
    let mut frames = vec![
        noted(Frame::Padding { length: 912 }),
        noted(Frame::Ping),
        ack,
    ];
    let of_streams = [
        Frame::ResetStream {
            id: id(0),
            code: 7,
            final_size: 64,
        },
        Frame::StopSending { id: id(4), code: 8 },
    ];
    frames.extend(of_streams.map(noted));
    frames.extend([hello, certificate]);
    frames.extend([
        noted(Frame::NewToken { token: &[1, 2, 3] }),
        noted(Frame::Stream {
            id: id(0),
            offset: 100,
            fin: true,
            data: b"Hello, QUIC!",
        }),
    ]);
    frames.extend(limits().map(noted));
    frames.extend(of_connections().map(noted));
    frames
}

fn limits() -> [Frame<'static>; 6] {
    let id = StreamId::from_value(4);
    let direction = Dir::Unidirectional;
    [
        Frame::MaxData { maximum: 1 << 20 },
        Frame::MaxStreamData {
            id,
            maximum: 65_536,
        },
        Frame::MaxStreams {
            direction: Dir::Bidirectional,
            maximum: 100,
        },
        Frame::DataBlocked { limit: 1 << 20 },
        Frame::StreamDataBlocked { id, limit: 65_536 },
        Frame::StreamsBlocked {
            direction,
            limit: 3,
        },
    ]
}

fn of_connections() -> [Frame<'static>; 10] {
    [
        Frame::NewConnectionId {
            sequence: 2,
            retire_prior_to: 1,
            id: id(&[10, 11, 12, 13]),
            reset_token: [7; 16],
        },
        Frame::RetireConnectionId { sequence: 1 },
        Frame::PathChallenge { data: [1; 8] },
        Frame::PathResponse { data: [2; 8] },
        Frame::ConnectionClose {
            application: false,
            code: 0x0a,
            frame_type: Some(0x1e),
            reason: b"no\x1b[2J",
        },
        Frame::ConnectionClose {
            application: true,
            code: 7,
            frame_type: None,
            reason: b"bye",
        },
        Frame::HandshakeDone,
        Frame::Datagram { data: &[255, 0] },
        Frame::AckFrequency {
            sequence: 1,
            ack_eliciting_threshold: 10,
            max_ack_delay_us: 25_000,
            reordering_threshold: 3,
        },
        Frame::ImmediateAck,
    ]
}

/// A connection ID.
pub(crate) fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).expect("it is short")
}

/// An address of the documentation's, by its last number and port.
pub(crate) fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

/// The first connection, with the eyes of one side.
pub(crate) fn connection(side: Side) -> Connection {
    let (client, server) = (address(1, 50_000), address(2, 4433));
    let (local, remote) = match side {
        Side::Client => (client, server),
        Side::Server => (server, client),
    };
    Connection {
        number: 1,
        side,
        local,
        remote,
        original_destination: id(&[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08]),
    }
}

/// The header of a packet of some kind.
pub(crate) fn header(packet_type: PacketType) -> Header {
    let is_long = packet_type != PacketType::OneRtt;
    Header {
        packet_type,
        version: is_long.then_some(1),
        destination: id(&[0xd0, 0xd1]),
        source: is_long.then(|| id(&[0x50, 0x51])),
        token: Vec::new(),
        versions: Vec::new(),
        spin: false,
    }
}

/// A packet that was opened.
pub(crate) fn packet<'a>(
    header: &'a Header,
    number: u64,
    size: usize,
    frames: Vec<AnnotatedFrame<'a>>,
) -> Packet<'a> {
    Packet {
        header: Some(header),
        size,
        content: Some(PacketContent {
            number,
            number_length: 1,
            key_phase: false,
            frames,
            malformed: None,
        }),
        dropped: None,
        is_stateless_reset: false,
    }
}

/// A datagram of these packets.
pub(crate) fn datagram(direction: Direction, packets: Vec<Packet<'_>>) -> EventKind<'_> {
    EventKind::Datagram(Datagram {
        direction,
        local: address(1, 50_000),
        remote: address(2, 4433),
        ecn: 0,
        size: packets.iter().map(|packet| packet.size).sum(),
        packets,
        unsent: None,
    })
}

/// An event, so many microseconds after some day.
pub(crate) fn event<'a>(micros: u64, connection: &'a Connection, kind: EventKind<'a>) -> Event<'a> {
    Event {
        at: Duration::from_secs(1_700_000_000) + Duration::from_micros(micros),
        connection: Some(connection),
        kind,
    }
}
