//! Names for the numbers of the RFCs.

use qecho_engine::Side;
use qecho_packet::{Direction, close::transport_error_name, trace::Connection, wire::version_name};

/// Names an error code of the transport (RFC 9000 §20.1), a TLS alert among
/// them by the name that RFC 8446 §6 gives it.
pub(crate) fn transport_error(code: u64) -> String {
    match (code, transport_error_name(code)) {
        (_, Some(name)) => format!("{name} {code:#04x}"),
        (0x100..=0x1ff, _) => match alert(code as u8) {
            Some(name) => format!("CRYPTO_ERROR {code:#x} {name}"),
            None => format!("CRYPTO_ERROR {code:#x}"),
        },
        _ => format!("unknown error {code:#x}"),
    }
}

fn alert(number: u8) -> Option<String> {
    let camel = match rustls::AlertDescription::from(number) {
        rustls::AlertDescription::Unknown(_) => return None,
        known => format!("{known:?}"),
    };
    let mut name = String::new();
    let letters: Vec<_> = camel.chars().collect();
    for (index, letter) in letters.iter().enumerate() {
        let after_small = index > 0 && letters[index - 1].is_lowercase();
        let before_small = letters
            .get(index + 1)
            .is_some_and(|next| next.is_lowercase());
        if index > 0 && letter.is_uppercase() && (after_small || before_small) {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    Some(name)
}

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
pub(crate) fn version(version: u32) -> String {
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
    fn errors_have_the_names_of_their_rfcs() {
        let cases = [
            (0x00, "NO_ERROR 0x00"),
            (0x0a, "PROTOCOL_VIOLATION 0x0a"),
            (0x10, "NO_VIABLE_PATH 0x10"),
            (0x178, "CRYPTO_ERROR 0x178 no_application_protocol"),
            (0x12a, "CRYPTO_ERROR 0x12a bad_certificate"),
            (0x130, "CRYPTO_ERROR 0x130 unknown_ca"),
            (0x173, "CRYPTO_ERROR 0x173 unknown_psk_identity"),
            (0x1fe, "CRYPTO_ERROR 0x1fe"),
            (0x4242, "unknown error 0x4242"),
        ];
        for (code, name) in cases {
            assert_eq!(transport_error(code), name);
        }
    }

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
