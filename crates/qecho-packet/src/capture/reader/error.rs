//! Errors of reading a capture.

use std::io;

/// Bytes of the longest block or record; a file that claims more is refused.
pub const BLOCK_BYTES_MAX: usize = 16 << 20;

/// An error of reading a capture; in words that go after the
/// file's name and a colon.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is not one byte.
    #[error("is empty")]
    Empty,
    /// It begins with something else.
    #[error("is neither pcapng nor pcap")]
    NotACapture,
    /// It ends too early; whatever was complete before has been read.
    #[error("cut off in the {part} at byte {offset}")]
    CutOff {
        /// The part that it ends in.
        part: &'static str,
        /// Offset of that part.
        offset: u64,
    },
    /// It claims more than we would ever keep in memory.
    #[error("at byte {offset}: a {part} of {length} bytes is more than {} MiB", BLOCK_BYTES_MAX >> 20)]
    TooLong {
        /// The part that claims it.
        part: &'static str,
        /// Offset of that part.
        offset: u64,
        /// The bytes that it claims to have.
        length: u32,
    },
    /// It breaks the rules of its format, so that what follows has no sense.
    #[error("at byte {offset}: {what}")]
    Malformed {
        /// Offset of the block that does.
        offset: u64,
        /// The fault, in words.
        what: &'static str,
    },
    /// The system could not read it.
    #[error("cannot be read on at byte {offset}")]
    Io {
        /// Bytes that were read before.
        offset: u64,
        /// The system's error.
        source: io::Error,
    },
}
