//! Reading streams: many chunks of the state machine become few pieces.

use bytes::Bytes;
use qecho_packet::StreamId;
use quinn_proto::ReadError;

use super::{Connection, Read, ReadEnd};
use crate::{limits::PIECE_UNCOPIED_MIN, proto::ToProto};

impl Connection<'_> {
    /// Reads at most `max` bytes of a stream into one contiguous piece.
    pub fn read(&mut self, id: StreamId, max: usize) -> Read {
        self.gather(id, max, |_| false)
    }

    /// Reads at most `max` bytes of a stream that came together: what a large packet
    /// brought as it is, without a copy, unless a small piece is before it, and what
    /// several small ones brought joined.
    pub fn read_piece(&mut self, id: StreamId, max: usize) -> Read {
        self.gather(id, max, |gathered| gathered.is_one_of(PIECE_UNCOPIED_MIN))
    }

    fn gather(&mut self, id: StreamId, max: usize, is_enough: fn(&JoinedChunks) -> bool) -> Read {
        if !self.receives(id) {
            return Read::nothing(ReadEnd::Closed);
        }
        let mut stream = self.proto.recv_stream(id.to_proto());
        let Ok(mut chunks) = stream.read(true) else {
            return Read::nothing(ReadEnd::Closed);
        };
        let mut gathered = JoinedChunks::default();
        let packet_max = self.meta.datagram_max;
        let end = loop {
            let room = match is_enough(&gathered) {
                true => 0,
                false => max - gathered.len(),
            };
            // Without room nothing is taken, but it is told what follows: a FIN that
            // came with these bytes is to go with their echo.
            match chunks.next(room) {
                Ok(Some(_)) if room == 0 => break ReadEnd::More,
                Ok(Some(chunk)) => gathered.push(chunk.bytes),
                Ok(None) => break ReadEnd::Fin,
                Err(ReadError::Blocked) => break ReadEnd::Blocked,
                Err(ReadError::Reset(code)) => break ReadEnd::Reset(code.into_inner()),
            }
        };
        // Whether flow control credit must be sent is found out by the drain
        // of this connection that ends every turn.
        let _ = chunks.finalize();
        if matches!(end, ReadEnd::Fin | ReadEnd::Reset(_)) {
            self.meta.unanswered.remove(&id);
        }
        self.meta.read += gathered.len() as u64;
        Read {
            data: gathered.into_bytes(packet_max),
            end,
        }
    }

    /// Returns the code of the peer's RESET_STREAM, if one has come, without
    /// reading what came before it; the stream is gone then.
    pub fn received_reset(&mut self, id: StreamId) -> Option<u64> {
        if !self.receives(id) {
            return None;
        }
        let reset = self.proto.recv_stream(id.to_proto()).received_reset();
        let code = reset.ok().flatten()?;
        self.meta.unanswered.remove(&id);
        Some(code.into_inner())
    }
}

/// Copies what is a small part of its packet: it would keep the whole packet
/// in memory, of which the windows and queues count only this part. (Or the whole
/// receive buffer, of which [`RECEIVE_BUFFERS_LENT_MAX`] may be kept.)
///
/// [`RECEIVE_BUFFERS_LENT_MAX`]: crate::limits::RECEIVE_BUFFERS_LENT_MAX
pub(super) fn owned(part: Bytes, packet_max: usize) -> Bytes {
    if part.len() < packet_max / 2 {
        Bytes::copy_from_slice(&part)
    } else {
        part
    }
}

/// Chunks that are copied at once: 64 KiB of an Ethernet's packets.
const CHUNKS_JOINED_MAX: usize = 64;

/// Joins chunks into one contiguous piece, copying only if there are several:
/// the state machine's send buffer scans its pieces one by one, so many small
/// ones would make bulk echo quadratic.
#[derive(Default)]
struct JoinedChunks {
    first: Bytes,
    /// Chunks after it, to be copied once their length is known.
    more: Vec<Bytes>,
    joined: Vec<u8>,
    length: usize,
}

impl JoinedChunks {
    fn len(&self) -> usize {
        self.length
    }

    /// Tells whether all of it is one chunk of at least `length` bytes.
    fn is_one_of(&self, length: usize) -> bool {
        self.first.len() >= length && self.length == self.first.len()
    }

    fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len();
        if self.length == chunk.len() {
            self.first = chunk;
            return;
        }
        if self.more.len() == CHUNKS_JOINED_MAX {
            self.join();
        }
        if self.more.is_empty() {
            self.more.reserve_exact(CHUNKS_JOINED_MAX);
        }
        self.more.push(chunk);
    }

    fn join(&mut self) {
        let before = self.joined.len();
        self.joined.reserve(self.length - before);
        self.joined
            .extend_from_slice(&std::mem::take(&mut self.first));
        for chunk in self.more.drain(..) {
            self.joined.extend_from_slice(&chunk);
        }
    }

    fn into_bytes(mut self, packet_max: usize) -> Bytes {
        if self.joined.is_empty() && self.more.is_empty() {
            return owned(self.first, packet_max);
        }
        self.join();
        self.joined.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(chunks: &[Bytes]) -> JoinedChunks {
        let mut gathered = JoinedChunks::default();
        chunks.iter().for_each(|chunk| gathered.push(chunk.clone()));
        gathered
    }

    #[test]
    fn a_large_chunk_is_enough_and_is_handed_on_as_it_came() {
        let large = Bytes::from(vec![1; PIECE_UNCOPIED_MIN]);
        let alone = gathered(std::slice::from_ref(&large));
        assert!(alone.is_one_of(PIECE_UNCOPIED_MIN));
        let came = alone.into_bytes(large.len() + 40);
        assert_eq!(came.as_ptr(), large.as_ptr());
        let rest = gathered(&[large]).into_bytes(4 * PIECE_UNCOPIED_MIN);
        assert_ne!(rest.as_ptr(), came.as_ptr(), "it kept a larger packet");
        assert_eq!(rest, came);
    }

    #[test]
    fn small_chunks_are_never_enough_and_are_joined() {
        let small: Vec<_> = (0..100).map(|byte| Bytes::from(vec![byte; 400])).collect();
        let all = gathered(&small);
        assert!(all.len() > PIECE_UNCOPIED_MIN);
        assert!(!all.is_one_of(PIECE_UNCOPIED_MIN));
        assert_eq!(all.into_bytes(400), small.concat());
    }
}
