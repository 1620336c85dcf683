//! Progress of a connection in sending, as far as it is known.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use super::Congestion;

/// Progress in sending what was written to a connection's streams, in bytes. quinn-proto does
/// not tell how much it still keeps, but all is acknowledged that was written when it had
/// nothing more to send, once nothing is in flight.
///
/// Controllers have to be shareable between threads; in fact one thread uses this.
#[derive(Debug, Default)]
pub(crate) struct SendProgress {
    /// Whether the congestion window is passed by.
    pub(super) bypass: AtomicBool,
    written: AtomicU64,
    /// Those written when there was last nothing to send.
    polled: AtomicU64,
    acknowledged: AtomicU64,
    /// Number of the last packet.
    last_packet: AtomicU64,
    /// Largest number that was acknowledged.
    pub(super) largest_acknowledged: AtomicU64,
    /// Copies that were made of the controller, and the number of the one whose path is in use.
    pub(super) copies: AtomicU64,
    in_use: AtomicU64,
    /// Packet that must be acknowledged before it is known what is in flight, if there is one:
    /// a path does not count what others have in flight.
    awaited: AtomicU64,
}

/// Packets after one by whose acknowledgement it is acknowledged or lost (RFC 9002 §6.1.1).
const PACKET_THRESHOLD: u64 = 3;

impl SendProgress {
    /// Returns the record of a connection's current path.
    pub(crate) fn of(connection: &quinn_proto::Connection) -> Arc<Self> {
        let controller = connection.congestion_state().clone_box().into_any();
        let congestion = controller.downcast::<Congestion>().ok();
        congestion.map_or_else(Arc::default, |congestion| congestion.progress)
    }

    /// Notes bytes that were written.
    #[inline]
    pub(crate) fn write(&self, bytes: usize) {
        let written = self.written.load(Relaxed) + bytes as u64;
        self.written.store(written, Relaxed);
    }

    /// Notes that nothing is to be sent, as far as congestion control allows.
    #[inline]
    pub(crate) fn nothing_to_send(&self) {
        self.polled.store(self.written.load(Relaxed), Relaxed);
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Returns the most bytes that may not be acknowledged yet.
    pub(crate) fn unacknowledged_max(&self) -> u64 {
        self.written() - self.acknowledged.load(Relaxed)
    }

    /// Returns how many packets were sent after the last that is acknowledged: the state machine
    /// remembers each.
    pub(crate) fn unacknowledged_packets(&self) -> u64 {
        let acknowledged = self.largest_acknowledged.load(Relaxed);
        self.last_packet.load(Relaxed).saturating_sub(acknowledged)
    }

    /// Goes on where the record of an earlier path ends.
    pub(crate) fn follow(&self, earlier: &Self) {
        self.written.store(earlier.written(), Relaxed);
        let acknowledged = earlier.acknowledged.load(Relaxed);
        self.acknowledged.store(acknowledged, Relaxed);
        let last_packet = earlier.last_packet.load(Relaxed);
        self.last_packet.fetch_max(last_packet, Relaxed);
        let largest = earlier.largest_acknowledged.load(Relaxed);
        self.largest_acknowledged.fetch_max(largest, Relaxed);
        self.await_earlier();
    }

    /// Waits until what other paths have in flight is acknowledged or lost.
    fn await_earlier(&self) {
        let last_packet = self.last_packet.load(Relaxed);
        self.awaited.store(last_packet + PACKET_THRESHOLD, Relaxed);
        self.forget_polled();
    }

    /// Notes that not all is acknowledged once nothing is in flight, but only what was asked for
    /// from now on.
    pub(super) fn forget_polled(&self) {
        let acknowledged = self.acknowledged.load(Relaxed);
        self.polled.store(acknowledged, Relaxed);
    }

    /// Notes that packets were sent on the path of a controller.
    #[inline]
    pub(super) fn send(&self, controller: u64, last_packet: u64) {
        self.note_in_use(controller);
        self.last_packet.store(last_packet, Relaxed);
    }

    /// Notes which controller's path is in use. A path that came to nothing is left for the one
    /// before it, which does not count what was sent there.
    #[inline]
    fn note_in_use(&self, controller: u64) {
        if self.in_use.load(Relaxed) != controller {
            self.in_use.store(controller, Relaxed);
            self.await_earlier();
        }
    }

    /// Notes that the path of a controller has nothing in flight, and that there is nothing to
    /// send.
    pub(super) fn nothing_in_flight(&self, controller: u64) {
        self.note_in_use(controller);
        let awaited = self.awaited.load(Relaxed);
        if awaited == 0 {
            let polled = self.polled.load(Relaxed);
            return self.acknowledged.store(polled, Relaxed);
        }
        if self.largest_acknowledged.load(Relaxed) >= awaited {
            // What was lost on other paths was not told, and is to be sent again.
            self.awaited.store(0, Relaxed);
            self.forget_polled();
        }
    }
}
