//! UDP datagrams on their way into and out of a shard.

use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;

use crate::limits::{GSO_BYTES_MAX, INITIAL_DATAGRAM_MIN};

/// A UDP datagram that one of the shard's addresses received.
#[derive(Debug)]
pub struct Received {
    /// Index of the address that received it, among the shard's.
    pub binding: usize,
    /// Address of the sender.
    pub remote: SocketAddr,
    /// The address it was sent to, where the system tells it.
    pub local_ip: Option<IpAddr>,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// The UDP payload.
    pub data: BytesMut,
}

impl Received {
    /// Makes a datagram that the first address received from `remote`, without ECN bits.
    pub fn from_remote(remote: SocketAddr, data: &[u8]) -> Self {
        Self {
            binding: 0,
            remote,
            local_ip: None,
            ecn: 0,
            data: BytesMut::from(data),
        }
    }
}

/// A UDP datagram to send, or a batch of equally long ones for the kernel to cut
/// (GSO).
#[derive(Debug)]
#[non_exhaustive]
pub struct Datagram {
    /// Index of the address that sends it, among the shard's.
    pub binding: usize,
    /// Address to send it to.
    pub destination: SocketAddr,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// The UDP payload.
    pub contents: Vec<u8>,
    /// Length of each datagram of a batch; the last may be shorter.
    pub segment_size: Option<usize>,
    /// The address to send from, where it matters.
    pub source_ip: Option<IpAddr>,
    /// Name of what its packets were decoded to, if packets are traced.
    pub(crate) trace: Option<u64>,
}

impl Datagram {
    /// Makes a single datagram without ECN bits, from whichever source address the
    /// system chooses.
    pub fn new(binding: usize, destination: SocketAddr, contents: Vec<u8>) -> Self {
        Self {
            binding,
            destination,
            ecn: 0,
            contents,
            segment_size: None,
            source_ip: None,
            trace: None,
        }
    }

    /// Sets the ECN bits.
    pub fn with_ecn(mut self, ecn: u8) -> Self {
        self.ecn = ecn;
        self
    }

    /// Sets the address to send from.
    pub fn with_source_ip(mut self, source_ip: Option<IpAddr>) -> Self {
        self.source_ip = source_ip;
        self
    }

    /// Tells whether `next`, perhaps of another connection, can leave in one
    /// batch with this: many connections behind one address have small
    /// datagrams that cost more to send than to make.
    ///
    /// Only what every path carries: a batch in which something is too long
    /// is lost as a whole.
    pub(crate) fn takes(&self, next: &Self, segments_max: usize) -> bool {
        let size = self.segment_size.unwrap_or(self.contents.len());
        let segments = self.contents.len() / size.max(1);
        next.segment_size.is_none()
            && (1..=size).contains(&next.contents.len())
            && size <= INITIAL_DATAGRAM_MIN.into()
            && self.contents.len() == segments * size
            && segments < segments_max
            && self.contents.len() + next.contents.len() <= GSO_BYTES_MAX
            && self.binding == next.binding
            && self.destination == next.destination
            && self.ecn == next.ecn
            && self.source_ip == next.source_ip
            && self.trace.is_none()
            && next.trace.is_none()
    }
}
