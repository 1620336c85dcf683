//! Names for the numbers of the RFCs.

use qecho_packet::{Direction, Side, trace::Connection, wire::version_name};

/// Names a type of frames (RFC 9000 §12.4, RFC 9221).
pub(crate) fn frame_type(number: u64) -> String {
    let name = match number {
        0x00 => "PADDING",
        0x01 => "PING",
        0x02 | 0x03 => "ACK",
        0x04 => "RESET_STREAM",
        0x05 => "STOP_SENDING",
        0x06 => "CRYPTO",
        0x07 => "NEW_TOKEN",
        0x08..=0x0f => "STREAM",
        0x10 => "MAX_DATA",
        0x11 => "MAX_STREAM_DATA",
        0x12 | 0x13 => "MAX_STREAMS",
        0x14 => "DATA_BLOCKED",
        0x15 => "STREAM_DATA_BLOCKED",
        0x16 | 0x17 => "STREAMS_BLOCKED",
        0x18 => "NEW_CONNECTION_ID",
        0x19 => "RETIRE_CONNECTION_ID",
        0x1a => "PATH_CHALLENGE",
        0x1b => "PATH_RESPONSE",
        0x1c | 0x1d => "CONNECTION_CLOSE",
        0x1e => "HANDSHAKE_DONE",
        0x1f => "IMMEDIATE_ACK",
        0x30 | 0x31 => "DATAGRAM",
        0xaf => "ACK_FREQUENCY",
        _ => return format!("{number:#04x}"),
    };
    format!("{number:#04x} {name}")
}

/// Names a version of QUIC.
pub fn version(version: u32) -> String {
    version_name(version).unwrap_or_else(|| format!("{version:#010x}"))
}

/// Names the ECN bits of a datagram (RFC 3168 §5), if there are any.
pub(crate) fn ecn(bits: u8) -> Option<&'static str> {
    match bits & 0x03 {
        0b00 => None,
        0b01 => Some("ECT(1)"),
        0b10 => Some("ECT(0)"),
        _ => Some("CE"),
    }
}

/// Names a side.
pub(crate) fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

/// Tells which side sent what passed, seen from one of them.
pub(crate) fn sender(connection: &Connection, direction: Direction) -> Side {
    match (connection.side, direction) {
        (side, Direction::Sent) => side,
        (Side::Client, Direction::Received) => Side::Server,
        (Side::Server, Direction::Received) => Side::Client,
    }
}

/// Names who sent what passed.
pub(crate) fn sender_name(connection: Option<&Connection>, direction: Direction) -> &'static str {
    match (connection, direction) {
        (Some(connection), _) => match sender(connection, direction) {
            Side::Client => "the client",
            Side::Server => "the server",
        },
        (None, Direction::Sent) => "this side",
        (None, Direction::Received) => "the peer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_ecn_bits_have_names() {
        assert_eq!(version(1), "1");
        assert_eq!(version(0x6b33_43cf), "2");
        assert_eq!(version(0x1a2a_3a4a), "0x1a2a3a4a (grease)");
        assert_eq!(version(0xff00_001d), "draft-29");
        assert_eq!(version(0xdead_beef), "0xdeadbeef");
        assert_eq!(
            [0, 1, 2, 3].map(ecn),
            [None, Some("ECT(1)"), Some("ECT(0)"), Some("CE")]
        );
    }
}
