//! Connection IDs (RFC 9000 §5.1).

use std::fmt;

/// A connection ID: up to 20 bytes in version 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ConnectionId {
    length: u8,
    bytes: [u8; Self::LENGTH_MAX],
}

impl ConnectionId {
    /// Bytes of the longest connection ID of version 1 (RFC 9000 §17.2).
    pub const LENGTH_MAX: usize = 20;

    /// Returns a connection ID of these bytes, unless they are too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut id = Self::default();
        id.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        id.length = bytes.len() as u8;
        Some(id)
    }
}

impl std::ops::Deref for ConnectionId {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length.into()]
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
