//! Ends of connections, and the names of errors (QUIC events §4.3, §8.13).

use std::borrow::Cow;

use serde::Serialize;

use super::value::object;
use crate::{CloseReason, close::transport_error_name};

/// Name of an error whose code qlog does not know.
pub(super) const UNKNOWN: &str = "unknown";

/// Returns the name of a code of RFC 9000 §20.1, a TLS alert's (RFC 9001 §4.8)
/// included, and the code itself where there is none.
pub(super) fn error_name(code: u64) -> (Cow<'static, str>, Option<u64>) {
    match transport_error_name(code) {
        Some(name) => (name.to_ascii_lowercase().into(), None),
        None if (0x100..=0x1ff).contains(&code) => (format!("crypto_error_{code:#x}").into(), None),
        None => (UNKNOWN.into(), Some(code)),
    }
}

/// Returns the data of `quic:connection_closed`.
pub(super) fn closed(reason: &CloseReason) -> impl Serialize + '_ {
    let (initiator, trigger) = match reason {
        CloseReason::Application { .. } => ("remote", "application"),
        // NO_ERROR is how a transport closes that wants nothing more.
        CloseReason::Peer { code: 0, .. } => ("remote", "unspecified"),
        CloseReason::Violation { code: 0, .. } => ("local", "unspecified"),
        CloseReason::Peer { .. } => ("remote", "error"),
        CloseReason::Violation { .. } => ("local", "error"),
        CloseReason::Local => ("local", "application"),
        CloseReason::TimedOut => ("local", "idle_timeout"),
        CloseReason::Reset => ("remote", "stateless_reset"),
        CloseReason::VersionMismatch => ("local", "version_mismatch"),
        CloseReason::HandshakeDeadline
        | CloseReason::CrowdedOut
        | CloseReason::ShortOfMemory { .. } => ("local", "aborted"),
    };
    let (connection_error, error_code) = reason.transport_code().map(error_name).unzip();
    let (application_error, error_code) = match reason {
        CloseReason::Application { code, .. } => (Some(UNKNOWN), Some(*code)),
        _ => (None, error_code.flatten()),
    };
    let words = match reason {
        CloseReason::Application { reason, .. } | CloseReason::Peer { reason, .. } => {
            String::from_utf8_lossy(reason)
        }
        CloseReason::Violation { reason, .. } => reason.into(),
        CloseReason::HandshakeDeadline
        | CloseReason::CrowdedOut
        | CloseReason::ShortOfMemory { .. } => reason.to_string().into(),
        _ => Cow::default(),
    };
    object! {
        initiator: initiator,
        connection_error?: connection_error,
        application_error?: application_error,
        error_code?: error_code,
        reason?: Some(words).filter(|words| !words.is_empty()),
        trigger: trigger,
    }
}
