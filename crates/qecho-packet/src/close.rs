//! Reasons for which connections end, and the error codes that say so.

use std::fmt;

use bytes::Bytes;

use crate::text::push_escaped;

/// TLS alert `no_application_protocol` as a QUIC error code
/// (RFC 9001 §4.8, RFC 7301 §3.2).
pub const NO_APPLICATION_PROTOCOL: u64 = 0x178;

/// The peer wants a certificate to be shown (RFC 8446 §6.2, RFC 9001 §4.8).
pub const CERTIFICATE_REQUIRED: u64 = 0x174;

/// The alerts with which a peer refuses a certificate, from bad_certificate to
/// unknown_ca without illegal_parameter.
pub const CERTIFICATE_REFUSED: [u64; 6] = [0x12a, 0x12b, 0x12c, 0x12d, 0x12e, 0x130];

/// APPLICATION_ERROR (RFC 9000 §20.1): the application closed the connection
/// before its handshake was complete, when its own code must not be told.
pub const APPLICATION_ERROR: u64 = 0x0c;

/// CONNECTION_REFUSED (RFC 9000 §20.1).
pub const CONNECTION_REFUSED: u64 = 0x02;

/// CRYPTO_BUFFER_EXCEEDED (RFC 9000 §20.1).
pub const CRYPTO_BUFFER_EXCEEDED: u64 = 0x0d;

/// PROTOCOL_VIOLATION (RFC 9000 §20.1).
pub const PROTOCOL_VIOLATION: u64 = 0x0a;

/// INTERNAL_ERROR (RFC 9000 §20.1).
pub const INTERNAL_ERROR: u64 = 0x01;

/// FLOW_CONTROL_ERROR (RFC 9000 §20.1).
pub const FLOW_CONTROL_ERROR: u64 = 0x03;

/// STREAM_LIMIT_ERROR (RFC 9000 §20.1).
pub const STREAM_LIMIT_ERROR: u64 = 0x04;

/// STREAM_STATE_ERROR (RFC 9000 §20.1).
pub const STREAM_STATE_ERROR: u64 = 0x05;

/// FINAL_SIZE_ERROR (RFC 9000 §20.1).
pub const FINAL_SIZE_ERROR: u64 = 0x06;

/// FRAME_ENCODING_ERROR (RFC 9000 §20.1).
pub const FRAME_ENCODING_ERROR: u64 = 0x07;

/// TRANSPORT_PARAMETER_ERROR (RFC 9000 §20.1).
pub const TRANSPORT_PARAMETER_ERROR: u64 = 0x08;

/// CONNECTION_ID_LIMIT_ERROR (RFC 9000 §20.1).
pub const CONNECTION_ID_LIMIT_ERROR: u64 = 0x09;

/// KEY_UPDATE_ERROR (RFC 9000 §20.1).
pub const KEY_UPDATE_ERROR: u64 = 0x0e;

/// VERSION_NEGOTIATION_ERROR (RFC 9368 §10.2).
pub const VERSION_NEGOTIATION_ERROR: u64 = 0x11;

/// The reason for which a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// We closed it.
    Local,
    /// The peer's application closed it.
    Application {
        /// The application's error code.
        code: u64,
        /// The peer's words, which may be no UTF-8.
        reason: Bytes,
    },
    /// The peer's transport or TLS closed it.
    Peer {
        /// A QUIC transport error code; 0x100 + alert for TLS.
        code: u64,
        /// The peer's words, which may be no UTF-8.
        reason: Bytes,
    },
    /// We found an error in what the peer sent, its certificate included.
    Violation {
        /// A QUIC transport error code; 0x100 + alert for TLS.
        code: u64,
        /// The error, in words.
        reason: String,
    },
    /// Nothing was heard for the idle timeout.
    TimedOut,
    /// The peer lost its state (stateless reset, RFC 9000 §10.3).
    Reset,
    /// The peer speaks no version of ours.
    VersionMismatch,
    /// Our own handshake deadline passed.
    HandshakeDeadline,
    /// Its handshake had to make room for another, when many were under way.
    CrowdedOut,
    /// We were at our memory's limit, and the connection was one of those that held most.
    ShortOfMemory {
        /// Bytes that it held, about.
        held_bytes: u64,
    },
}

