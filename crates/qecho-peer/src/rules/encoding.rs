//! The encoding of frames, and which may be in which packets (RFC 9000 §12.4, §12.5).

use qecho_packet::wire::{Frame, Malformed, whole_integer};

use super::Rule;
use crate::tls::Level;

/// The type of the frame that begins at some bytes, and how many bytes tell it; a cut one is 0.
pub(super) fn frame_type(bytes: &[u8]) -> (u64, usize) {
    let length = bytes.first().map_or(1, |first| 1 << (first >> 6));
    let value = bytes.get(..length).and_then(whole_integer);
    (value.unwrap_or(0), length)
}

/// Returns the rule that a frame breaks which cannot be read.
pub(super) fn malformed(malformed: &Malformed, payload: &[u8]) -> Rule {
    let follows = payload.get(malformed.offset..).unwrap_or_default();
    match malformed.what {
        _ if malformed.frame_type.is_some() => Rule::KnownFrame,
        "ACK: it reaches below 0" => Rule::AckBelowZero,
        // All its bytes are there, and too many for a connection ID.
        "NEW_CONNECTION_ID" if has_long_id(follows) => Rule::NewConnectionIdLength,
        _ => Rule::WholeFrame,
    }
}

/// Tells whether there is a length of more than 20, and as many bytes.
fn has_long_id(bytes: &[u8]) -> bool {
    let split = bytes.split_first();
    split.is_some_and(|(length, rest)| *length > 20 && rest.len() >= usize::from(*length))
}

/// Tells whether a frame may be in a packet (RFC 9000 §12.4, table 3; RFC 9221 §4).
pub(super) fn may_be_in(frame: &Frame<'_>, level: Level) -> bool {
    match frame {
        Frame::Padding { .. } | Frame::Ping => true,
        Frame::ConnectionClose { application, .. } => {
            !application || matches!(level, Level::EarlyData | Level::OneRtt)
        }
        Frame::Ack(_) | Frame::Crypto { .. } => level != Level::EarlyData,
        // A server has no way to elicit the last two before it is done with the handshake.
        Frame::NewToken { .. }
        | Frame::HandshakeDone
        | Frame::PathResponse { .. }
        | Frame::RetireConnectionId { .. } => level == Level::OneRtt,
        _ => matches!(level, Level::EarlyData | Level::OneRtt),
    }
}
