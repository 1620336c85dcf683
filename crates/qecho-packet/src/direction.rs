//! Which way something went.

/// Which way a datagram passed an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It arrived from the path.
    Received,
    /// It was sent; the path may lose it yet.
    Sent,
}

impl Direction {
    /// Returns the other way.
    pub fn opposite(self) -> Self {
        match self {
            Self::Received => Self::Sent,
            Self::Sent => Self::Received,
        }
    }
}
