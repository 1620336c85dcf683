//! Reasons that no connection came about, and those of several that say most.

use std::{fmt, io, net::SocketAddr, time::Duration};

use qecho_engine::{Connection, StrayDatagram};
use qecho_packet::{
    close::{self, CloseReason},
    text,
};

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
    /// No handshake was complete in time.
    #[error("no answer within {} ({address}){silence}", text::duration(*.after))]
    NoAnswer {
        /// The address that was tried.
        address: SocketAddr,
        /// Time that was waited.
        after: Duration,
        /// Kind of the silence, as far as it is known.
        silence: Silence,
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
    /// Several addresses failed in different ways.
    #[error("{}", joined(.failures))]
    Several {
        /// One failure of each kind; the first says most.
        failures: Vec<DialFailure>,
    },
}

/// Kind of silence of an address at which no handshake came about in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Silence {
    /// Nothing came at all.
    #[default]
    Complete,
    /// Something came that no server of QUIC would send.
    NotQuic,
    /// A server told which versions of QUIC it speaks, and nothing else.
    OnlyVersions,
    /// Packets of the connection came, but too few.
    Begun,
    /// Packets of the connection came from another address, and were dropped.
    From(SocketAddr),
}

impl Silence {
    /// Returns what is known of the silence of a server by what came on the connection, and by
    /// what came and was not used.
    pub(super) fn of(connection: &Connection<'_>, stray: Option<StrayDatagram>) -> Self {
        match stray {
            _ if connection.is_answered() => Self::Begun,
            Some(StrayDatagram::From(address)) => Self::From(address),
            Some(StrayDatagram::Versions) => Self::OnlyVersions,
            Some(_) => Self::NotQuic,
            // A Retry, for instance.
            None if connection.datagrams_received() > 0 => Self::Begun,
            None => Self::Complete,
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => return Ok(()),
            Self::NotQuic => ": something answers that is not QUIC",
            Self::OnlyVersions => ": a QUIC server is there but does not answer this client",
            Self::Begun => {
                ": the server began to answer and fell silent (large packets may be lost)"
            }
            Self::From(address) => return write!(f, ": answers came from {address} instead"),
        })
    }
}

impl DialFailure {
    /// Returns the failure of an address that the system or network says cannot be reached.
    pub fn unreachable(address: SocketAddr, reason: &io::Error) -> Self {
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

    /// Returns the failure of several addresses: the answer of a server says all, and of the
    /// others, each kind is told once.
    pub(super) fn of_all(mut failures: Vec<Self>) -> Self {
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.weight()));
        failures.dedup_by_key(|failure| failure.weight());
        let is_answer = |failure: &Self| matches!(failure, Self::Handshake { .. });
        let says_nothing = |failure: &Self| matches!(failure, Self::Impossible { .. });
        if failures.len() > 1 && !failures.first().is_some_and(is_answer) {
            failures.retain(|failure| !says_nothing(failure));
        } else {
            failures.truncate(1);
        }
        match failures.len() {
            0 => Self::Impossible {
                reason: "the name has no address".into(),
            },
            1 => failures.remove(0),
            _ => Self::Several { failures },
        }
    }

    /// Returns how much a failure says: the answer of a server says more than silence, and
    /// silence leaves more open than a host that lets nobody in.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Impossible { .. } => 0,
            Self::Unreachable { .. } => 1,
            Self::NobodyListens { .. } => 2,
            Self::NoAnswer { silence, .. } => match silence {
                Silence::Complete => 3,
                Silence::NotQuic => 4,
                Silence::OnlyVersions => 5,
                Silence::Begun => 6,
                Silence::From(_) => 7,
            },
            Self::Handshake { reason, .. } if !alpn_refused(reason) => 8,
            // There is a way on after this one.
            Self::Handshake { .. } => 9,
            Self::Several { failures } => failures.first().map_or(0, Self::weight),
        }
    }

    /// Returns the one of several failures that says most.
    pub fn most_telling(&self) -> &Self {
        match self {
            Self::Several { failures } => failures.first().unwrap_or(self),
            failure => failure,
        }
    }
}

fn joined(failures: &[DialFailure]) -> String {
    let failures: Vec<_> = failures.iter().map(DialFailure::to_string).collect();
    failures.join("; ")
}

/// Tells whether a server refused the application protocols that it was offered.
pub(super) fn alpn_refused(reason: &CloseReason) -> bool {
    reason.transport_code() == Some(close::NO_APPLICATION_PROTOCOL)
}
