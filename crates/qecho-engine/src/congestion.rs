//! Congestion control: Cubic (RFC 9438), with a bypass for what must not wait, and what is known
//! of a connection's progress in sending.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use quinn_proto::{
    RttEstimator,
    congestion::{Controller, ControllerFactory, ControllerMetrics, Cubic, CubicConfig},
};

/// Makes the congestion controller of each path.
#[derive(Default)]
pub(crate) struct CongestionFactory(Arc<CubicConfig>);

impl ControllerFactory for CongestionFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Congestion {
            cubic: Cubic::new(self.0.clone(), now, current_mtu),
            progress: Arc::default(),
        })
    }
}

/// Cubic, with a bypass of the window for what must not wait.
///
/// quinn-proto 0.11.19 holds packets back while the window is full and there
/// is data to send, although they carry more than data:
///
/// - CONNECTION_CLOSE, after which nothing ever empties the window: the peer
///   would learn of the close by its idle timeout (quinn pull request 2787);
/// - acknowledgements, which are not under congestion control (RFC 9002 §7):
///   two ends that both send, as around an echo, would each wait for the
///   other's acknowledgement until a probe timeout, and on a lossy path end by
///   their idle timeouts;
/// - PATH_RESPONSE, which is to be sent at once (RFC 9000 §8.2.2): until it comes, the peer
///   may send next to nothing on a path that has changed.
#[derive(Clone)]
struct Congestion {
    cubic: Cubic,
    progress: Arc<SendProgress>,
}

/// Progress in sending what was written to a connection's streams, in bytes. quinn-proto does
/// not tell how much it still keeps, but all is acknowledged that was written when it had
/// nothing more to send, once nothing is in flight.
///
/// Controllers have to be shareable between threads; in fact one thread uses this.
#[derive(Debug, Default)]
pub(crate) struct SendProgress {
    /// Whether the congestion window is passed by.
    bypass: AtomicBool,
    written: AtomicU64,
    /// Those written when there was last nothing to send.
    polled: AtomicU64,
    acknowledged: AtomicU64,
    /// Number of the last packet.
    last_packet: AtomicU64,
    /// Largest number that was acknowledged.
    largest_acknowledged: AtomicU64,
}

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
        self.polled.store(earlier.polled.load(Relaxed), Relaxed);
        let acknowledged = earlier.acknowledged.load(Relaxed);
        self.acknowledged.store(acknowledged, Relaxed);
    }
}

/// Bypass of the congestion window of a connection's current path.
pub(crate) struct CongestionBypass(Arc<SendProgress>);

impl CongestionBypass {
    /// Opens the bypass; it closes when the value is dropped.
    pub(crate) fn open(connection: &quinn_proto::Connection) -> Self {
        let progress = SendProgress::of(connection);
        progress.bypass.store(true, Relaxed);
        Self(progress)
    }
}

impl Drop for CongestionBypass {
    fn drop(&mut self) {
        self.0.bypass.store(false, Relaxed);
    }
}

// Cubic takes no notice of what is sent, nor of where a batch of acknowledgements ends.
impl Controller for Congestion {
    fn on_sent(&mut self, _: Instant, _: u64, last_packet_number: u64) {
        self.progress.last_packet.store(last_packet_number, Relaxed);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, _: Instant, in_flight: u64, app_limited: bool, largest: Option<u64>) {
        if let Some(largest) = largest {
            self.progress.largest_acknowledged.store(largest, Relaxed);
        }
        if in_flight == 0 && app_limited {
            let polled = self.progress.polled.load(Relaxed);
            self.progress.acknowledged.store(polled, Relaxed);
        }
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        // What is lost is in flight no more, and was not acknowledged: it is to be sent again.
        let acknowledged = self.progress.acknowledged.load(Relaxed);
        self.progress.polled.store(acknowledged, Relaxed);
        self.cubic
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        if self.progress.bypass.load(Relaxed) {
            return u64::MAX;
        }
        self.cubic.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.cubic.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn what_is_lost_is_not_taken_for_acknowledged() {
        let now = Instant::now();
        let controller = Arc::new(CongestionFactory::default()).build(now, 1_200);
        let any = controller.clone_box().into_any();
        let mut congestion = *any.downcast::<Congestion>().expect("the factory made it");
        let progress = congestion.progress.clone();
        progress.write(5_000);
        progress.nothing_to_send();
        congestion.on_congestion_event(now, now, false, 5_000);
        // An acknowledgement of something else, while nothing is in flight.
        congestion.on_end_acks(now, 0, true, Some(9));
        assert_eq!(progress.unacknowledged_max(), 5_000);
        // It was sent again.
        progress.nothing_to_send();
        congestion.on_end_acks(now, 0, true, Some(10));
        assert_eq!(progress.unacknowledged_max(), 0);
    }
}
