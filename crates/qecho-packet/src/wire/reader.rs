//! Takes bytes off the front.

use std::fmt;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Malformed {
    /// Number of bytes before the one where it shows.
    pub offset: usize,
    /// The structure that could not be read.
    pub what: &'static str,
    /// The type of the frame, if that is what nobody knows.
    pub frame_type: Option<u64>,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frame_type {
            Some(frame_type) => write!(f, "unknown frame type {frame_type:#04x}")?,
            None => write!(f, "malformed {}", self.what)?,
        }
        write!(f, " at byte {}", self.offset)
    }
}

/// Reads a variable-length integer (RFC 9000 §16) after which there is nothing.
pub fn whole_integer(value: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(value);
    let integer = reader.varint("integer").ok()?;
    reader.is_empty().then_some(integer)
}

/// Takes integers, vectors and bytes off the front of some bytes that nobody trusts; each method
/// fails, with the name of what it was to read, if there are too few.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Begins with the first of some bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            offset: 0,
        }
    }

    /// Tells whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Returns the error that something cannot be read here.
    pub fn malformed(&self, what: &'static str) -> Malformed {
        Malformed {
            offset: self.offset,
            what,
            frame_type: None,
        }
    }

    /// Takes `length` bytes.
    pub fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(self.malformed(what))?;
        self.rest = rest;
        self.offset += length;
        Ok(taken)
    }

    /// Takes as many bytes as an integer before them says.
    pub(crate) fn take_counted(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.varint(what)?;
        let length = usize::try_from(length).map_err(|_| self.malformed(what))?;
        self.take(length, what)
    }

    /// Takes all that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        let rest = std::mem::take(&mut self.rest);
        self.offset += rest.len();
        rest
    }

    /// Takes so many bytes as an array has.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    /// Takes an integer of at most eight bytes, in network byte order.
    pub fn number(&mut self, length: usize, what: &'static str) -> Result<u64, Malformed> {
        let bytes = self.take(length, what)?.iter();
        Ok(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Takes a TLS vector, whose length stands before it in so many bytes (RFC
    /// 8446 §3.4).
    pub fn vector(
        &mut self,
        length_bytes: usize,
        what: &'static str,
    ) -> Result<&'a [u8], Malformed> {
        let length = self.number(length_bytes, what)?;
        let length = usize::try_from(length).map_err(|_| self.malformed(what))?;
        self.take(length, what)
    }

    /// Reads what comes next in a list, if there is more; a malformed item is
    /// the last.
    pub(crate) fn next_item<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Option<Result<T, Malformed>> {
        if self.is_empty() {
            return None;
        }
        let item = read(self);
        if item.is_err() {
            self.take_rest();
        }
        Some(item)
    }

    /// Reads a list to its end.
    pub(crate) fn iterate<T>(
        mut self,
        read: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> impl Iterator<Item = Result<T, Malformed>> {
        std::iter::from_fn(move || self.next_item(&read))
    }

    /// Takes one byte.
    pub fn byte(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(self.array::<1>(what)?[0])
    }

    /// Takes a variable-length integer (RFC 9000 §16).
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let first = *self.rest.first().ok_or(self.malformed(what))?;
        let length = 1 << (first >> 6);
        let number = self.number(length, what)?;
        // The two bits of the length do not count.
        Ok(number & (u64::MAX >> (66 - 8 * length)))
    }

    /// Takes bytes as long as they are `wanted`; tells how many there were.
    pub(crate) fn skip_while(&mut self, wanted: u8) -> usize {
        let blocks = self.rest.as_chunks::<32>().0.iter();
        let whole = 32 * blocks.take_while(|block| **block == [wanted; 32]).count();
        let more = self.rest[whole..].iter();
        let length = whole + more.take_while(|byte| **byte == wanted).count();
        self.rest = &self.rest[length..];
        self.offset += length;
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_rfc_9000_appendix_a1_decode() {
        let cases: [(&[u8], u64); 5] = [
            (
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c],
                151_288_809_941_952_652,
            ),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ];
        for (bytes, value) in cases {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.varint("integer"), Ok(value));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn equal_bytes_are_skipped_to_the_last() {
        for length in [0, 1, 31, 32, 33, 64, 1_300] {
            let bytes = [vec![0; length], vec![7, 0]].concat();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.skip_while(0), length);
            assert_eq!(reader.offset(), length);
            assert_eq!(reader.byte("byte"), Ok(7));
        }
    }

    #[test]
    fn what_is_cut_off_is_malformed_where_it_began() {
        let mut reader = Reader::new(&[7, 0x40]);
        assert_eq!(reader.byte("byte"), Ok(7));
        let error = reader.varint("integer").expect_err("half of it is there");
        assert_eq!(error.to_string(), "malformed integer at byte 1");
    }
}
