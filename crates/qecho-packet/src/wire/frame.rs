//! Frames (RFC 9000 §19, RFC 9221).

mod display;
mod writing;

use std::ops::RangeInclusive;

use super::{
    ConnectionId,
    reader::{Malformed, Reader},
};
use crate::stream_id::{Dir, StreamId};

/// A frame; what it carries is borrowed from its packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// §19.1; neighbours are joined.
    Padding {
        /// Number of frames.
        length: usize,
    },
    /// §19.2
    Ping,
    /// §19.3
    Ack(Ack),
    /// §19.4
    ResetStream {
        /// The stream that ends.
        id: StreamId,
        /// The application's code.
        code: u64,
        /// Bytes that were sent on the stream in all.
        final_size: u64,
    },
    /// §19.5
    StopSending {
        /// The stream that is not read any more.
        id: StreamId,
        /// The application's code.
        code: u64,
    },
    /// §19.6
    Crypto {
        /// Offset in the handshake's bytes.
        offset: u64,
        /// TLS messages, or a part of them.
        data: &'a [u8],
    },
    /// §19.7
    NewToken {
        /// For the Initial packets of a later connection.
        token: &'a [u8],
    },
    /// §19.8
    Stream {
        /// The stream.
        id: StreamId,
        /// Offset in the stream.
        offset: u64,
        /// Whether the stream ends with it.
        fin: bool,
        /// The stream's bytes.
        data: &'a [u8],
    },
    /// §19.9
    MaxData {
        /// Bytes in all.
        maximum: u64,
    },
    /// §19.10
    MaxStreamData {
        /// The stream.
        id: StreamId,
        /// Bytes in all.
        maximum: u64,
    },
    /// §19.11
    MaxStreams {
        /// The kind of streams.
        direction: Dir,
        /// Streams in all.
        maximum: u64,
    },
    /// §19.12
    DataBlocked {
        /// The limit that was met, in bytes.
        limit: u64,
    },
    /// §19.13
    StreamDataBlocked {
        /// The stream.
        id: StreamId,
        /// The limit that was met, in bytes.
        limit: u64,
    },
    /// §19.14
    StreamsBlocked {
        /// The kind of streams.
        direction: Dir,
        /// The limit that was met, in streams.
        limit: u64,
    },
    /// §19.15
    NewConnectionId {
        /// Its place among all that were issued.
        sequence: u64,
        /// All before this one are to be retired.
        retire_prior_to: u64,
        /// The connection ID.
        id: ConnectionId,
        /// The last bytes of a stateless reset for it.
        reset_token: [u8; 16],
    },
    /// §19.16
    RetireConnectionId {
        /// Its place among all that were issued.
        sequence: u64,
    },
    /// §19.17
    PathChallenge {
        /// Bytes that the answer must repeat.
        data: [u8; 8],
    },
    /// §19.18
    PathResponse {
        /// Bytes of the challenge.
        data: [u8; 8],
    },
    /// §19.19
    ConnectionClose {
        /// Whether the application closes, and not the transport.
        application: bool,
        /// The code, of the application's or of RFC 9000 §20.1.
        code: u64,
        /// The type of the frame that was at fault, if one was.
        frame_type: Option<u64>,
        /// The reason, which ought to be UTF-8.
        reason: &'a [u8],
    },
    /// §19.20
    HandshakeDone,
    /// RFC 9221 §4
    Datagram {
        /// The application's bytes.
        data: &'a [u8],
    },
    /// draft-ietf-quic-ack-frequency §4
    AckFrequency {
        /// Its place among all that were sent.
        sequence: u64,
        /// Ack-eliciting packets that need no acknowledgement yet.
        ack_eliciting_threshold: u64,
        /// Microseconds until one is due at the latest.
        max_ack_delay_us: u64,
        /// Packets out of order that need none yet.
        reordering_threshold: u64,
    },
    /// draft-ietf-quic-ack-frequency §5
    ImmediateAck,
}

/// An acknowledgement (RFC 9000 §19.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Time for which it was held back, in units of the sender's
    /// `ack_delay_exponent`.
    pub delay: u64,
    /// The packet numbers that have arrived: as they are read, highest first.
    pub ranges: Vec<RangeInclusive<u64>>,
    /// Counts of packets with ECN marks, if they are told.
    pub ecn: Option<EcnCounts>,
}

