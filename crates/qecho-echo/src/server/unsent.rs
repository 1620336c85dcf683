//! Echoes that could not be sent yet, within a bound.

use std::collections::BTreeMap;

use bytes::Bytes;
use qecho_engine::StreamId;

use crate::COALESCE_MAX;

/// Unsent bytes of a connection from which on only small pieces are read.
const UNSENT_MAX: usize = 4 * COALESCE_MAX;

/// Bytes that a stream may always read, so that streams that do not move
/// never stop one that could.
const PIECE_MIN: usize = 1024;

/// Bytes that the send side of a connection has refused, by the stream they came on.
///
/// At most [`UNSENT_MAX`] bytes, and [`PIECE_MIN`] more for each stream.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    pieces: BTreeMap<StreamId, Piece>,
    bytes: usize,
}

/// Bytes to be sent, and whether the FIN follows them.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) data: Bytes,
    pub(super) fin: bool,
}

impl Unsent {
    pub(super) fn put(&mut self, id: StreamId, piece: Piece) {
        self.bytes += piece.data.len();
        let before = self.pieces.insert(id, piece);
        debug_assert!(before.is_none(), "a stream with a piece is not read");
    }

    pub(super) fn take(&mut self, id: StreamId) -> Option<Piece> {
        let piece = self.pieces.remove(&id)?;
        self.bytes -= piece.data.len();
        Some(piece)
    }

    pub(super) fn contains(&self, id: StreamId) -> bool {
        self.pieces.contains_key(&id)
    }

    /// Returns how many bytes there are.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many bytes a stream may read now.
    pub(super) fn piece_max(&self) -> usize {
        let room = UNSENT_MAX.saturating_sub(self.bytes);
        room.clamp(PIECE_MIN, COALESCE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use qecho_engine::{Dir, Side};

    use super::*;

    fn piece(length: usize) -> Piece {
        Piece {
            data: Bytes::from(vec![0; length]),
            fin: false,
        }
    }

    #[test]
    fn streams_that_do_not_move_are_read_in_ever_smaller_pieces() {
        let mut unsent = Unsent::default();
        let ids: Vec<_> = (0..1_000)
            .map(|index| StreamId::new(Side::Client, Dir::Bidirectional, index))
            .collect();
        let (first, rest) = ids.split_at(UNSENT_MAX / COALESCE_MAX);
        for id in first {
            assert_eq!(unsent.piece_max(), COALESCE_MAX);
            unsent.put(*id, piece(unsent.piece_max()));
        }
        for id in rest {
            assert_eq!(unsent.piece_max(), PIECE_MIN);
            unsent.put(*id, piece(unsent.piece_max()));
        }
        assert!(unsent.bytes < UNSENT_MAX + ids.len() * PIECE_MIN);
        for id in ids {
            assert!(unsent.take(id).is_some());
        }
        assert_eq!((unsent.bytes, unsent.piece_max()), (0, COALESCE_MAX));
    }
}
