//! Congestion control: Cubic (RFC 9438), with a bypass for what must not wait, and what is known
//! of a connection's progress in sending.

mod progress;

use std::{
    any::Any,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use quinn_proto::{
    RttEstimator,
    congestion::{Controller, ControllerFactory, ControllerMetrics, Cubic},
};

pub(crate) use self::progress::SendProgress;

/// Makes the congestion controller of each path.
pub(crate) struct CongestionFactory;

impl ControllerFactory for CongestionFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Congestion::new(now, current_mtu))
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
struct Congestion {
    cubic: Cubic,
    progress: Arc<SendProgress>,
    /// Number among the controllers of the same progress: a path that follows another one has a
    /// copy of its controller.
    number: u64,
}

impl Congestion {
    fn new(now: Instant, mtu: u16) -> Self {
        Self {
            cubic: Cubic::new(Arc::default(), now, mtu),
            progress: Arc::default(),
            number: 0,
        }
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
        self.progress.send(self.number, last_packet_number);
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
            self.progress.nothing_in_flight(self.number);
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
        self.progress.forget_polled();
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
        Box::new(Self {
            cubic: self.cubic.clone(),
            progress: self.progress.clone(),
            number: self.progress.copies.fetch_add(1, Relaxed) + 1,
        })
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

    fn copy(controller: &dyn Controller) -> Congestion {
        let any = controller.clone_box().into_any();
        *any.downcast().expect("the factory made it")
    }

    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn start() -> (Instant, Congestion) {
        let now = Instant::now();
        (now, Congestion::new(now, 1_200))
    }

    #[test]
    fn what_an_earlier_path_has_in_flight_is_not_taken_for_acknowledged() {
        let (now, mut before) = start();
        let progress = before.progress.clone();
        before.on_sent(now, 100, 5);
        before.on_end_acks(now, 0, true, Some(5));
        progress.write(5_000);
        before.on_sent(now, 5_000, 9);
        progress.nothing_to_send();
        // Looking at it is no new path.
        let _ = copy(&before);
        // The client has another port: the new path counts what is in flight anew.
        let mut after = copy(&before);
        after.on_sent(now, 100, 11);
        progress.nothing_to_send();
        after.on_end_acks(now, 0, true, Some(11));
        assert_eq!(progress.unacknowledged_max(), 5_000);
        // By this one the others are lost, and go again.
        after.on_sent(now, 100, 14);
        progress.nothing_to_send();
        after.on_end_acks(now, 0, true, Some(14));
        assert_eq!(progress.unacknowledged_max(), 5_000);
        after.on_sent(now, 5_000, 18);
        progress.nothing_to_send();
        after.on_end_acks(now, 0, true, Some(18));
        assert_eq!(progress.unacknowledged_max(), 0);
        // It was no path after all, and the one before is in use again.
        progress.write(700);
        after.on_sent(now, 700, 19);
        progress.nothing_to_send();
        before.on_end_acks(now, 0, true, Some(18));
        assert_eq!(progress.unacknowledged_max(), 700);
    }

    #[test]
    fn what_went_to_an_address_that_never_answers_is_not_taken_for_acknowledged() {
        let (now, mut before) = start();
        let progress = before.progress.clone();
        before.on_sent(now, 100, 5);
        before.on_end_acks(now, 0, true, Some(5));
        // The client has another port, and takes nothing there.
        let mut nowhere = copy(&before);
        progress.write(5_000);
        nowhere.on_sent(now, 5_000, 9);
        progress.nothing_to_send();
        // The path before is in use again, and has none of it in flight.
        before.on_sent(now, 100, 10);
        progress.nothing_to_send();
        before.on_end_acks(now, 0, true, Some(10));
        assert_eq!(progress.unacknowledged_max(), 5_000);
        // By this one the others are lost, and go again.
        before.on_sent(now, 100, 12);
        progress.nothing_to_send();
        before.on_end_acks(now, 0, true, Some(12));
        assert_eq!(progress.unacknowledged_max(), 5_000);
        before.on_sent(now, 5_000, 16);
        progress.nothing_to_send();
        before.on_end_acks(now, 0, true, Some(16));
        assert_eq!(progress.unacknowledged_max(), 0);
    }

    #[test]
    fn a_path_with_a_record_of_its_own_goes_on_where_the_other_ends() {
        let (now, mut before) = start();
        before.progress.write(5_000);
        before.on_sent(now, 5_000, 9);
        before.progress.nothing_to_send();
        let (_, mut after) = start();
        after.on_sent(now, 100, 10);
        after.progress.follow(&before.progress);
        after.on_end_acks(now, 0, true, Some(10));
        assert_eq!(after.progress.unacknowledged_max(), 5_000);
        after.on_sent(now, 5_000, 14);
        after.progress.nothing_to_send();
        after.on_end_acks(now, 0, true, Some(13));
        after.progress.nothing_to_send();
        after.on_end_acks(now, 0, true, Some(14));
        assert_eq!(after.progress.unacknowledged_max(), 0);
    }

    #[test]
    fn what_is_lost_is_not_taken_for_acknowledged() {
        let (now, mut congestion) = start();
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
