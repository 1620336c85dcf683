//! An endpoint's estimates of its path (QUIC events §7, RFC 9002).

use std::time::Duration;

use serde::Serialize;

use super::record::{EventContext, Records, milliseconds};
use crate::RecoveryMetrics;

#[derive(Default, PartialEq, Serialize)]
struct RecoveryMetricsUpdated {
    #[serde(skip_serializing_if = "Option::is_none")]
    min_rtt: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    smoothed_rtt: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    congestion_window: Option<u64>,
}

#[derive(Serialize)]
struct MtuUpdated {
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<u16>,
    new: u16,
}

/// Writes what has changed.
///
/// How often the window was cut and how many packets were lost have no
/// members.
pub(super) fn write(
    before: &RecoveryMetrics,
    after: &RecoveryMetrics,
    context: EventContext<'_>,
    records: &mut Records,
) {
    let rtt = |before: Duration, after: Duration| (before != after).then(|| milliseconds(after));
    let metrics = RecoveryMetricsUpdated {
        min_rtt: rtt(before.min_rtt, after.min_rtt),
        smoothed_rtt: rtt(before.smoothed_rtt, after.smoothed_rtt),
        congestion_window: (before.congestion_window != after.congestion_window)
            .then_some(after.congestion_window),
    };
    if metrics != RecoveryMetricsUpdated::default() {
        records.event("quic:recovery_metrics_updated", context, metrics);
    }
    if before.mtu != after.mtu {
        let old = (before.mtu > 0).then_some(before.mtu);
        let new = after.mtu;
        records.event("quic:mtu_updated", context, MtuUpdated { old, new });
    }
}
