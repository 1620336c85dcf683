//! Ends of connections, and the names of errors (QUIC events §4.3, §8.13).

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::CloseReason;

/// An error code, by its name where it has one.
#[derive(Clone, Copy, Debug)]
pub(super) enum ErrorName {
    ConnectionTracker(&'static str),
    /// A TLS alert (RFC 9001 §4.8).
    Crypto(u8),
    Unknown,
}

impl Serialize for ErrorName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::ConnectionTracker(name) => serializer.serialize_str(name),
            Self::Crypto(alert) => {
                serializer.collect_str(&format_args!("crypto_error_0x1{alert:02x}"))
            }
            Self::Unknown => serializer.serialize_str("unknown"),
        }
    }
}

impl ErrorName {
    /// Returns the name of a code of RFC 9000 §20.1, and the code itself where
    /// there is none.
    pub(super) fn of_transport(code: u64) -> (Self, Option<u64>) {
        let name = match code {
            0x00 => "no_error",
            0x01 => "internal_error",
            0x02 => "connection_refused",
            0x03 => "flow_control_error",
            0x04 => "stream_limit_error",
            0x05 => "stream_state_error",
            0x06 => "final_size_error",
            0x07 => "frame_encoding_error",
            0x08 => "transport_parameter_error",
            0x09 => "connection_id_limit_error",
            0x0a => "protocol_violation",
            0x0b => "invalid_token",
            0x0c => "application_error",
            0x0d => "crypto_buffer_exceeded",
            0x0e => "key_update_error",
            0x0f => "aead_limit_reached",
            0x10 => "no_viable_path",
            0x100..=0x1ff => return (Self::Crypto((code & 0xff) as u8), None),
            _ => return (Self::Unknown, Some(code)),
        };
        (Self::ConnectionTracker(name), None)
    }
}

#[derive(Default, Serialize)]
struct ConnectionClosed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    initiator: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_error: Option<ErrorName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_error: Option<ErrorName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<&'static str>,
}

/// Returns the data of `quic:connection_closed`.
pub(super) fn closed(reason: &CloseReason) -> impl Serialize + '_ {
    let local = Some("local");
    let remote = Some("remote");
    match reason {
        CloseReason::Application { code, reason } => ConnectionClosed {
            initiator: remote,
            application_error: Some(ErrorName::Unknown),
            error_code: Some(*code),
            reason: words(reason),
            trigger: Some("application"),
            ..ConnectionClosed::default()
        },
        CloseReason::Peer { code, reason } => transport(remote, *code, words(reason)),
        CloseReason::Violation { code, reason } => {
            transport(local, *code, words(reason.as_bytes()))
        }
        CloseReason::Local => told(local, "application"),
        CloseReason::TimedOut => told(local, "idle_timeout"),
        CloseReason::Reset => told(remote, "stateless_reset"),
        CloseReason::VersionMismatch => told(local, "version_mismatch"),
        CloseReason::HandshakeDeadline => ConnectionClosed {
            reason: Some(reason.to_string().into()),
            ..told(local, "aborted")
        },
    }
}

fn told(initiator: Option<&'static str>, trigger: &'static str) -> ConnectionClosed<'static> {
    ConnectionClosed {
        initiator,
        trigger: Some(trigger),
        ..ConnectionClosed::default()
    }
}

fn transport<'a>(
    initiator: Option<&'static str>,
    code: u64,
    reason: Option<Cow<'a, str>>,
) -> ConnectionClosed<'a> {
    let (connection_error, error_code) = ErrorName::of_transport(code);
    ConnectionClosed {
        initiator,
        connection_error: Some(connection_error),
        error_code,
        reason,
        // NO_ERROR is how a transport closes that wants nothing more.
        trigger: Some(if code == 0 { "unspecified" } else { "error" }),
        ..ConnectionClosed::default()
    }
}

fn words(reason: &[u8]) -> Option<Cow<'_, str>> {
    (!reason.is_empty()).then(|| String::from_utf8_lossy(reason))
}
