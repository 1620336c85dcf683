//! Frames (QUIC events §8.13).

use std::{ops::RangeInclusive, time::Duration};

use serde::{Serialize, Serializer};

use super::{
    close::ErrorName,
    record::milliseconds,
    value::{Hex, RawInfo, Token, hex},
};
use crate::{
    Dir,
    trace::AnnotatedFrame,
    wire::{Ack, Frame},
};

/// A frame as it is written. ACK_FREQUENCY and IMMEDIATE_ACK are unknown ones
/// to the draft: only their type can be told.
#[derive(Serialize)]
#[serde(tag = "frame_type", rename_all = "snake_case")]
pub(super) enum FrameRecord<'a> {
    Padding {
        raw: RawInfo<'a>,
    },
    Ping {},
    Ack(AckRecord<'a>),
    ResetStream {
        stream_id: u64,
        error: ErrorName,
        error_code: u64,
        final_size: u64,
    },
    StopSending {
        stream_id: u64,
        error: ErrorName,
        error_code: u64,
    },
    Crypto {
        offset: u64,
        raw: RawInfo<'a>,
    },
    NewToken {
        token: Token<'a>,
    },
    Stream {
        stream_id: u64,
        offset: u64,
        #[serde(skip_serializing_if = "is_false")]
        fin: bool,
        raw: RawInfo<'a>,
    },
    MaxData {
        maximum: u64,
    },
    MaxStreamData {
        stream_id: u64,
        maximum: u64,
    },
    MaxStreams {
        stream_type: &'static str,
        maximum: u64,
    },
    DataBlocked {
        limit: u64,
    },
    StreamDataBlocked {
        stream_id: u64,
        limit: u64,
    },
    StreamsBlocked {
        stream_type: &'static str,
        limit: u64,
    },
    NewConnectionId {
        sequence_number: u64,
        retire_prior_to: u64,
        connection_id: Hex<'a>,
        stateless_reset_token: Hex<'a>,
    },
    RetireConnectionId {
        sequence_number: u64,
    },
    PathChallenge {
        data: Hex<'a>,
    },
    PathResponse {
        data: Hex<'a>,
    },
    ConnectionClose(CloseRecord<'a>),
    HandshakeDone {},
    Unknown {
        frame_type_bytes: u64,
    },
    Datagram {
        raw: RawInfo<'a>,
    },
}

#[derive(Serialize)]
pub(super) struct AckRecord<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ack_delay: Option<f64>,
    acked_ranges: AckedRanges<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ect1: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ect0: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ce: Option<u64>,
}

/// Packet numbers, lowest first; a single one stands alone.
struct AckedRanges<'a>(&'a [RangeInclusive<u64>]);

#[derive(Serialize)]
pub(super) struct CloseRecord<'a> {
    error_space: &'static str,
    error: ErrorName,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_bytes: Option<Hex<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_frame_type: Option<u64>,
}

impl<'a> From<&'a AnnotatedFrame<'_>> for FrameRecord<'a> {
    fn from(noted: &'a AnnotatedFrame<'_>) -> Self {
        match &noted.frame {
            Frame::Padding { length } => Self::Padding {
                raw: RawInfo::of_padding(*length),
            },
            Frame::Ping => Self::Ping {},
            Frame::Ack(ack) => Self::Ack(AckRecord::new(ack, noted.ack_delay)),
            Frame::ResetStream {
                id,
                code,
                final_size,
            } => Self::ResetStream {
                stream_id: id.value(),
                error: ErrorName::Unknown,
                error_code: *code,
                final_size: *final_size,
            },
            Frame::StopSending { id, code } => Self::StopSending {
                stream_id: id.value(),
                error: ErrorName::Unknown,
                error_code: *code,
            },
            Frame::Crypto { offset, data } => Self::Crypto {
                offset: *offset,
                raw: RawInfo::of_data(data),
            },
            Frame::NewToken { token } => Self::NewToken {
                token: Token::new(Some("resumption"), token),
            },
            Frame::Stream {
                id,
                offset,
                fin,
                data,
            } => Self::Stream {
                stream_id: id.value(),
                offset: *offset,
                fin: *fin,
                raw: RawInfo::of_data(data),
            },
            Frame::Datagram { data } => Self::Datagram {
                raw: RawInfo::of_data(data),
            },
            frame => Self::of_control(frame),
        }
    }
}

