//! Stream identifiers (RFC 9000 §2.1).

use std::fmt;

/// The side that opened a stream or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The endpoint that sent the first Initial packet.
    Client,
    /// The endpoint that answered.
    Server,
}

impl Side {
    /// Returns the other endpoint.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// In which directions a stream carries data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dir {
    /// Both endpoints send.
    Bidirectional,
    /// Only the endpoint that opened the stream sends.
    Unidirectional,
}

/// The identifier of a stream: 62 bits, of which the lowest tells who opened
/// it and the next its direction (RFC 9000 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(u64);

impl StreamId {
    /// Returns the `index`-th stream of its kind, counted from 0.
    pub fn new(initiator: Side, direction: Dir, index: u64) -> Self {
        let initiator = u64::from(initiator == Side::Server);
        let direction = u64::from(direction == Dir::Unidirectional);
        Self(index << 2 | direction << 1 | initiator)
    }

    /// Returns the stream of an identifier from the wire.
    pub fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// Returns the identifier as it is on the wire.
    pub fn value(self) -> u64 {
        self.0
    }

    /// Returns who opened the stream.
    pub fn initiator(self) -> Side {
        if self.0 & 1 == 0 {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// Returns the stream's direction.
    pub fn direction(self) -> Dir {
        if self.0 & 2 == 0 {
            Dir::Bidirectional
        } else {
            Dir::Unidirectional
        }
    }

    /// Returns how many streams of its kind were opened before it.
    pub fn index(self) -> u64 {
        self.0 >> 2
    }
}

impl fmt::Display for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bidirectional => "bidirectional",
            Self::Unidirectional => "unidirectional",
        })
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_lowest_bits_tell_initiator_and_direction() {
        let id = StreamId::new(Side::Server, Dir::Unidirectional, 5);
        assert_eq!(id.to_string(), "23");
        assert_eq!(id.initiator(), Side::Server);
        assert_eq!(id.direction(), Dir::Unidirectional);
        assert_eq!(id.index(), 5);
        assert_eq!(StreamId::from_value(id.value()), id);
    }
}
