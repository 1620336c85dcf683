//! Datagrams as the event loop shows them to observers.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::{capture::Capture, direction::Direction, observation::Observation, trace::Trace};

/// Sees every datagram that the sockets of an event loop receive and send, and
/// what is in it.
///
/// It runs on the loop's thread: whatever takes long belongs elsewhere.
///
/// Datagrams are shown in the order in which they passed, a received one
/// before the shard has it. Secrets derived from a datagram are in the key log by
/// the next [`flush`](Self::flush); buffer until then what must be written after them.
pub trait DatagramObserver: Send {
    /// Sees one datagram, or a batch of them.
    fn see(&mut self, passing: &ObservedDatagram<'_>);

    /// Learns what a watched shard tells of its packets.
    fn observe(&mut self, at: Duration, observation: &Arc<Observation>) {
        let _ = (at, observation);
    }

    /// Learns that every connection was driven with what was seen.
    fn flush(&mut self);
}

/// Datagrams that passed a socket at once, from one address to one other.
#[derive(Clone, Copy, Debug)]
pub struct ObservedDatagram<'a> {
    /// Time since 1970-01-01 00:00 UTC; never goes back.
    pub at: Duration,
    /// The way that they went.
    pub direction: Direction,
    /// Our own address, as the peer sees it unless there is a NAT between.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The ECN bits of their IP headers (RFC 3168).
    pub ecn: u8,
    /// Their UDP payloads.
    pub contents: &'a [u8],
    /// Length of each datagram of a batch; the last may be shorter.
    pub segment_size: Option<usize>,
}

impl<'a> ObservedDatagram<'a> {
    /// Returns the UDP payload of each datagram.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let size = self.segment_size.unwrap_or(self.contents.len());
        self.contents.chunks(size.max(1))
    }
}

/// Observers of every datagram and of every packet; by default none.
///
/// For a capture to be read, TLS has to log its secrets to
/// [`Capture::key_log`] too. A process that is both ends of a connection gives
/// this to one of them, or sees everything twice.
#[derive(Clone, Debug, Default)]
pub struct Observers {
    /// Writes the datagrams to a file.
    pub capture: Option<Capture>,
    /// Looks into the packets.
    pub trace: Option<Trace>,
}

impl Observers {
    /// Tells whether the shard has to tell what is in its packets.
    pub fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// Returns what one event loop has to show things to.
    pub fn datagram_observers(&self) -> Vec<Box<dyn DatagramObserver>> {
        let capture = self.capture.iter().map(Capture::observer);
        capture
            .chain(self.trace.iter().map(Trace::observer))
            .collect()
    }
}
