//! Failures that end a connection of a load, and reasons that end a run before
//! its time.

use std::{fmt, time::Duration};

use qecho_packet::text;
use serde::{Deserialize, Serialize};

/// Kind of a connection's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The handshake failed.
    Handshake,
    /// The connection was closed.
    Closed,
    /// The peer ended a stream too early.
    NotEchoed,
    /// An echo differs from what was sent.
    Differs,
    /// The peer abandoned a stream (RESET_STREAM).
    Reset,
    /// The peer wants no more on a stream (STOP_SENDING).
    Stopped,
    /// An echo did not come in time.
    NoEcho,
    /// The peer takes no DATAGRAM frames.
    NoDatagrams,
    /// A message does not fit into a DATAGRAM frame.
    DatagramTooLarge,
}

/// Failure that ends a connection.
#[derive(Debug)]
pub(super) struct ConnectionFailure {
    pub(super) kind: ErrorKind,
    pub(super) reason: String,
}

impl ConnectionFailure {
    pub(super) fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { kind, reason }
    }

    pub(super) fn stopped(code: u64) -> Self {
        let reason = format!("peer stopped a stream with code {code}");
        Self::new(ErrorKind::Stopped, reason)
    }

    pub(super) fn reset(code: u64) -> Self {
        let reason = format!("peer reset a stream with code {code}");
        Self::new(ErrorKind::Reset, reason)
    }

    pub(super) fn stream_ended() -> Self {
        let reason = "peer ended a stream before everything had come back";
        Self::new(ErrorKind::NotEchoed, reason)
    }

    pub(super) fn too_much() -> Self {
        Self::new(ErrorKind::Differs, "peer sent more than it was sent")
    }

    pub(super) fn no_handshake(timeout: Duration) -> Self {
        let reason = format!("no answer within {}", text::duration(timeout));
        Self::new(ErrorKind::Handshake, reason)
    }

    pub(super) fn no_echo(timeout: Duration) -> Self {
        let reason = format!("no echo within {}", text::duration(timeout));
        Self::new(ErrorKind::NoEcho, reason)
    }
}

/// Reason for which a run ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The program or a signal asked for it.
    Interrupted,
    /// No connection was left.
    NoConnection,
    /// The server's host says that no program listens there any more.
    ServerGone,
    /// One handshake after another failed.
    OnlyFailures,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::NoConnection => "no connection is left",
            Self::ServerGone => "nobody listens there any more",
            Self::OnlyFailures => "one connection after another failed",
        })
    }
}