impl<'a> FrameRecord<'a> {
    /// Of the frames about limits, connection IDs, paths and the end.
    fn of_control(frame: &'a Frame<'_>) -> Self {
        match frame {
            Frame::MaxData { maximum } => Self::MaxData { maximum: *maximum },
            Frame::MaxStreamData { id, maximum } => Self::MaxStreamData {
                stream_id: id.value(),
                maximum: *maximum,
            },
            Frame::MaxStreams { direction, maximum } => Self::MaxStreams {
                stream_type: stream_type(*direction),
                maximum: *maximum,
            },
            Frame::DataBlocked { limit } => Self::DataBlocked { limit: *limit },
            Frame::StreamDataBlocked { id, limit } => Self::StreamDataBlocked {
                stream_id: id.value(),
                limit: *limit,
            },
            Frame::StreamsBlocked { direction, limit } => Self::StreamsBlocked {
                stream_type: stream_type(*direction),
                limit: *limit,
            },
            Frame::NewConnectionId {
                sequence,
                retire_prior_to,
                id,
                reset_token,
            } => Self::NewConnectionId {
                sequence_number: *sequence,
                retire_prior_to: *retire_prior_to,
                connection_id: hex(id),
                stateless_reset_token: hex(reset_token),
            },
            Frame::RetireConnectionId { sequence } => Self::RetireConnectionId {
                sequence_number: *sequence,
            },
            Frame::PathChallenge { data } => Self::PathChallenge { data: hex(data) },
            Frame::PathResponse { data } => Self::PathResponse { data: hex(data) },
            Frame::ConnectionClose {
                application,
                code,
                frame_type,
                reason,
            } => Self::ConnectionClose(CloseRecord::new(*application, *code, *frame_type, reason)),
            Frame::HandshakeDone => Self::HandshakeDone {},
            frame => Self::Unknown {
                frame_type_bytes: match frame {
                    Frame::AckFrequency { .. } => 0xaf,
                    _ => 0x1f,
                },
            },
        }
    }
}

impl<'a> AckRecord<'a> {
    fn new(ack: &'a Ack, delay: Option<Duration>) -> Self {
        Self {
            ack_delay: delay.map(milliseconds),
            acked_ranges: AckedRanges(&ack.ranges),
            ect1: ack.ecn.map(|counts| counts.ect1),
            ect0: ack.ecn.map(|counts| counts.ect0),
            ce: ack.ecn.map(|counts| counts.ce),
        }
    }
}

impl Serialize for AckedRanges<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let range = |range: &RangeInclusive<u64>| match range.start() == range.end() {
            true => vec![*range.start()],
            false => vec![*range.start(), *range.end()],
        };
        serializer.collect_seq(self.0.iter().rev().map(range))
    }
}

impl<'a> CloseRecord<'a> {
    fn new(application: bool, code: u64, frame_type: Option<u64>, reason: &'a [u8]) -> Self {
        let (error_space, (error, error_code)) = match application {
            true => ("application", (ErrorName::Unknown, Some(code))),
            false => ("transport", ErrorName::of_transport(code)),
        };
        let words = std::str::from_utf8(reason).ok();
        Self {
            error_space,
            error,
            error_code,
            reason: words.filter(|words| !words.is_empty()),
            reason_bytes: words.is_none().then(|| hex(reason)),
            trigger_frame_type: frame_type,
        }
    }
}

fn stream_type(direction: Dir) -> &'static str {
    match direction {
        Dir::Bidirectional => "bidirectional",
        Dir::Unidirectional => "unidirectional",
    }
}

fn is_false(value: &bool) -> bool {
    !value
}
