//! Headers and frames as they are written, and read again.

use std::ops::RangeInclusive;

use qecho_packet::{
    Dir, StreamId,
    wire::{
        Ack, ConnectionId, EcnCounts, Frame, Header, INTEGER_MAX, PacketType, frames, packets,
        write_integer,
    },
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::sample::{delimited, hex, id, last};

const SEED: u64 = 9000;

fn written(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    frame.write(&mut out);
    out
}

fn acknowledging(ranges: &[RangeInclusive<u64>]) -> Frame<'static> {
    Frame::Ack(Ack {
        delay: 25,
        ranges: ranges.to_vec(),
        ecn: None,
    })
}

/// A range without packets.
fn none() -> RangeInclusive<u64> {
    RangeInclusive::new(6, 4)
}

#[test]
fn every_frame_is_written_as_its_section_has_it() {
    for (bytes, frame) in delimited() {
        assert_eq!(written(&frame), bytes, "{frame:?}");
    }
    // Those that reach to the end of their packet tell their length as well.
    for (bytes, frame) in last() {
        let (head, data) = bytes.split_at(bytes.len() - 2);
        let with_length = [&[head[0] | if head[0] == 0x30 { 1 } else { 2 }], &head[1..]];
        assert_eq!(
            written(&frame),
            [&with_length.concat(), &[2][..], data].concat()
        );
    }
}

#[test]
fn ranges_of_packets_are_written_highest_first_and_joined() {
    let any = [20..=30, 7..=7, 40..=45, 31..=31, 12..=22, none(), 0..=4];
    let same = [40..=45, 12..=31, 7..=7, 0..=4];
    assert_eq!(
        written(&acknowledging(&any)),
        written(&acknowledging(&same))
    );
    let bytes = written(&acknowledging(&any));
    assert_eq!(frames(&bytes).next(), Some(Ok(acknowledging(&same))));
    let all = acknowledging(&[0..=5, 6..=INTEGER_MAX]);
    let bytes = written(&all);
    assert_eq!(
        frames(&bytes).next(),
        Some(Ok(acknowledging(&[0..=INTEGER_MAX])))
    );
}

#[test]
fn frames_that_no_bytes_can_say_are_refused() {
    let maximum = INTEGER_MAX + 1;
    let nothing = [acknowledging(&[]), acknowledging(&[none()])];
    for frame in nothing.into_iter().chain([Frame::MaxData { maximum }]) {
        let write = || written(&frame);
        assert!(std::panic::catch_unwind(write).is_err(), "{frame:?}");
    }
}

/// An integer of any length on the wire.
fn integer(random: &mut StdRng) -> u64 {
    let bits = random.random_range(0..=62);
    random.random::<u64>() & ((1 << bits) - 1)
}

fn bytes(random: &mut StdRng, most: usize) -> Vec<u8> {
    let length = random.random_range(0..=most);
    (0..length).map(|_| random.random()).collect()
}

fn connection_id(random: &mut StdRng) -> ConnectionId {
    id(&bytes(random, ConnectionId::LENGTH_MAX))
}

fn ranges(random: &mut StdRng) -> Vec<RangeInclusive<u64>> {
    let mut ranges = Vec::new();
    let mut next = Some(integer(random));
    while let Some(end) = next {
        let start = end.saturating_sub(integer(random) >> random.random_range(0..62));
        ranges.push(start..=end);
        let gap = 2 + (integer(random) >> random.random_range(0..62));
        next = start.checked_sub(gap).filter(|_| ranges.len() < 40);
    }
    ranges
}

fn ecn_counts(random: &mut StdRng) -> EcnCounts {
    EcnCounts {
        ect0: integer(random),
        ect1: integer(random),
        ce: integer(random),
    }
}

