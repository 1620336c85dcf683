//! Datagrams that wait to be sent.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
};

use crate::{limits::OUTBOX_TRANSMITS_MAX, observation::Dissected};

/// One UDP datagram, or a batch of equally long ones for the kernel to cut
/// (GSO).
#[derive(Debug)]
pub struct Datagram {
    /// Which of the shard's addresses sends it.
    pub binding: usize,
    /// Whom it is for.
    pub destination: SocketAddr,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// The UDP payload.
    pub contents: Vec<u8>,
    /// Length of each datagram of a batch; the last may be shorter.
    pub segment_size: Option<usize>,
    /// The address to send from, where it matters.
    pub source_ip: Option<IpAddr>,
    /// What is in it, if the shard is watched.
    pub dissected: Option<Box<[Dissected]>>,
}

/// A queue of at most [`OUTBOX_TRANSMITS_MAX`] transmits whose buffers are
/// used again.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Datagram>,
    buffers: Vec<Vec<u8>>,
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

    pub(crate) fn push(
        &mut self,
        binding: usize,
        transmit: quinn_proto::Transmit,
        mut contents: Vec<u8>,
        dissected: Option<Box<[Dissected]>>,
    ) {
        contents.truncate(transmit.size);
        self.waiting.push_back(Datagram {
            binding,
            destination: transmit.destination,
            ecn: transmit.ecn.map_or(0, |ecn| ecn as u8),
            contents,
            segment_size: transmit.segment_size,
            source_ip: transmit.src_ip,
            dissected,
        });
    }

    pub(crate) fn pop(&mut self) -> Option<Datagram> {
        self.waiting.pop_front()
    }

    /// Puts back what the socket did not take.
    pub(crate) fn put_back(&mut self, datagram: Datagram) {
        self.waiting.push_front(datagram);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