impl Frame<'_> {
    /// Tells whether a packet with such frames alone only probes its path: with any other, its
    /// sender uses the path (RFC 9000 §9.1).
    pub fn is_probing(&self) -> bool {
        matches!(
            self,
            Self::PathChallenge { .. }
                | Self::PathResponse { .. }
                | Self::NewConnectionId { .. }
                | Self::Padding { .. }
        )
    }
}

impl Ack {
    /// Returns the highest packet number that has arrived.
    pub fn largest(&self) -> u64 {
        self.ranges.first().map_or(0, |range| *range.end())
    }
}

/// Packets that have arrived, by their ECN marks (RFC 9000 §19.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcnCounts {
    /// Marked ECT(0).
    pub ect0: u64,
    /// Marked ECT(1).
    pub ect1: u64,
    /// Marked as having met congestion.
    pub ce: u64,
}

/// The frames of a packet, in their order.
#[derive(Clone, Debug)]
pub struct Frames<'a>(Reader<'a>);

/// Reads the frames of a packet's payload. A malformed one is the last.
pub fn frames(payload: &[u8]) -> Frames<'_> {
    Frames(Reader::new(payload))
}

impl Frames<'_> {
    /// Returns how many bytes of the payload were read.
    pub fn offset(&self) -> usize {
        self.0.offset()
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_item(read)
    }
}

fn read<'a>(reader: &mut Reader<'a>) -> Result<Frame<'a>, Malformed> {
    let begin = *reader;
    let padding = reader.skip_while(0);
    if padding > 0 {
        return Ok(Frame::Padding { length: padding });
    }
    let frame_type = reader.varint("frame type")?;
    Ok(match frame_type {
        0x01 => Frame::Ping,
        0x02 | 0x03 => Frame::Ack(ack(reader, frame_type == 0x03)?),
        0x04 => Frame::ResetStream {
            id: stream_id(reader, "RESET_STREAM")?,
            code: reader.varint("RESET_STREAM")?,
            final_size: reader.varint("RESET_STREAM")?,
        },
        0x05 => Frame::StopSending {
            id: stream_id(reader, "STOP_SENDING")?,
            code: reader.varint("STOP_SENDING")?,
        },
        0x06 => Frame::Crypto {
            offset: reader.varint("CRYPTO")?,
            data: reader.take_counted("CRYPTO")?,
        },
        0x07 => Frame::NewToken {
            token: reader.take_counted("NEW_TOKEN")?,
        },
        0x08..=0x0f => stream(reader, frame_type)?,
        0x10..=0x17 => flow_control(reader, frame_type)?,
        0x18..=0x1b => path(reader, frame_type)?,
        0x1c | 0x1d => close(reader, frame_type)?,
        0x1e => Frame::HandshakeDone,
        0x1f => Frame::ImmediateAck,
        0x30 => Frame::Datagram {
            data: reader.take_rest(),
        },
        0x31 => Frame::Datagram {
            data: reader.take_counted("DATAGRAM")?,
        },
        0xaf => Frame::AckFrequency {
            sequence: reader.varint("ACK_FREQUENCY")?,
            ack_eliciting_threshold: reader.varint("ACK_FREQUENCY")?,
            max_ack_delay_us: reader.varint("ACK_FREQUENCY")?,
            reordering_threshold: reader.varint("ACK_FREQUENCY")?,
        },
        _ => {
            let frame_type = Some(frame_type);
            return Err(Malformed {
                frame_type,
                ..begin.malformed("frame")
            });
        }
    })
}

fn stream_id(reader: &mut Reader<'_>, what: &'static str) -> Result<StreamId, Malformed> {
    reader.varint(what).map(StreamId::from_value)
}

