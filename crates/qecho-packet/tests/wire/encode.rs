//! Frames as bytes, each integer in as few as it takes.

use qecho_packet::{
    Dir,
    wire::{Ack, Frame},
};

/// A variable-length integer (RFC 9000 §16).
fn varint(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    match value {
        0..=0x3f => vec![bytes[7]],
        0x40..=0x3fff => vec![0x40 | bytes[6], bytes[7]],
        0x4000..=0x3fff_ffff => [&[0x80 | bytes[4]], &bytes[5..]].concat(),
        _ => [&[0xc0 | bytes[0]], &bytes[1..]].concat(),
    }
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn integers<const N: usize>(values: [u64; N]) -> Vec<u8> {
    values.map(varint).concat()
}

/// Returns a frame's bytes, which tell their length.
pub(crate) fn encode(frame: &Frame<'_>) -> Vec<u8> {
    match frame {
        Frame::Padding { length } => vec![0; *length],
        Frame::Ping => vec![1],
        Frame::Ack(ack) => acknowledgement(ack),
        Frame::ResetStream {
            id,
            code,
            final_size,
        } => integers([4, id.value(), *code, *final_size]),
        Frame::StopSending { id, code } => integers([5, id.value(), *code]),
        Frame::Crypto { offset, data } => [integers([6, *offset]), counted(data)].concat(),
        Frame::NewToken { token } => [vec![7], counted(token)].concat(),
        Frame::Stream {
            id,
            offset,
            fin,
            data,
        } => {
            let frame_type = 0x0e | u64::from(*fin);
            [integers([frame_type, id.value(), *offset]), counted(data)].concat()
        }
        Frame::Datagram { data } => [vec![0x31], counted(data)].concat(),
        frame => control(frame),
    }
}

fn control(frame: &Frame<'_>) -> Vec<u8> {
    let unidirectional = |direction| u64::from(direction == Dir::Unidirectional);
    match *frame {
        Frame::MaxData { maximum } => integers([0x10, maximum]),
        Frame::MaxStreamData { id, maximum } => integers([0x11, id.value(), maximum]),
        Frame::MaxStreams { direction, maximum } => {
            integers([0x12 + unidirectional(direction), maximum])
        }
        Frame::DataBlocked { limit } => integers([0x14, limit]),
        Frame::StreamDataBlocked { id, limit } => integers([0x15, id.value(), limit]),
        Frame::StreamsBlocked { direction, limit } => {
            integers([0x16 + unidirectional(direction), limit])
        }
        Frame::NewConnectionId {
            sequence,
            retire_prior_to,
            id,
            reset_token,
        } => {
            let begin = integers([0x18, sequence, retire_prior_to]);
            [begin, counted(&id), reset_token.to_vec()].concat()
        }
        Frame::RetireConnectionId { sequence } => integers([0x19, sequence]),
        Frame::PathChallenge { data } => [vec![0x1a], data.to_vec()].concat(),
        Frame::PathResponse { data } => [vec![0x1b], data.to_vec()].concat(),
        Frame::ConnectionClose {
            application: false,
            code,
            frame_type,
            reason,
        } => {
            let begin = integers([0x1c, code, frame_type.unwrap_or(0)]);
            [begin, counted(reason)].concat()
        }
        Frame::ConnectionClose { code, reason, .. } => {
            [integers([0x1d, code]), counted(reason)].concat()
        }
        Frame::AckFrequency {
            sequence,
            ack_eliciting_threshold,
            max_ack_delay_us,
            reordering_threshold,
        } => integers([
            0xaf,
            sequence,
            ack_eliciting_threshold,
            max_ack_delay_us,
            reordering_threshold,
        ]),
        Frame::HandshakeDone => vec![0x1e],
        ref frame => {
            assert_eq!(*frame, Frame::ImmediateAck, "no other has no fields");
            vec![0x1f]
        }
    }
}

fn acknowledgement(ack: &Ack) -> Vec<u8> {
    let [first, rest @ ..] = &ack.ranges[..] else {
        panic!("an ACK acknowledges something");
    };
    let length = |range: &std::ops::RangeInclusive<u64>| range.end() - range.start();
    let mut bytes = integers([
        2 + u64::from(ack.ecn.is_some()),
        ack.largest(),
        ack.delay,
        rest.len() as u64,
        length(first),
    ]);
    let mut start = *first.start();
    for range in rest {
        bytes.extend(integers([start - range.end() - 2, length(range)]));
        start = *range.start();
    }
    if let Some(ecn) = ack.ecn {
        bytes.extend(integers([ecn.ect0, ecn.ect1, ecn.ce]));
    }
    bytes
}
