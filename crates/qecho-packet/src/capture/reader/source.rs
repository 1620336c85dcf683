//! The bytes of a file, block by block.

use std::io::{BufRead, BufReader, ErrorKind, Read};

use super::error::{BLOCK_BYTES_MAX, ReadError};

/// Bytes that a block gets to begin with. It gets more as they really come:
/// a length that is a lie costs no memory.
const BLOCK_BYTES_FIRST: usize = 64 * 1024;

/// A file that is read from its beginning to its end, and the block of it that
/// is being read.
pub(super) struct Source<R> {
    reader: BufReader<R>,
    /// Bytes of the file that were read.
    offset: u64,
    /// Offset of the block.
    start: u64,
    block: Vec<u8>,
}

impl<R: Read> Source<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::new(reader),
            offset: 0,
            start: 0,
            block: Vec::new(),
        }
    }

    /// Begins a block and forgets the one before; returns false if the file
    /// ends here.
    pub(super) fn begin(&mut self) -> Result<bool, ReadError> {
        self.block.clear();
        self.start = self.offset;
        loop {
            match self.reader.fill_buf() {
                Ok(bytes) => return Ok(!bytes.is_empty()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.offset;
                    return Err(ReadError::Io { offset, source });
                }
            }
        }
    }

    /// Returns how much of the file was read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns where the block begins.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Returns what was read of the block.
    pub(super) fn block(&self) -> &[u8] {
        &self.block
    }

    /// Reads on until the block has so many bytes; `part` is what they are.
    pub(super) fn read_to(&mut self, length: usize, part: &'static str) -> Result<(), ReadError> {
        debug_assert!(length <= BLOCK_BYTES_MAX, "lengths are checked before");
        while self.block.len() < length {
            let filled = self.block.len();
            let step = filled.max(BLOCK_BYTES_FIRST).min(length - filled);
            // Exact, or the buffer could become twice as large as a block may be.
            self.block.reserve_exact(step);
            let mut rest = self.reader.by_ref().take(step as u64);
            let read = rest.read_to_end(&mut self.block);
            self.offset += (self.block.len() - filled) as u64;
            if let Err(source) = read {
                let offset = self.offset;
                return Err(ReadError::Io { offset, source });
            }
            if self.block.len() < filled + step {
                let offset = self.start;
                return Err(ReadError::CutOff { part, offset });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Gives one byte at a time, and is interrupted before each.
    struct ByteByByte(io::Take<io::Repeat>, bool);

    impl Read for ByteByByte {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            match self.1 {
                true => Err(ErrorKind::Interrupted.into()),
                false => self.0.read(&mut bytes[..1]),
            }
        }
    }

    #[test]
    fn a_reader_may_hesitate() {
        let mut source = Source::new(ByteByByte(io::repeat(7).take(5), false));
        assert!(source.begin().unwrap());
        source.read_to(2, "block").unwrap();
        source.read_to(4, "block").unwrap();
        assert_eq!(source.block(), [7; 4]);
        assert!(source.begin().unwrap());
        assert_eq!(source.start(), 4);
        source.read_to(1, "block").unwrap();
        assert!(!source.begin().unwrap());
    }

    #[test]
    fn the_longest_block_fills_its_buffer_to_the_byte() {
        let mut source = Source::new(io::repeat(7));
        source.read_to(12, "block").unwrap();
        source.read_to(BLOCK_BYTES_MAX, "block").unwrap();
        assert_eq!(source.block.capacity(), BLOCK_BYTES_MAX);
    }

    #[test]
    fn a_length_that_is_a_lie_costs_no_memory() {
        let mut source = Source::new(io::repeat(7).take(100));
        let error = source.read_to(BLOCK_BYTES_MAX, "block").unwrap_err();
        assert_eq!(error.to_string(), "cut off in the block at byte 0");
        assert_eq!(source.block.capacity(), BLOCK_BYTES_FIRST);
    }

    #[test]
    fn what_the_system_says_is_kept() {
        struct FailingFile;
        impl Read for FailingFile {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is on fire"))
            }
        }
        let mut source = Source::new(io::repeat(7).take(3).chain(FailingFile));
        let error = source.read_to(4, "block").unwrap_err();
        assert_eq!(error.to_string(), "cannot be read on at byte 3");
        let cause = std::error::Error::source(&error).expect("a cause");
        assert_eq!(cause.to_string(), "the disk is on fire");
        assert!(source.begin().is_err());
    }
}
