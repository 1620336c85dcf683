//! The sizes of the datagrams that one side sends, as far as they are known.

use std::collections::VecDeque;

use super::captured_datagram::TELLING_LENGTH;

/// Sizes that are tried for one datagram.
const TRIALS_MAX: usize = 1_500;

/// Datagrams of one direction for which all sizes are tried in vain; for more
/// only those that are known are. Else a file full of what opens nowhere would
/// take a thousand times as long as another.
const IN_VAIN_MAX: usize = 16;

/// Sizes that are remembered of one direction.
const SIZES_MAX: usize = 8;

/// Sizes as they are on most paths (RFC 9000 §14): all are tried.
pub(super) const USUAL_MIN: usize = 1_200;
const USUAL_MAX: usize = 1_500;

/// Bytes of the shortest packet with a short header: one of its own, those
/// after the connection ID that hide it, and the tag.
const PACKET_MIN: usize = 21;

/// The sizes of the datagrams that one side sends.
#[derive(Default)]
pub(super) struct SegmentSizes {
    /// The latest first.
    known: VecDeque<usize>,
    /// Datagrams for which none was found.
    in_vain: usize,
}

impl SegmentSizes {
    /// Remembers the size of a datagram that may be one of many.
    pub(super) fn note(&mut self, size: usize) {
        if self.known.front() == Some(&size) {
            return;
        }
        self.known.retain(|known| *known != size);
        self.known.push_front(size);
        self.known.truncate(SIZES_MAX);
    }

    /// Remembers that no size was found for a datagram.
    pub(super) fn note_in_vain(&mut self) {
        self.in_vain = self.in_vain.saturating_add(1);
    }

    /// Returns the sizes to try for a datagram in which a packet with a short
    /// header begins at `offset`.
    pub(super) fn candidates(
        &self,
        datagram: &[u8],
        offset: usize,
        id_length: usize,
    ) -> Vec<usize> {
        let id = |offset: usize| datagram.get(offset + 1..=offset + id_length);
        let tells = id_length >= TELLING_LENGTH;
        let begins_again = |size: &usize| !tells || id(*size) == id(offset);
        let possible = offset + PACKET_MIN + id_length..datagram.len();
        let mut sizes: Vec<usize> = self.known.iter().copied().collect();
        if self.in_vain < IN_VAIN_MAX {
            sizes.extend(USUAL_MIN..=USUAL_MAX);
            // What is short and has no such hint was probably changed on its way.
            if tells || datagram.len() > USUAL_MAX {
                sizes.extend((0..USUAL_MIN).rev());
            }
            if tells {
                sizes.extend(USUAL_MAX + 1..datagram.len());
            }
        }
        sizes.retain(|size| possible.contains(size) && begins_again(size));
        sizes.truncate(TRIALS_MAX);
        sizes
    }
}
