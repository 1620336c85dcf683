//! Why a capture cannot be read on.

use std::io;

/// Bytes of the longest block or record; a file that claims more is refused.
pub const BLOCK_BYTES_MAX: usize = 16 << 20;

/// Why a capture cannot be read, or not to its end; in words that go after the
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
        /// What it ends in.
        part: &'static str,
        /// Where that begins.
        offset: u64,
    },
    /// It claims more than we would ever keep in memory.
    #[error("at byte {offset}: a {part} of {length} bytes is more than {} MiB", BLOCK_BYTES_MAX >> 20)]
    TooLong {
        /// What claims it.
        part: &'static str,
        /// Where that begins.
        offset: u64,
        /// The bytes that it claims to have.
        length: u32,
    },
    /// It breaks the rules of its format, so that what follows has no sense.
    #[error("at byte {offset}: {what}")]
    Malformed {
        /// Where the block begins that does.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The system could not read it.
    #[error("cannot be read on at byte {offset}")]
    Io {
        /// Bytes that were read before.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
}
