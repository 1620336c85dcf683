//! Frames that must not be in 0-RTT packets (RFC 9000 §12.5, RFC 9001 §8.3).

use bytes::BytesMut;
use qecho_packet::wire::{Frame, frames};

/// An empty CRYPTO frame: the state machine refuses it in 0-RTT as PROTOCOL_VIOLATION.
const CRYPTO: [u8; 3] = [0x06, 0, 0];

/// Makes the state machine refuse a 0-RTT packet with a frame that answers something, or that
/// a server sends: it would take an acknowledgement or a retired connection ID as if it could
/// have one. A malformed frame it finds itself.
#[cold]
pub(super) fn refuse_illegal(payload: &mut BytesMut) {
    let is_illegal = frames(payload).flatten().any(|frame| {
        matches!(
            frame,
            Frame::Ack { .. }
                | Frame::Crypto { .. }
                | Frame::NewToken { .. }
                | Frame::RetireConnectionId { .. }
                | Frame::PathResponse { .. }
                | Frame::HandshakeDone
        )
    });
    if is_illegal {
        payload.clear();
        payload.extend_from_slice(&CRYPTO);
    }
}
