//! Why no connection came about, and which of several reasons says most.

use std::{io, net::SocketAddr, time::Duration};

use qecho_packet::close::{self, CloseReason};

/// Why no connection came about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialFailure {
    /// The host says that nobody listens there.
    #[error("nobody listens there ({address})")]
    NobodyListens {
        /// Where it was tried.
        address: SocketAddr,
    },
    /// The system or network says that the host cannot be reached.
    #[error("{reason} ({address})")]
    Unreachable {
        /// Where it was tried.
        address: SocketAddr,
        /// What was said.
        reason: String,
    },
    /// Nobody answered in time.
    #[error("no answer within {}", qecho_packet::text::duration(*.after))]
    NoAnswer {
        /// How long was waited.
        after: Duration,
    },
    /// The handshake failed.
    #[error("{reason} ({address})")]
    Handshake {
        /// Where it was tried.
        address: SocketAddr,
        /// Why it failed.
        reason: CloseReason,
    },
    /// The name or address cannot be used at all.
    #[error("{reason}")]
    Impossible {
        /// Why.
        reason: String,
    },
}

impl DialFailure {
    pub(super) fn unreachable(address: SocketAddr, reason: &io::Error) -> Self {
        let reason = match reason.kind() {
            io::ErrorKind::ConnectionRefused => return Self::NobodyListens { address },
            io::ErrorKind::NetworkUnreachable => "the network is unreachable".into(),
            io::ErrorKind::HostUnreachable => "the host is unreachable".into(),
            io::ErrorKind::AddrNotAvailable => "this host has no such address".into(),
            _ => reason.to_string(),
        };
        Self::Unreachable { address, reason }
    }

    /// The answer of a server says more than silence.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Impossible { .. } => 0,
            Self::Unreachable { .. } => 1,
            Self::NoAnswer { .. } => 2,
            Self::NobodyListens { .. } => 3,
            Self::Handshake { reason, .. } if !alpn_refused(reason) => 4,
            // There is a way on after this one.
            Self::Handshake { .. } => 5,
        }
    }
}

/// Tells whether a server refused the application protocols that it was offered.
pub(super) fn alpn_refused(reason: &CloseReason) -> bool {
    reason.transport_code() == Some(close::NO_APPLICATION_PROTOCOL)
}
