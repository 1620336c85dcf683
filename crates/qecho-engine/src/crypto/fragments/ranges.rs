//! The parts of a stream that were received.

use std::collections::BTreeMap;

/// Pieces of a stream. What goes before the first of them is taken for received: a stream is
/// looked at only once more than its beginning has come.
#[derive(Debug)]
pub(super) struct Ranges {
    /// The first piece.
    start: u64,
    end: u64,
    /// Those beyond it, by their beginnings; they neither touch nor overlap.
    beyond: BTreeMap<u64, u64>,
    /// The packet that brought the last one.
    pub(super) packet: u64,
}

impl Ranges {
    pub(super) fn beginning(offset: u64, length: usize, packet: u64) -> Self {
        Self {
            start: offset,
            end: offset.saturating_add(length as u64),
            beyond: BTreeMap::new(),
            packet,
        }
    }

    /// Returns the gaps between the pieces.
    pub(super) fn gaps(&self) -> usize {
        self.beyond.len()
    }

    /// Returns how many bytes lie between the first and the last.
    pub(super) fn length(&self) -> u64 {
        let last = self.beyond.last_key_value().map(|(_, end)| *end);
        last.unwrap_or(self.end) - self.start
    }

    /// Adds a piece; returns how many bytes of it had not come before.
    #[inline]
    pub(super) fn insert(&mut self, offset: u64, length: usize) -> u64 {
        let end = offset.saturating_add(length as u64);
        if offset >= self.start && end <= self.end {
            return 0;
        }
        let follows = offset >= self.start && offset <= self.end;
        if follows && self.beyond.is_empty() {
            return end - std::mem::replace(&mut self.end, end);
        }
        match offset == end {
            true => 0,
            false => self.insert_piece(offset, end),
        }
    }

    fn insert_piece(&mut self, mut start: u64, mut end: u64) -> u64 {
        if start < self.start && end < self.start {
            self.beyond.insert(self.start, self.end);
            (self.start, self.end) = (start, end);
            return end - start;
        }
        let mut known = 0;
        // Joins those that begin within or right after the new piece, and the one before
        // it if that reaches it: the last of those that begin at or before its end.
        while let Some((&other, &other_end)) = self.beyond.range(..=end).next_back() {
            if other_end < start {
                break;
            }
            self.beyond.remove(&other);
            known += other_end - other;
            start = start.min(other);
            end = end.max(other_end);
        }
        if start > self.end {
            self.beyond.insert(start, end);
            end - start - known
        } else {
            known += self.end - self.start;
            self.start = self.start.min(start);
            self.end = self.end.max(end);
            self.end - self.start - known
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_and_gaps_counted_whatever_their_order() {
        let mut ranges = Ranges::beginning(100, 10, 0);
        let mut bytes = 10;
        let mut insert = |offset, length| {
            bytes += ranges.insert(offset, length);
            let beyond = ranges.beyond.iter().map(|(start, end)| end - start);
            let all = beyond.sum::<u64>() + ranges.end - ranges.start;
            assert_eq!(bytes, all, "each byte counts once");
            (ranges.start, ranges.end, ranges.gaps())
        };
        assert_eq!(insert(120, 10), (100, 110, 1));
        assert_eq!(insert(140, 10), (100, 110, 2));
        assert_eq!(insert(160, 0), (100, 110, 2), "nothing leaves no gap");
        assert_eq!(insert(130, 10), (100, 110, 1), "it joins both neighbours");
        assert_eq!(insert(125, 30), (100, 110, 1), "it covers the end of one");
        assert_eq!(insert(105, 7), (100, 112, 1), "it has come before, in part");
        assert_eq!(insert(112, 8), (100, 155, 0), "what is beyond follows");
        assert_eq!(insert(50, 10), (50, 60, 1), "it comes before all others");
        assert_eq!(insert(20, 10), (20, 30, 2));
        assert_eq!(insert(60, 40), (20, 30, 1));
        assert_eq!(insert(0, 300), (0, 300, 0), "it covers everything");
        assert_eq!(insert(u64::MAX - 2, 5), (0, 300, 1), "no sum overflows");
        assert_eq!(ranges.length(), u64::MAX);
    }
}
