//! Datagrams that wait to be sent.

use std::collections::VecDeque;

use crate::{datagram::Datagram, limits::OUTBOX_TRANSMITS_MAX};

/// A queue of at most [`OUTBOX_TRANSMITS_MAX`] transmits whose buffers are
/// used again.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Datagram>,
    buffers: Vec<Vec<u8>>,
    /// Whether a socket has refused the first: nothing is sent until the next turn.
    is_held: bool,
}

impl Outbox {
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= OUTBOX_TRANSMITS_MAX
    }

    /// Returns an empty buffer for the next transmit.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        if self.buffers.len() < OUTBOX_TRANSMITS_MAX {
            self.buffers.push(buffer);
        }
    }

    /// Takes a datagram or batch; where the kernel cuts batches into
    /// `segments_max` datagrams, a small one joins the one before it.
    pub(crate) fn push(
        &mut self,
        binding: usize,
        transmit: quinn_proto::Transmit,
        mut contents: Vec<u8>,
        trace: Option<u64>,
        segments_max: usize,
    ) {
        contents.truncate(transmit.size);
        let datagram = Datagram {
            binding,
            destination: transmit.destination,
            ecn: transmit.ecn.map_or(0, |ecn| ecn as u8),
            contents,
            segment_size: transmit.segment_size,
            source_ip: transmit.src_ip,
            trace,
        };
        match self.waiting.back_mut() {
            Some(last) if last.takes(&datagram, segments_max) => {
                last.segment_size.get_or_insert(last.contents.len());
                last.contents.extend_from_slice(&datagram.contents);
                self.recycle(datagram.contents);
            }
            _ => self.waiting.push_back(datagram),
        }
    }

    /// Returns the next datagram, unless they are held.
    pub(crate) fn pop(&mut self) -> Option<Datagram> {
        match self.is_held {
            true => None,
            false => self.waiting.pop_front(),
        }
    }

    /// Puts back what the socket did not take, and holds everything.
    pub(crate) fn put_back(&mut self, datagram: Datagram) {
        self.waiting.push_front(datagram);
        self.is_held = true;
    }

    pub(crate) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Lets datagrams be sent again after one was put back.
    pub(crate) fn release(&mut self) {
        self.is_held = false;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::GSO_BYTES_MAX;

    /// Returns the lengths of the segments and of all that leaves at once.
    fn left(sent: &[(u16, usize)], segments_max: usize) -> Vec<(Option<usize>, usize)> {
        let mut outbox = Outbox::default();
        for (port, size) in sent {
            let transmit = quinn_proto::Transmit {
                destination: ([192, 0, 2, 1], *port).into(),
                ecn: None,
                size: *size,
                segment_size: None,
                src_ip: None,
            };
            outbox.push(0, transmit, vec![0; *size], None, segments_max);
        }
        let popped = std::iter::from_fn(|| outbox.pop());
        popped
            .map(|datagram| (datagram.segment_size, datagram.contents.len()))
            .collect()
    }

    #[test]
    fn small_datagrams_to_one_address_leave_at_once_and_only_the_last_is_shorter() {
        let sent = [(1, 60), (1, 60), (1, 59), (1, 60), (1, 61)];
        assert_eq!(left(&sent, 64), [(Some(60), 179), (None, 60), (None, 61)]);
        assert_eq!(left(&sent, 1).len(), 5, "the kernel does not cut");
        let pairs = left(&[(1, 60); 5], 2);
        assert_eq!(pairs, [(Some(60), 120), (Some(60), 120), (None, 60)]);
    }

    #[test]
    fn datagrams_to_others_and_large_ones_leave_alone() {
        assert_eq!(left(&[(1, 60), (2, 60), (1, 60)], 64).len(), 3);
        let many = left(&[(1, 1_200); 64], 64);
        let fits = |(_, size): &(_, usize)| *size <= GSO_BYTES_MAX;
        assert!(many.iter().all(fits), "{many:?}");
        assert_eq!(left(&[(1, 1_201), (1, 1_201), (1, 60)], 64).len(), 3);
    }
}
