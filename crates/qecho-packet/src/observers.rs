//! Observers of the datagrams and packets of a tool.

use crate::{DatagramObserver, capture::Capture, trace::Trace};

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
