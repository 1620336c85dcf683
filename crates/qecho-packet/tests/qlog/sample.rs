//! Events of every kind, with packets and frames of every kind.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use qecho_packet::{
    CloseReason, Dir, Direction, DropReason, RecoveryMetrics, Side, StreamId, TransportParameters,
    trace::{
        AnnotatedFrame, Connection, Datagram, Event, EventKind, LossReason, Lost, Packet,
        PacketContent, RetransmissionOf, TlsMessage,
    },
    wire::{Ack, ConnectionId, EcnCounts, Frame, Header, Malformed, PacketType},
};

pub(crate) const MALFORMED: Malformed = Malformed {
    offset: 3,
    what: "STREAM",
    frame_type: None,
};

pub(crate) fn connection(number: u64, side: Side) -> Connection {
    Connection {
        number,
        side,
        local: address("192.0.2.1:4433"),
        remote: address("[2001:db8::7]:50000"),
        original_destination: id(&[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, number as u8]),
    }
}

pub(crate) fn event<'a>(
    milliseconds: u64,
    connection: Option<&'a Connection>,
    kind: EventKind<'a>,
) -> Event<'a> {
    Event {
        at: Duration::from_millis(1_795_000_000_000 + milliseconds) + Duration::from_micros(125),
        connection,
        kind,
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("it is an address")
}

pub(crate) fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).expect("it is short enough")
}

fn header(packet_type: PacketType) -> Header {
    let long = packet_type != PacketType::OneRtt;
    let version = match packet_type {
        PacketType::VersionNegotiation => 0,
        PacketType::Unknown => 0x6b33_43cf,
        _ => 1,
    };
    let token = match packet_type {
        PacketType::Initial | PacketType::Retry => b"token".to_vec(),
        _ => Vec::new(),
    };
    Header {
        packet_type,
        version: long.then_some(version),
        destination: id(&[1, 2, 3, 4]),
        source: long.then(|| id(&[])),
        token,
        versions: match packet_type {
            PacketType::VersionNegotiation => vec![1, 0x0a0a_0a0a],
            _ => Vec::new(),
        },
        spin: !long,
    }
}

/// Every kind of header.
pub(crate) fn headers() -> [Header; 7] {
    [
        PacketType::VersionNegotiation,
        PacketType::Initial,
        PacketType::ZeroRtt,
        PacketType::Handshake,
        PacketType::Retry,
        PacketType::OneRtt,
        PacketType::Unknown,
    ]
    .map(header)
}

/// Every kind of frame; what is added to [`Frame`] must be added here.
pub(crate) fn frames() -> Vec<Frame<'static>> {
    let id = StreamId::from_value(4);
    let ranges = vec![90..=99, 7..=7, 0..=2];
    let ecn = Some(EcnCounts {
        ect0: 1,
        ect1: 2,
        ce: 3,
    });
    let mut frames = vec![
        Frame::Padding { length: 900 },
        Frame::Ping,
        Frame::Ack(Ack {
            delay: 25,
            ranges: ranges.clone(),
            ecn: None,
        }),
        Frame::Ack(Ack {
            delay: 25,
            ranges,
            ecn,
        }),
        Frame::ResetStream {
            id,
            code: 7,
            final_size: 1 << 61,
        },
        Frame::StopSending { id, code: 7 },
        Frame::Crypto {
            offset: 5,
            data: b"hello",
        },
        Frame::NewToken { token: b"token" },
        Frame::Datagram { data: b"datagram" },
    ];
    frames.extend([false, true].map(|fin| Frame::Stream {
        id,
        offset: 5,
        fin,
        data: b"data",
    }));
    frames.extend(limits_and_paths());
    frames.extend(closes());
    frames
}