fn ack(reader: &mut Reader<'_>, with_ecn: bool) -> Result<Ack, Malformed> {
    let begin = *reader;
    let underrun = || begin.malformed("ACK: it reaches below 0");
    let mut end = reader.varint("ACK")?;
    let delay = reader.varint("ACK")?;
    let more = reader.varint("ACK")?;
    let mut ranges = Vec::new();
    let first = reader.varint("ACK")?;
    let mut start = end.checked_sub(first).ok_or_else(underrun)?;
    ranges.push(start..=end);
    // Each range takes two bytes at least, so a lie about their number ends
    // with the packet.
    for _ in 0..more {
        let gap = reader.varint("ACK")?;
        end = start.checked_sub(gap + 2).ok_or_else(underrun)?;
        let length = reader.varint("ACK")?;
        start = end.checked_sub(length).ok_or_else(underrun)?;
        ranges.push(start..=end);
    }
    let ecn = match with_ecn {
        false => None,
        true => Some(EcnCounts {
            ect0: reader.varint("ACK")?,
            ect1: reader.varint("ACK")?,
            ce: reader.varint("ACK")?,
        }),
    };
    Ok(Ack { delay, ranges, ecn })
}

fn stream<'a>(reader: &mut Reader<'a>, frame_type: u64) -> Result<Frame<'a>, Malformed> {
    let id = stream_id(reader, "STREAM")?;
    let offset = match frame_type & 0x04 {
        0 => 0,
        _ => reader.varint("STREAM")?,
    };
    let data = match frame_type & 0x02 {
        0 => reader.take_rest(),
        _ => reader.take_counted("STREAM")?,
    };
    let fin = frame_type & 0x01 != 0;
    Ok(Frame::Stream {
        id,
        offset,
        fin,
        data,
    })
}

fn flow_control<'a>(reader: &mut Reader<'a>, frame_type: u64) -> Result<Frame<'a>, Malformed> {
    let direction = match frame_type & 0x01 {
        0 => Dir::Bidirectional,
        _ => Dir::Unidirectional,
    };
    Ok(match frame_type {
        0x10 => Frame::MaxData {
            maximum: reader.varint("MAX_DATA")?,
        },
        0x11 => Frame::MaxStreamData {
            id: stream_id(reader, "MAX_STREAM_DATA")?,
            maximum: reader.varint("MAX_STREAM_DATA")?,
        },
        0x12 | 0x13 => Frame::MaxStreams {
            direction,
            maximum: reader.varint("MAX_STREAMS")?,
        },
        0x14 => Frame::DataBlocked {
            limit: reader.varint("DATA_BLOCKED")?,
        },
        0x15 => Frame::StreamDataBlocked {
            id: stream_id(reader, "STREAM_DATA_BLOCKED")?,
            limit: reader.varint("STREAM_DATA_BLOCKED")?,
        },
        _ => Frame::StreamsBlocked {
            direction,
            limit: reader.varint("STREAMS_BLOCKED")?,
        },
    })
}

fn path<'a>(reader: &mut Reader<'a>, frame_type: u64) -> Result<Frame<'a>, Malformed> {
    Ok(match frame_type {
        0x18 => Frame::NewConnectionId {
            sequence: reader.varint("NEW_CONNECTION_ID")?,
            retire_prior_to: reader.varint("NEW_CONNECTION_ID")?,
            id: {
                let begin = *reader;
                let length = reader.byte("NEW_CONNECTION_ID")?.into();
                let bytes = reader.take(length, "NEW_CONNECTION_ID")?;
                ConnectionId::new(bytes).ok_or(begin.malformed("NEW_CONNECTION_ID"))?
            },
            reset_token: reader.array("NEW_CONNECTION_ID")?,
        },
        0x19 => Frame::RetireConnectionId {
            sequence: reader.varint("RETIRE_CONNECTION_ID")?,
        },
        0x1a => Frame::PathChallenge {
            data: reader.array("PATH_CHALLENGE")?,
        },
        _ => Frame::PathResponse {
            data: reader.array("PATH_RESPONSE")?,
        },
    })
}

fn close<'a>(reader: &mut Reader<'a>, frame_type: u64) -> Result<Frame<'a>, Malformed> {
    let application = frame_type == 0x1d;
    Ok(Frame::ConnectionClose {
        application,
        code: reader.varint("CONNECTION_CLOSE")?,
        frame_type: match application {
            true => None,
            false => Some(reader.varint("CONNECTION_CLOSE")?).filter(|frame_type| *frame_type > 0),
        },
        reason: reader.take_counted("CONNECTION_CLOSE")?,
    })
}
