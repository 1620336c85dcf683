//! Frames as bytes.

use std::{cmp::Reverse, ops::RangeInclusive};

use super::{Ack, Frame};
use crate::{
    stream_id::Dir,
    wire::writer::{write_counted, write_integer},
};

impl Frame<'_> {
    /// Writes the frame, each integer in as few bytes as it takes.
    ///
    /// STREAM and DATAGRAM frames tell their length, STREAM frames their offset if it is not 0.
    /// [`frames`](super::frames) reads the same frame again, but joins neighbouring PADDING.
    /// The ranges of an ACK frame may come in any order and overlap.
    ///
    /// # Panics
    /// If an integer is larger than [`INTEGER_MAX`](crate::wire::INTEGER_MAX), or an ACK frame
    /// acknowledges nothing: there are no bytes for that.
    pub fn write(&self, out: &mut Vec<u8>) {
        for integer in self.integers() {
            write_integer(out, integer);
        }
        match self {
            Self::Padding { length } => out.resize(out.len() + length, 0),
            Self::Crypto { data, .. } | Self::Stream { data, .. } | Self::Datagram { data } => {
                write_counted(out, data);
            }
            Self::NewToken { token } => write_counted(out, token),
            Self::ConnectionClose { reason, .. } => write_counted(out, reason),
            Self::NewConnectionId {
                id, reset_token, ..
            } => {
                out.push(id.len() as u8);
                out.extend_from_slice(id);
                out.extend_from_slice(reset_token);
            }
            Self::PathChallenge { data } | Self::PathResponse { data } => {
                out.extend_from_slice(data);
            }
            // Integers are all that the others have.
            _ => {}
        }
    }

    /// Returns the integers that a frame begins with: its type, and fields.
    fn integers(&self) -> Vec<u64> {
        match *self {
            // Its type is the byte that it is made of.
            Self::Padding { .. } => Vec::new(),
            Self::Ping => vec![0x01],
            Self::Ack(ref ack) => acknowledgement(ack),
            Self::ResetStream {
                id,
                code,
                final_size,
            } => vec![0x04, id.value(), code, final_size],
            Self::StopSending { id, code } => vec![0x05, id.value(), code],
            Self::Crypto { offset, .. } => vec![0x06, offset],
            Self::NewToken { .. } => vec![0x07],
            Self::Stream {
                id,
                offset,
                fin,
                data: _,
            } => {
                let fin = u64::from(fin);
                match offset {
                    0 => vec![0x0a | fin, id.value()],
                    _ => vec![0x0e | fin, id.value(), offset],
                }
            }
            Self::MaxData { maximum } => vec![0x10, maximum],
            Self::MaxStreamData { id, maximum } => vec![0x11, id.value(), maximum],
            Self::MaxStreams { direction, maximum } => vec![0x12 | of(direction), maximum],
            Self::DataBlocked { limit } => vec![0x14, limit],
            Self::StreamDataBlocked { id, limit } => vec![0x15, id.value(), limit],
            Self::StreamsBlocked { direction, limit } => vec![0x16 | of(direction), limit],
            Self::NewConnectionId {
                sequence,
                retire_prior_to,
                ..
            } => vec![0x18, sequence, retire_prior_to],
            Self::RetireConnectionId { sequence } => vec![0x19, sequence],
            Self::PathChallenge { .. } => vec![0x1a],
            Self::PathResponse { .. } => vec![0x1b],
            Self::ConnectionClose {
                application: false,
                code,
                frame_type,
                ..
            } => vec![0x1c, code, frame_type.unwrap_or(0)],
            Self::ConnectionClose { code, .. } => vec![0x1d, code],
            Self::HandshakeDone => vec![0x1e],
            Self::ImmediateAck => vec![0x1f],
            Self::Datagram { .. } => vec![0x31],
            Self::AckFrequency {
                sequence,
                ack_eliciting_threshold,
                max_ack_delay_us,
                reordering_threshold,
            } => vec![
                0xaf,
                sequence,
                ack_eliciting_threshold,
                max_ack_delay_us,
                reordering_threshold,
            ],
        }
    }
}

/// The bit by which types tell the direction of streams.
fn of(direction: Dir) -> u64 {
    u64::from(direction == Dir::Unidirectional)
}

/// RFC 9000 §19.3.
fn acknowledgement(ack: &Ack) -> Vec<u64> {
    let ranges = descending(&ack.ranges);
    let [first, rest @ ..] = &ranges[..] else {
        panic!("an ACK frame acknowledges a packet");
    };
    let mut integers = vec![
        0x02 | u64::from(ack.ecn.is_some()),
        *first.end(),
        ack.delay,
        rest.len() as u64,
        first.end() - first.start(),
    ];
    let mut start = first.start();
    for range in rest {
        integers.extend([start - range.end() - 2, range.end() - range.start()]);
        start = range.start();
    }
    integers.extend(
        ack.ecn
            .into_iter()
            .flat_map(|ecn| [ecn.ect0, ecn.ect1, ecn.ce]),
    );
    integers
}

/// Returns the same packet numbers, highest first, with one that is missing between ranges.
fn descending(ranges: &[RangeInclusive<u64>]) -> Vec<RangeInclusive<u64>> {
    let mut sorted: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).collect();
    sorted.sort_by_key(|range| Reverse(*range.end()));
    let mut joined: Vec<RangeInclusive<u64>> = Vec::new();
    for range in sorted {
        match joined.last_mut() {
            Some(above) if range.end().saturating_add(1) >= *above.start() => {
                *above = *above.start().min(range.start())..=*above.end();
            }
            _ => joined.push(range.clone()),
        }
    }
    joined
}