fn limits_and_paths() -> Vec<Frame<'static>> {
    let id = StreamId::from_value(4);
    vec![
        Frame::MaxData { maximum: 1 },
        Frame::MaxStreamData { id, maximum: 1 },
        Frame::MaxStreams {
            direction: Dir::Unidirectional,
            maximum: 1,
        },
        Frame::DataBlocked { limit: 1 },
        Frame::StreamDataBlocked { id, limit: 1 },
        Frame::StreamsBlocked {
            direction: Dir::Bidirectional,
            limit: 1,
        },
        Frame::NewConnectionId {
            sequence: 2,
            retire_prior_to: 1,
            id: self::id(&[9; 20]),
            reset_token: [7; 16],
        },
        Frame::RetireConnectionId { sequence: 1 },
        Frame::PathChallenge { data: [1; 8] },
        Frame::PathResponse { data: [1; 8] },
        Frame::HandshakeDone,
        Frame::AckFrequency {
            sequence: 1,
            ack_eliciting_threshold: 2,
            max_ack_delay_us: 3,
            reordering_threshold: 4,
        },
        Frame::ImmediateAck,
    ]
}

fn closes() -> [Frame<'static>; 4] {
    let close = |application, code, frame_type, reason| Frame::ConnectionClose {
        application,
        code,
        frame_type,
        reason,
    };
    [
        close(true, 0, None, b"bye".as_slice()),
        close(false, 0x0a, Some(0x1e), b""),
        close(false, 0x12a, Some(6), b"bad \xff certificate"),
        close(false, 0x4444, None, b""),
    ]
}

