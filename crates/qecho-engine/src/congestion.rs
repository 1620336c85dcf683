//! Congestion control: Cubic (RFC 9438), with a bypass for what must not wait.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
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
            open: Arc::default(),
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
    open: Arc<AtomicBool>,
}

/// Bypass of the congestion window of a connection's current path.
pub(crate) struct CongestionBypass(Option<Arc<AtomicBool>>);

impl CongestionBypass {
    /// Opens the bypass; it closes when the value is dropped.
    pub(crate) fn open(connection: &quinn_proto::Connection) -> Self {
        let controller = connection.congestion_state().clone_box().into_any();
        let congestion = controller.downcast::<Congestion>().ok();
        let open = congestion.map(|congestion| congestion.open);
        if let Some(open) = &open {
            open.store(true, Ordering::Relaxed);
        }
        Self(open)
    }
}

impl Drop for CongestionBypass {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.store(false, Ordering::Relaxed);
        }
    }
}

// Cubic takes no notice of what is sent, nor of where a batch of acknowledgements ends.
impl Controller for Congestion {
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

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.cubic
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        if self.open.load(Ordering::Relaxed) {
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
