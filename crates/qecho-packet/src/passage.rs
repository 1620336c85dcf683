//! Which way something went.

/// Which way a datagram passed an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Passage {
    /// It arrived from the path.
    Came,
    /// It was sent; the path may lose it yet.
    Went,
}

impl Passage {
    /// Returns the other way.
    pub fn opposite(self) -> Self {
        match self {
            Self::Came => Self::Went,
            Self::Went => Self::Came,
        }
    }
}
