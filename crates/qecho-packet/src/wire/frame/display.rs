//! A frame in the few words that fit beside others on the line of its packet.

use std::{fmt, ops::RangeInclusive};

use super::{Ack, Frame};
use crate::{
    close::error_code,
    text::{counted, extent, said},
};

/// Ranges that an ACK shows; the highest tell what is new.
const RANGES_SHOWN_MAX: usize = 4;

impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Padding { length } => write!(f, "PADDING {length}"),
            Self::Ping => f.write_str("PING"),
            Self::Ack(ack) => write!(f, "ACK {}", ack.in_words(RANGES_SHOWN_MAX)),
            Self::ResetStream {
                id,
                code,
                final_size,
            } => write!(f, "RESET_STREAM {id} code {code} at {final_size}"),
            Self::StopSending { id, code } => write!(f, "STOP_SENDING {id} code {code}"),
            Self::Crypto { offset, data } => write!(f, "CRYPTO {}", extent(*offset, data.len())),
            Self::NewToken { token } => write!(f, "NEW_TOKEN {}", counted(token.len(), "byte")),
            Self::Stream {
                id,
                offset,
                fin,
                data,
            } => {
                let fin = if *fin { " FIN" } else { "" };
                write!(f, "STREAM {id} {}{fin}", extent(*offset, data.len()))
            }
            Self::MaxData { maximum } => write!(f, "MAX_DATA {maximum}"),
            Self::MaxStreamData { id, maximum } => write!(f, "MAX_STREAM_DATA {id}: {maximum}"),
            Self::MaxStreams { direction, maximum } => {
                write!(f, "MAX_STREAMS {} {maximum}", *direction)
            }
            Self::DataBlocked { limit } => write!(f, "DATA_BLOCKED {limit}"),
            Self::StreamDataBlocked { id, limit } => write!(f, "STREAM_DATA_BLOCKED {id}: {limit}"),
            Self::StreamsBlocked { direction, limit } => {
                write!(f, "STREAMS_BLOCKED {} {limit}", *direction)
            }
            Self::NewConnectionId { sequence, .. } => write!(f, "NEW_CONNECTION_ID {sequence}"),
            Self::RetireConnectionId { sequence } => write!(f, "RETIRE_CONNECTION_ID {sequence}"),
            Self::PathChallenge { .. } => f.write_str("PATH_CHALLENGE"),
            Self::PathResponse { .. } => f.write_str("PATH_RESPONSE"),
            Self::ConnectionClose {
                application,
                code,
                reason,
                ..
            } => write!(
                f,
                "CONNECTION_CLOSE {}{}",
                error_code(*application, *code),
                said(reason)
            ),
            Self::HandshakeDone => f.write_str("HANDSHAKE_DONE"),
            Self::Datagram { data } => write!(f, "DATAGRAM {}", counted(data.len(), "byte")),
            Self::AckFrequency { sequence, .. } => write!(f, "ACK_FREQUENCY {sequence}"),
            Self::ImmediateAck => f.write_str("IMMEDIATE_ACK"),
        }
    }
}

impl Ack {
    /// Writes what it acknowledges, lowest first, at most `most` ranges of it.
    pub fn in_words(&self, most: usize) -> String {
        let shown = self.ranges.iter().take(most).rev().map(range);
        let left_out = self.ranges.len().saturating_sub(most);
        let before = match left_out {
            0 => None,
            _ => Some(format!("({} below)", counted(left_out, "range"))),
        };
        let all: Vec<_> = before.into_iter().chain(shown).collect();
        all.join(", ")
    }
}

fn range(range: &RangeInclusive<u64>) -> String {
    let (start, end) = (range.start(), range.end());
    match start == end {
        true => format!("{end}"),
        false => format!("{start}–{end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_ranges_the_highest_are_shown() {
        let ack = Ack {
            delay: 0,
            ranges: (0..100)
                .rev()
                .map(|index| index * 3..=index * 3 + 1)
                .collect(),
            ecn: None,
        };
        assert_eq!(
            Frame::Ack(ack).to_string(),
            "ACK (96 ranges below), 288–289, 291–292, 294–295, 297–298"
        );
    }
}