/// A frame of the same kind, with any values; `data` is what it carries.
fn any_like<'a>(kind: &Frame<'_>, random: &mut StdRng, data: &'a [u8]) -> Frame<'a> {
    let (id, code) = (StreamId::from_value(integer(random)), integer(random));
    let [fin, application] = random.random::<[bool; 2]>();
    let offset = integer(random) * u64::from(application);
    let maximum = integer(random);
    let direction = [Dir::Bidirectional, Dir::Unidirectional][usize::from(fin)];
    match kind {
        Frame::Padding { .. } => Frame::Padding {
            length: random.random_range(1..100),
        },
        Frame::Ping => Frame::Ping,
        Frame::Ack(_) => Frame::Ack(Ack {
            delay: code,
            ranges: ranges(random),
            ecn: fin.then(|| ecn_counts(random)),
        }),
        Frame::ResetStream { .. } => Frame::ResetStream {
            id,
            code,
            final_size: maximum,
        },
        Frame::StopSending { .. } => Frame::StopSending { id, code },
        Frame::Crypto { .. } => Frame::Crypto { offset, data },
        Frame::NewToken { .. } => Frame::NewToken { token: data },
        Frame::Stream { .. } => Frame::Stream {
            id,
            offset,
            fin,
            data,
        },
        Frame::MaxData { .. } => Frame::MaxData { maximum },
        Frame::MaxStreamData { .. } => Frame::MaxStreamData { id, maximum },
        Frame::MaxStreams { .. } => Frame::MaxStreams { direction, maximum },
        Frame::DataBlocked { .. } => Frame::DataBlocked { limit: maximum },
        Frame::StreamDataBlocked { .. } => Frame::StreamDataBlocked { id, limit: maximum },
        Frame::StreamsBlocked { .. } => Frame::StreamsBlocked {
            direction,
            limit: maximum,
        },
        Frame::NewConnectionId { .. } => Frame::NewConnectionId {
            sequence: code,
            retire_prior_to: maximum,
            id: connection_id(random),
            reset_token: random.random(),
        },
        Frame::RetireConnectionId { .. } => Frame::RetireConnectionId { sequence: code },
        Frame::PathChallenge { .. } => Frame::PathChallenge {
            data: random.random(),
        },
        Frame::PathResponse { .. } => Frame::PathResponse {
            data: random.random(),
        },
        Frame::ConnectionClose { .. } => Frame::ConnectionClose {
            application,
            code,
            frame_type: Some(maximum).filter(|one| !application && *one > 0),
            reason: data,
        },
        Frame::HandshakeDone => Frame::HandshakeDone,
        Frame::Datagram { .. } => Frame::Datagram { data },
        Frame::AckFrequency { .. } => Frame::AckFrequency {
            sequence: code,
            ack_eliciting_threshold: offset,
            max_ack_delay_us: maximum,
            reordering_threshold: integer(random),
        },
        Frame::ImmediateAck => Frame::ImmediateAck,
    }
}

#[test]
fn frames_of_any_values_are_read_as_they_were_written() {
    let mut random = StdRng::seed_from_u64(SEED);
    let kinds = delimited();
    for round in 0..4_000 {
        let data = bytes(&mut random, 200);
        let mut out = Vec::new();
        let mut chosen: Vec<Frame<'_>> = Vec::new();
        for _ in 0..random.random_range(1..8) {
            let (_, kind) = &kinds[random.random_range(0..kinds.len())];
            let frame = any_like(kind, &mut random, &data);
            let pads = |frame: Option<&Frame<'_>>| matches!(frame, Some(Frame::Padding { .. }));
            // Neighbouring PADDING frames would be one.
            if !pads(Some(&frame)) || !pads(chosen.last()) {
                frame.write(&mut out);
                chosen.push(frame);
            }
        }
        let read: Result<Vec<_>, _> = frames(&out).collect();
        assert_eq!(read.as_ref(), Ok(&chosen), "round {round}");
    }
}

