//! The way that a datagram went.

use std::net::SocketAddr;

/// Direction of a datagram, seen from one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It arrived from the path.
    Received,
    /// It was sent; the path may lose it yet.
    Sent,
}

impl Direction {
    /// Returns the source and the destination of a datagram between these
    /// addresses; or, given a source and a destination, the local and the
    /// remote address.
    pub(crate) fn ends(self, local: SocketAddr, remote: SocketAddr) -> (SocketAddr, SocketAddr) {
        match self {
            Self::Sent => (local, remote),
            Self::Received => (remote, local),
        }
    }

    /// Returns the other way.
    pub fn opposite(self) -> Self {
        match self {
            Self::Received => Self::Sent,
            Self::Sent => Self::Received,
        }
    }
}
