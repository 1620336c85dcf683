//! Every kind of frame, as its bytes and as what they mean.

use qecho_packet::{
    Dir, StreamId,
    wire::{Ack, ConnectionId, EcnCounts, Frame},
};

/// Returns the bytes of hexadecimal digits, among which there may be spaces.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("these are digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

pub(crate) fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).expect("it is short enough")
}

/// Frames whose length their bytes tell.
pub(crate) fn delimited() -> Vec<(Vec<u8>, Frame<'static>)> {
    let mut cases = data();
    cases.extend(limits());
    cases.extend(connection());
    cases
        .into_iter()
        .map(|(bytes, frame)| (hex(bytes), frame))
        .collect()
}

/// Frames that reach to the end of their packet.
pub(crate) fn last() -> Vec<(Vec<u8>, Frame<'static>)> {
    let datagram = Frame::Datagram { data: b"ab" };
    let cases = [
        ("08 04 6162", stream(0, false)),
        ("09 04 6162", stream(0, true)),
        ("0c 04 4107 6162", stream(0x107, false)),
        ("0d 04 4107 6162", stream(0x107, true)),
        ("30 6162", datagram),
    ];
    cases.map(|(bytes, frame)| (hex(bytes), frame)).into()
}

fn stream(offset: u64, fin: bool) -> Frame<'static> {
    Frame::Stream {
        id: StreamId::from_value(4),
        offset,
        fin,
        data: b"ab",
    }
}

fn ack(ranges: &[std::ops::RangeInclusive<u64>], ecn: Option<EcnCounts>) -> Frame<'static> {
    Frame::Ack(Ack {
        delay: 25,
        ranges: ranges.to_vec(),
        ecn,
    })
}

/// RFC 9000 §19.1–§19.8, RFC 9221 §4
fn data() -> Vec<(&'static str, Frame<'static>)> {
    let id = StreamId::from_value(4);
    let ecn = EcnCounts {
        ect0: 1,
        ect1: 2,
        ce: 0x103,
    };
    let token = Frame::NewToken {
        token: &[0xaa, 0xbb],
    };
    let reset = Frame::ResetStream {
        id,
        code: 0x100,
        final_size: 0x1_0000,
    };
    let crypto = Frame::Crypto {
        offset: 0x40,
        data: b"abc",
    };
    vec![
        ("00 00 00", Frame::Padding { length: 3 }),
        ("01", Frame::Ping),
        ("02 07 19 00 07", ack(&[0..=7], None)),
        ("02 0a 19 01 01 00 02", ack(&[9..=10, 5..=7], None)),
        ("03 07 19 00 00 01 02 4103", ack(&[7..=7], Some(ecn))),
        ("04 04 4100 80010000", reset),
        ("05 04 0a", Frame::StopSending { id, code: 10 }),
        ("06 4040 03 616263", crypto),
        ("07 02 aabb", token),
        ("0a 04 02 6162", stream(0, false)),
        ("0b 04 02 6162", stream(0, true)),
        ("0e 04 4107 02 6162", stream(0x107, false)),
        ("0f 04 4107 02 6162", stream(0x107, true)),
        ("31 02 6162", Frame::Datagram { data: b"ab" }),
        ("31 00", Frame::Datagram { data: b"" }),
    ]
}

/// RFC 9000 §19.9–§19.14
fn limits() -> Vec<(&'static str, Frame<'static>)> {
    let id = StreamId::from_value(7);
    let maximum = (1 << 62) - 1;
    let (both, one) = (Dir::Bidirectional, Dir::Unidirectional);
    let streams = |direction| Frame::MaxStreams {
        direction,
        maximum: 63,
    };
    let blocked = |direction| Frame::StreamsBlocked {
        direction,
        limit: 63,
    };
    vec![
        ("10 ffffffffffffffff", Frame::MaxData { maximum }),
        ("11 07 7fff", Frame::MaxStreamData { id, maximum: 16383 }),
        ("12 3f", streams(both)),
        ("13 3f", streams(one)),
        ("14 bfffffff", Frame::DataBlocked { limit: 0x3fff_ffff }),
        ("15 07 05", Frame::StreamDataBlocked { id, limit: 5 }),
        ("16 3f", blocked(both)),
        ("17 3f", blocked(one)),
    ]
}

/// RFC 9000 §19.15–§19.20, draft-ietf-quic-ack-frequency §4 and §5
fn connection() -> Vec<(&'static str, Frame<'static>)> {
    let new = |id, reset_token| Frame::NewConnectionId {
        sequence: 2,
        retire_prior_to: 1,
        id,
        reset_token,
    };
    let close = |application, code, frame_type, reason: &'static str| Frame::ConnectionClose {
        application,
        code,
        frame_type,
        reason: reason.as_bytes(),
    };
    let token = std::array::from_fn(|index| index as u8);
    let data = [1, 2, 3, 4, 5, 6, 7, 8];
    let frequency = Frame::AckFrequency {
        sequence: 1,
        ack_eliciting_threshold: 2,
        max_ack_delay_us: 0x103,
        reordering_threshold: 4,
    };
    vec![
        (
            "18 02 01 04 01020304 000102030405060708090a0b0c0d0e0f",
            new(id(&[1, 2, 3, 4]), token),
        ),
        (
            "18 02 01 14 0707070707070707070707070707070707070707 000102030405060708090a0b0c0d0e0f",
            new(id(&[7; 20]), token),
        ),
        ("19 01", Frame::RetireConnectionId { sequence: 1 }),
        ("1a 0102030405060708", Frame::PathChallenge { data }),
        ("1b 0102030405060708", Frame::PathResponse { data }),
        ("1c 0a 06 03 627965", close(false, 10, Some(6), "bye")),
        ("1c 00 00 00", close(false, 0, None, "")),
        ("1d 4100 03 627965", close(true, 0x100, None, "bye")),
        ("1e", Frame::HandshakeDone),
        ("1f", Frame::ImmediateAck),
        ("40af 01 02 4103 04", frequency),
    ]
}