/// Returns the header of a packet that has this one and, behind it, as little as can be.
fn read_back(header: &Header) -> Header {
    let mut out = Vec::new();
    header.write(&mut out);
    match header.packet_type {
        PacketType::Initial | PacketType::ZeroRtt | PacketType::Handshake => {
            write_integer(&mut out, 0);
        }
        PacketType::Retry => out.extend([0; 16]),
        PacketType::OneRtt => out.push(0),
        PacketType::VersionNegotiation | PacketType::Unknown => {}
    }
    let mut read = packets(&out, header.destination.len());
    let packet = read.next().expect("there is one").expect("it is a packet");
    assert!(read.rest().is_empty(), "{header:?}");
    packet.header
}

/// A header of any kind with any values.
fn any_header(random: &mut StdRng) -> Header {
    let (destination, source) = (connection_id(random), connection_id(random));
    let version_1 = |packet_type| Header::long(packet_type, 1, destination, source);
    match random.random_range(0..7) {
        0 => Header {
            token: bytes(random, 300),
            ..version_1(PacketType::Initial)
        },
        1 => version_1(PacketType::ZeroRtt),
        2 => version_1(PacketType::Handshake),
        3 => Header {
            token: bytes(random, 300),
            ..version_1(PacketType::Retry)
        },
        4 => Header {
            versions: (0..random.random_range(0..9))
                .map(|_| random.random())
                .collect(),
            ..Header::long(PacketType::VersionNegotiation, 0, destination, source)
        },
        5 => {
            let version = random.random_range(2..0xff00_0000);
            Header::long(PacketType::Unknown, version, destination, source)
        }
        _ => Header {
            spin: random.random(),
            ..Header::short(destination)
        },
    }
}

#[test]
fn headers_of_any_values_are_read_as_they_were_written() {
    let mut random = StdRng::seed_from_u64(SEED);
    for _ in 0..20_000 {
        let header = any_header(&mut random);
        assert_eq!(read_back(&header), header);
    }
}

#[test]
fn headers_are_written_as_their_section_has_them() {
    let (destination, source) = (id(&[1, 2, 3, 4, 5, 6, 7, 8]), id(&[9]));
    let long = |packet_type| Header::long(packet_type, 1, destination, source);
    let initial = Header {
        token: vec![0xaa; 64],
        ..long(PacketType::Initial)
    };
    let retry = Header {
        token: b"token".to_vec(),
        ..long(PacketType::Retry)
    };
    let negotiation = Header {
        versions: vec![1, 0x6b33_43cf],
        ..Header::long(PacketType::VersionNegotiation, 0, destination, source)
    };
    let spinning = Header {
        spin: true,
        ..Header::short(destination)
    };
    let ids = "08 0102030405060708 01 09";
    let token = "aa".repeat(64);
    for (header, digits) in [
        (initial, format!("c0 00000001 {ids} 4040 {token}")),
        (long(PacketType::Initial), format!("c0 00000001 {ids} 00")),
        (long(PacketType::ZeroRtt), format!("d0 00000001 {ids}")),
        (long(PacketType::Handshake), format!("e0 00000001 {ids}")),
        (retry, format!("f0 00000001 {ids} 746f6b656e")),
        (negotiation, format!("c0 00000000 {ids} 00000001 6b3343cf")),
        (Header::short(destination), "40 0102030405060708".into()),
        (spinning, "60 0102030405060708".into()),
    ] {
        let mut out = vec![7];
        header.write(&mut out);
        assert_eq!(out, [vec![7], hex(&digits)].concat(), "{header:?}");
    }
}

#[test]
fn headers_of_drafts_whose_connection_ids_share_a_byte_for_lengths_are_written_so() {
    for digits in [
        "c0 51303436 50 0102030405060708",
        "c0 ff000015 12 01020304 0a0b0c0d0e",
    ] {
        let datagram = hex(digits);
        let read = packets(&datagram, 0).next().expect("there is one");
        let header = read.expect("it is a packet").header;
        let mut out = Vec::new();
        header.write(&mut out);
        assert_eq!(out, datagram);
    }
}