/// The name of a frame in qlog; a new kind does not compile without one.
pub(crate) fn frame_name(frame: &Frame<'_>) -> &'static str {
    match frame {
        Frame::Padding { .. } => "padding",
        Frame::Ping => "ping",
        Frame::Ack(_) => "ack",
        Frame::ResetStream { .. } => "reset_stream",
        Frame::StopSending { .. } => "stop_sending",
        Frame::Crypto { .. } => "crypto",
        Frame::NewToken { .. } => "new_token",
        Frame::Stream { .. } => "stream",
        Frame::MaxData { .. } => "max_data",
        Frame::MaxStreamData { .. } => "max_stream_data",
        Frame::MaxStreams { .. } => "max_streams",
        Frame::DataBlocked { .. } => "data_blocked",
        Frame::StreamDataBlocked { .. } => "stream_data_blocked",
        Frame::StreamsBlocked { .. } => "streams_blocked",
        Frame::NewConnectionId { .. } => "new_connection_id",
        Frame::RetireConnectionId { .. } => "retire_connection_id",
        Frame::PathChallenge { .. } => "path_challenge",
        Frame::PathResponse { .. } => "path_response",
        Frame::ConnectionClose { .. } => "connection_close",
        Frame::HandshakeDone => "handshake_done",
        Frame::Datagram { .. } => "datagram",
        Frame::AckFrequency { .. } | Frame::ImmediateAck => "unknown",
    }
}

/// A frame with all that may be known beyond itself.
pub(crate) fn noted(frame: Frame<'_>) -> AnnotatedFrame<'_> {
    let is_ack = matches!(frame, Frame::Ack(_));
    AnnotatedFrame {
        frame,
        retransmission_of: Some(RetransmissionOf {
            number: 3,
            lost: false,
        }),
        tls: vec![TlsMessage {
            name: "ClientHello",
            complete: true,
            detail: String::new(),
        }],
        ack_delay: is_ack.then_some(Duration::from_millis(2)),
    }
}

pub(crate) fn packet<'a>(header: Option<&'a Header>, frames: Option<Vec<Frame<'a>>>) -> Packet<'a> {
    Packet {
        header,
        size: 1200,
        content: frames.map(|frames| PacketContent {
            number: 17,
            number_length: 2,
            key_phase: true,
            frames: frames.into_iter().map(noted).collect(),
            malformed: None,
        }),
        dropped: None,
        is_stateless_reset: false,
    }
}

pub(crate) fn datagram(direction: Direction, packets: Vec<Packet<'_>>) -> Datagram<'_> {
    Datagram {
        direction,
        local: address("192.0.2.1:4433"),
        remote: address("[2001:db8::7]:50000"),
        ecn: 2,
        size: 1200,
        packets,
        unsent: None,
    }
}

pub(crate) const UNPROCESSED: [DropReason; 20] = [
    DropReason::Malformed(MALFORMED),
    DropReason::NoKeys,
    DropReason::NotAuthentic,
    DropReason::Duplicate,
    DropReason::HandshakePending,
    DropReason::OtherAddress,
    DropReason::Closed,
    DropReason::UnknownConnection,
    DropReason::BeginningNotCaptured,
    DropReason::ClientHelloNotCaptured,
    DropReason::UnsupportedVersion,
    DropReason::DatagramTooSmall,
    DropReason::ServerToken,
    DropReason::AnsweredWithRetry,
    DropReason::Refused,
    DropReason::HandshakeFailed,
    DropReason::InvalidRetry,
    DropReason::IdleNegotiation,
    DropReason::NoSecrets,
    DropReason::Cut,
];

pub(crate) fn losses() -> Vec<EventKind<'static>> {
    let reasons = [
        LossReason::PacketThreshold { acknowledged: 9 },
        LossReason::TimeThreshold {
            acknowledged: 9,
            age: Duration::from_millis(30),
        },
        LossReason::MtuProbe,
    ];
    let lost = reasons.map(|reason| {
        EventKind::Lost(Lost {
            direction: Direction::Sent,
            packet_type: PacketType::OneRtt,
            number: 5,
            size: 1200,
            reason,
        })
    });
    let mut losses = Vec::from(lost);
    losses.push(EventKind::SpuriousLoss {
        direction: Direction::Sent,
        packet_type: PacketType::OneRtt,
        number: 5,
    });
    losses
}

pub(crate) fn close_reasons() -> Vec<CloseReason> {
    vec![
        CloseReason::Local,
        CloseReason::Application {
            code: 7,
            reason: Bytes::from_static(b"bye \xff"),
        },
        CloseReason::Peer {
            code: 0x178,
            reason: Bytes::new(),
        },
        CloseReason::Peer {
            code: 0,
            reason: Bytes::new(),
        },
        CloseReason::Violation {
            code: 0x4242,
            reason: "never seen".into(),
        },
        CloseReason::TimedOut,
        CloseReason::Reset,
        CloseReason::VersionMismatch,
        CloseReason::HandshakeDeadline,
        CloseReason::CrowdedOut,
        CloseReason::ShortOfMemory { held_bytes: 1 },
    ]
}

/// Every parameter that qlog knows, one that it does not, one that stands
/// twice, and some whose value is not what it should be.
pub(crate) fn parameters() -> TransportParameters {
    let mut bytes = Vec::new();
    let mut push = |parameter: u16, value: &[u8]| {
        bytes.extend((0x4000 | parameter).to_be_bytes());
        bytes.push(value.len() as u8);
        bytes.extend(value);
    };
    push(0x00, &[1; 8]);
    for integer in (0x01..=0x0b).filter(|integer| *integer != 0x02) {
        push(integer, &[0x40, 0x19]);
    }
    push(0x02, &[2; 16]);
    push(0x0c, &[]);
    let mut preferred = vec![192, 0, 2, 1, 0x11, 0x51];
    preferred.extend([0x20; 18]);
    preferred.extend([4, 1, 2, 3, 4]);
    preferred.extend([9; 16]);
    push(0x0d, &preferred);
    push(0x0e, &[4]);
    push(0x0f, &[]);
    push(0x10, &[5; 20]);
    push(0x20, &[0x80, 0, 0xff, 0xff]);
    push(0x2ab2, &[]);
    push(0x1b1b, b"grease");
    push(0x0e, &[5]);
    TransportParameters::parse(&bytes)
}

pub(crate) fn broken_parameters() -> TransportParameters {
    TransportParameters::parse(&[0x01, 0x02, 0x80, 0x00, 0x0d, 0x01, 0x00, 0x04, 0x00])
}

pub(crate) fn recovery(mtu: u16) -> RecoveryMetrics {
    RecoveryMetrics {
        smoothed_rtt: Duration::from_micros(1500),
        min_rtt: Duration::from_millis(1),
        congestion_window: 12_000,
        congestion_events: 1,
        lost_packets: 2,
        lost_probes: 3,
        mtu,
    }
}
