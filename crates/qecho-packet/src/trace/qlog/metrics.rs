//! An endpoint's estimates of its path (QUIC events §7, RFC 9002).

use super::{
    record::{EventContext, Records, milliseconds},
    value::object,
};
use crate::RecoveryMetrics;

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
    let min_rtt = (before.min_rtt != after.min_rtt).then_some(after.min_rtt);
    let smoothed_rtt = (before.smoothed_rtt != after.smoothed_rtt).then_some(after.smoothed_rtt);
    let window = after.congestion_window;
    let window = (before.congestion_window != window).then_some(window);
    if min_rtt.or(smoothed_rtt).is_some() || window.is_some() {
        let metrics = object! {
            min_rtt?: min_rtt.map(milliseconds),
            smoothed_rtt?: smoothed_rtt.map(milliseconds),
            congestion_window?: window,
        };
        records.event("quic:recovery_metrics_updated", context, metrics);
    }
    if before.mtu != after.mtu {
        let old = (before.mtu > 0).then_some(before.mtu);
        let updated = object! { old?: old, new: after.mtu };
        records.event("quic:mtu_updated", context, updated);
    }
}
