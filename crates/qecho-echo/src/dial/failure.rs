//! Reasons that no connection came about, and the one of several that says most.

use std::{io, net::SocketAddr, time::Duration};

use qecho_packet::close::{self, CloseReason};

/// Reason that no connection came about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialFailure {
    /// The host says that nobody listens there.
    #[error("nobody listens there ({address})")]
    NobodyListens {
        /// The address that was tried.
        address: SocketAddr,
    },
    /// The system or network says that the host cannot be reached.
    #[error("{reason} ({address})")]
    Unreachable {
        /// The address that was tried.
        address: SocketAddr,
        /// The reason, for people.
        reason: String,
    },
    /// Nobody answered in time.
    #[error("no answer within {}", qecho_packet::text::duration(*.after))]
    NoAnswer {
        /// Time that was waited.
        after: Duration,
    },
    /// The handshake failed.
    #[error("{reason} ({address})")]
    Handshake {
        /// The address that was tried.
        address: SocketAddr,
        /// The reason.
        reason: CloseReason,
    },
    /// The name or address cannot be used at all.
    #[error("{reason}")]
    Impossible {
        /// The reason, for people.
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
            io::ErrorKind::NetworkDown => "the network is down".into(),
            io::ErrorKind::PermissionDenied => "this host forbids to send there".into(),
            // Of a socket that sends: a route of the kind `blackhole`.
            io::ErrorKind::InvalidInput => "this host has no way there".into(),
            _ => reason.to_string(),
        };
        Self::Unreachable { address, reason }
    }

    /// Returns how much a failure says: the answer of a server says more than silence.
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