impl CloseReason {
    /// Returns the transport error code, if one was given by either side.
    pub fn transport_code(&self) -> Option<u64> {
        match self {
            Self::Peer { code, .. } | Self::Violation { code, .. } => Some(*code),
            _ => None,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("closed by us"),
            Self::Application { code, reason } => {
                f.write_str("closed by the peer")?;
                // A peer that has words needs no code that says nothing.
                if *code != 0 || reason.is_empty() {
                    write!(f, " with application code {code}")?;
                }
                said(f, &String::from_utf8_lossy(reason))
            }
            Self::Peer { code, reason } => {
                write!(f, "closed by the peer with {}", ErrorCode(*code))?;
                said(f, &String::from_utf8_lossy(reason))
            }
            Self::Violation { code, reason } => {
                write!(f, "{}", ErrorCode(*code))?;
                said(f, reason)
            }
            Self::TimedOut => f.write_str("the peer fell silent (idle timeout)"),
            Self::Reset => f.write_str("the peer has lost its state (stateless reset)"),
            Self::VersionMismatch => f.write_str("the peer does not speak QUIC version 1"),
            Self::HandshakeDeadline => f.write_str("the handshake was not completed in time"),
            Self::CrowdedOut => f.write_str("the handshake had to make room for another"),
            Self::ShortOfMemory { held_bytes } => {
                let kilobytes = held_bytes.div_ceil(1_000);
                write!(
                    f,
                    "closed for want of memory, of which it held {kilobytes} kB"
                )
            }
        }
    }
}

/// Longest part of a peer's words that is shown, in characters.
const REASON_SHOWN_MAX: usize = 200;

/// Appends what somebody said, with what a terminal would obey or not show made harmless.
fn said(f: &mut fmt::Formatter<'_>, words: &str) -> fmt::Result {
    if words.is_empty() {
        return Ok(());
    }
    let mut shown = String::new();
    for character in words.chars().take(REASON_SHOWN_MAX) {
        push_escaped(&mut shown, character);
    }
    write!(f, ": {shown}")
}

/// A transport error code, shown by its name in RFC 9000 §20.1.
struct ErrorCode(u64);

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            NO_APPLICATION_PROTOCOL => f.write_str("no_application_protocol"),
            0x100..=0x1ff => {
                let number = (self.0 & 0xff) as u8;
                let alert = rustls::AlertDescription::from(number);
                write!(f, "TLS alert {number} ({alert:?})")
            }
            code => match transport_error_name(code) {
                Some(name) => f.write_str(name),
                None => write!(f, "error {code:#x}"),
            },
        }
    }
}

/// Returns the name of a transport error code (RFC 9000 §20.1), if it has one;
/// those of TLS alerts have none of their own.
pub fn transport_error_name(code: u64) -> Option<&'static str> {
    Some(match code {
        0x00 => "NO_ERROR",
        INTERNAL_ERROR => "INTERNAL_ERROR",
        CONNECTION_REFUSED => "CONNECTION_REFUSED",
        FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
        STREAM_LIMIT_ERROR => "STREAM_LIMIT_ERROR",
        STREAM_STATE_ERROR => "STREAM_STATE_ERROR",
        FINAL_SIZE_ERROR => "FINAL_SIZE_ERROR",
        FRAME_ENCODING_ERROR => "FRAME_ENCODING_ERROR",
        TRANSPORT_PARAMETER_ERROR => "TRANSPORT_PARAMETER_ERROR",
        CONNECTION_ID_LIMIT_ERROR => "CONNECTION_ID_LIMIT_ERROR",
        PROTOCOL_VIOLATION => "PROTOCOL_VIOLATION",
        0x0b => "INVALID_TOKEN",
        APPLICATION_ERROR => "APPLICATION_ERROR",
        CRYPTO_BUFFER_EXCEEDED => "CRYPTO_BUFFER_EXCEEDED",
        KEY_UPDATE_ERROR => "KEY_UPDATE_ERROR",
        0x0f => "AEAD_LIMIT_REACHED",
        0x10 => "NO_VIABLE_PATH",
        VERSION_NEGOTIATION_ERROR => "VERSION_NEGOTIATION_ERROR",
        _ => return None,
    })
}

/// Names the code of a CONNECTION_CLOSE frame: an application's has no name.
pub fn error_code(application: bool, code: u64) -> String {
    match application {
        true => format!("application code {code}"),
        false => transport_error(code),
    }
}

/// Names an error code of the transport (RFC 9000 §20.1), a TLS alert among
/// them by the name that RFC 8446 §6 gives it.
pub fn transport_error(code: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_a_peer_are_escaped() {
        let reason = Bytes::from("bye\x1b[2J\u{202e}\u{200b}\u{feff}\u{2028}");
        let words = CloseReason::Application { code: 7, reason }.to_string();
        let expected = "closed by the peer with application code 7: \
                        bye\\u{1b}[2J\\u{202e}\\u{200b}\\u{feff}\\u{2028}";
        assert_eq!(words, expected);
    }

    #[test]
    fn tls_alerts_and_transport_codes_have_their_names() {
        assert_eq!(ErrorCode(0x130).to_string(), "TLS alert 48 (UnknownCA)");
        let reason = Bytes::new();
        let words = CloseReason::Peer { code: 2, reason }.to_string();
        assert_eq!(words, "closed by the peer with CONNECTION_REFUSED");
    }

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
}
