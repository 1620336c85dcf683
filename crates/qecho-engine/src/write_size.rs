//! The send window, by the size of what an application writes.

use crate::limits::{PIECES_UNACKNOWLEDGED_MAX, SEND_WINDOW_MIN};

/// A running mean of the length of written pieces.
///
/// The state machine keeps every piece until it is acknowledged, with some 60
/// bytes beside it, and looks through all of them for each packet. A peer that
/// has its bytes echoed one by one and acknowledges nothing would fill a window
/// of megabytes with millions of them: the smaller the pieces, the smaller the
/// window.
#[derive(Debug, Default)]
pub(crate) struct WriteSizeEstimator {
    bytes: u64,
    count: u64,
}

/// Pieces over which the mean is taken, about.
const MEMORY: u64 = 256;

impl WriteSizeEstimator {
    /// Notes a piece and returns the send window that suits, at most `most`.
    pub(crate) fn note(&mut self, length: usize, most: u64) -> u64 {
        self.bytes += length as u64;
        self.count += 1;
        if self.count == MEMORY {
            self.bytes /= 2;
            self.count /= 2;
        }
        let window = self.bytes * PIECES_UNACKNOWLEDGED_MAX / self.count;
        window.max(SEND_WINDOW_MIN).min(most)
    }

    /// Returns how many pieces so many bytes are, about.
    pub(crate) fn pieces_of(&self, bytes: u64) -> u64 {
        match self.bytes {
            0 => 0,
            all => (bytes * self.count).div_ceil(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 4 << 20;

    fn window_after(lengths: impl IntoIterator<Item = usize>) -> u64 {
        let mut pieces = WriteSizeEstimator::default();
        let windows = lengths.into_iter().map(|length| pieces.note(length, MOST));
        windows.last().expect("there is a piece")
    }

    #[test]
    fn many_small_pieces_shrink_the_window_and_one_large_piece_opens_it_again() {
        let small = std::iter::repeat_n(1, 10_000);
        assert_eq!(window_after(small.clone()), SEND_WINDOW_MIN);
        assert_eq!(window_after(small.chain([65_536])), MOST);
    }

    #[test]
    fn messages_of_an_ordinary_size_have_the_whole_window() {
        assert_eq!(window_after([1_200; 1_000]), MOST);
    }

    #[test]
    fn a_window_that_was_chosen_small_stays_so() {
        assert_eq!(WriteSizeEstimator::default().note(1, 1_000), 1_000);
    }
}
