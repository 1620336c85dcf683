//! CRYPTO data of one level, and bytes put into their order (RFC 9000 §19.6, §2.2).

use std::collections::BTreeMap;

/// Bytes that wait for those before them; what does not fit is dropped, as if it were lost.
const BUFFERED_MAX: usize = 4 << 20;

/// CRYPTO data of one level.
#[derive(Default)]
pub(crate) struct CryptoStream {
    /// All that the endpoint says.
    outgoing: Vec<u8>,
    /// Bytes of it that went into packets.
    sent: usize,
    pub(crate) received: Assembler,
}

/// Bytes that come in any order.
#[derive(Default)]
pub(crate) struct Assembler {
    /// Bytes that were there without gaps.
    offset: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
    buffered: usize,
}

impl CryptoStream {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.outgoing.extend_from_slice(bytes);
    }

    /// Takes bytes to be sent, at most so many; returns their offset, too.
    pub(crate) fn take(&mut self, length_max: usize) -> Option<(u64, &[u8])> {
        let begin = self.sent;
        let length = length_max.min(self.outgoing.len() - begin);
        if length == 0 {
            return None;
        }
        self.sent += length;
        Some((begin as u64, &self.outgoing[begin..self.sent]))
    }
}

impl Assembler {
    /// Returns the bytes that were there without gaps.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes bytes and returns all that follow what was there without gaps.
    pub(crate) fn receive(&mut self, offset: u64, data: &[u8]) -> Vec<u8> {
        let end = offset.saturating_add(data.len() as u64);
        let is_longer = || {
            let known = self.waiting.get(&offset);
            known.is_none_or(|known| known.len() < data.len())
        };
        if end > self.offset && is_longer() && self.buffered + data.len() <= BUFFERED_MAX {
            self.buffered += data.len();
            if let Some(before) = self.waiting.insert(offset, data.to_vec()) {
                self.buffered -= before.len();
            }
        }
        let mut whole = Vec::new();
        while let Some(first) = self.waiting.first_entry()
            && *first.key() <= self.offset
        {
            let (begin, chunk) = first.remove_entry();
            self.buffered -= chunk.len();
            let known = (self.offset - begin) as usize;
            if let Some(new) = chunk.get(known..) {
                self.offset += new.len() as u64;
                whole.extend_from_slice(new);
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_any_order_and_twice_come_out_once_and_in_theirs() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.receive(4, b"efg"), b"");
        assert_eq!(assembler.receive(2, b"cde"), b"");
        assert_eq!(assembler.receive(0, b"ab"), b"abcdefg");
        assert_eq!(assembler.receive(0, b"abcdefgh"), b"h");
        assert_eq!(assembler.offset(), 8);
        assert_eq!(assembler.receive(u64::MAX, b"z"), b"");
        assert_eq!(assembler.receive(9, &vec![0; BUFFERED_MAX]), b"");
        assert_eq!(assembler.receive(8, b"i"), b"i");
    }
}
