//! Frames (QUIC events §8.13).

use std::ops::RangeInclusive;

use serde::{Serialize, Serializer};

use super::{
    close::{UNKNOWN, error_name},
    record::milliseconds,
    value::{hex, object, raw, token},
};
use crate::{
    Dir,
    trace::AnnotatedFrame,
    wire::{Ack, Frame},
};

/// A frame as it is written. ACK_FREQUENCY and IMMEDIATE_ACK are unknown ones
/// to the draft: only their type can be told.
pub(super) struct FrameRecord<'a>(pub(super) &'a AnnotatedFrame<'a>);

/// Writes a frame: its name, and its other members.
macro_rules! frame {
    ($serializer:ident, $name:literal $(, $($members:tt)+)?) => {
        object! { frame_type: $name $(, $($members)+)? }.serialize($serializer)
    };
}

impl Serialize for FrameRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.frame {
            Frame::Padding { length } => frame!(serializer, "padding", raw: whole(*length)),
            Frame::Ping => frame!(serializer, "ping"),
            Frame::Ack(Ack { ranges, ecn, .. }) => frame!(
                serializer, "ack",
                ack_delay?: self.0.ack_delay.map(milliseconds),
                acked_ranges: ascending(ranges),
                ect1?: ecn.map(|counts| counts.ect1),
                ect0?: ecn.map(|counts| counts.ect0),
                ce?: ecn.map(|counts| counts.ce),
            ),
            Frame::ResetStream {
                id,
                code,
                final_size,
            } => frame!(
                serializer, "reset_stream",
                stream_id: id.value(), error: UNKNOWN, error_code: code, final_size: final_size,
            ),
            Frame::StopSending { id, code } => frame!(
                serializer, "stop_sending",
                stream_id: id.value(), error: UNKNOWN, error_code: code,
            ),
            Frame::Crypto { offset, data } => {
                frame!(serializer, "crypto", offset: offset, raw: whole(data.len()))
            }
            Frame::NewToken { token: bytes } => {
                frame!(serializer, "new_token", token: token(Some("resumption"), bytes))
            }
            Frame::Stream {
                id,
                offset,
                fin,
                data,
            } => frame!(
                serializer, "stream",
                stream_id: id.value(), offset: offset, fin?: fin.then_some(true),
                raw: whole(data.len()),
            ),
            Frame::Datagram { data } => frame!(serializer, "datagram", raw: whole(data.len())),
            frame => write_control(frame, serializer),
        }
    }
}

/// Writes a frame about limits, connection IDs, paths or the end.
fn write_control<S: Serializer>(frame: &Frame<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    match frame {
        Frame::MaxData { maximum } => frame!(serializer, "max_data", maximum: maximum),
        Frame::MaxStreamData { id, maximum } => frame!(
            serializer, "max_stream_data", stream_id: id.value(), maximum: maximum
        ),
        Frame::MaxStreams { direction, maximum } => frame!(
            serializer, "max_streams", stream_type: stream_type(*direction), maximum: maximum
        ),
        Frame::DataBlocked { limit } => frame!(serializer, "data_blocked", limit: limit),
        Frame::StreamDataBlocked { id, limit } => frame!(
            serializer, "stream_data_blocked", stream_id: id.value(), limit: limit
        ),
        Frame::StreamsBlocked { direction, limit } => frame!(
            serializer, "streams_blocked", stream_type: stream_type(*direction), limit: limit
        ),
        Frame::NewConnectionId {
            sequence,
            retire_prior_to,
            id,
            reset_token,
        } => frame!(
            serializer, "new_connection_id",
            sequence_number: sequence, retire_prior_to: retire_prior_to,
            connection_id: hex(id), stateless_reset_token: hex(reset_token),
        ),
        Frame::RetireConnectionId { sequence } => {
            frame!(serializer, "retire_connection_id", sequence_number: sequence)
        }
        Frame::PathChallenge { data } => frame!(serializer, "path_challenge", data: hex(data)),
        Frame::PathResponse { data } => frame!(serializer, "path_response", data: hex(data)),
        Frame::ConnectionClose {
            application,
            code,
            frame_type,
            reason,
        } => {
            let (error_space, (error, error_code)) = match application {
                true => ("application", (UNKNOWN.into(), Some(*code))),
                false => ("transport", error_name(*code)),
            };
            let words = std::str::from_utf8(reason).ok();
            frame!(
                serializer, "connection_close",
                error_space: error_space, error: error, error_code?: error_code,
                reason?: words.filter(|words| !words.is_empty()),
                reason_bytes?: words.is_none().then(|| hex(reason)),
                trigger_frame_type?: *frame_type,
            )
        }
        Frame::HandshakeDone => frame!(serializer, "handshake_done"),
        Frame::AckFrequency { .. } => frame!(serializer, "unknown", frame_type_bytes: 0xaf),
        _ => frame!(serializer, "unknown", frame_type_bytes: 0x1f),
    }
}

/// Returns the lengths of neighbouring PADDING frames (QUIC events §8.13.1), or
/// of a frame's data: its Length field is `length` (§8.13.7), not how long the
/// whole frame is.
fn whole(length: usize) -> impl Serialize {
    raw(length, Some(length))
}

/// Returns packet numbers, lowest first; a single one stands alone.
fn ascending(ranges: &[RangeInclusive<u64>]) -> Vec<Vec<u64>> {
    let range = |range: &RangeInclusive<u64>| match range.start() == range.end() {
        true => vec![*range.start()],
        false => vec![*range.start(), *range.end()],
    };
    ranges.iter().rev().map(range).collect()
}

fn stream_type(direction: Dir) -> &'static str {
    match direction {
        Dir::Bidirectional => "bidirectional",
        Dir::Unidirectional => "unidirectional",
    }
}
