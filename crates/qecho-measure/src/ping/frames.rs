//! PING frames, which any QUIC peer acknowledges.

use std::time::{Duration, Instant};

use qecho_engine::Connection;

use super::{context::Context, probes::Probe, report::ReplyKind};
use crate::latency::LatencyRecorder;

/// Time for which the first PING frame waits for the handshake to be
/// confirmed.
const CONFIRMATION_PATIENCE: Duration = Duration::from_secs(1);

/// The transport parameter that has the unit of ACK delays, and its default
/// (RFC 9000 §18.2).
const ACK_DELAY_EXPONENT: u64 = 0x0a;
const ACK_DELAY_EXPONENT_DEFAULT: u64 = 3;
const ACK_DELAY_EXPONENT_MAX: u64 = 20;

/// PING frames, one at a time.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Lateness of the last one.
    lateness: Duration,
    pub(super) less_ack_delay: LatencyRecorder,
    /// Time at which the first is sent although the handshake is not confirmed.
    pub(super) begins_at: Option<Instant>,
    pub(super) has_begun: bool,
}

impl Frames {
    /// Forgets the connection, and keeps what was measured.
    pub(super) fn restart(&mut self) {
        self.has_begun = false;
        self.begins_at = None;
    }

    /// Tells whether the handshake is out of the way: what is sent before it is
    /// confirmed shares datagrams with it, and waits for the peer's TLS.
    pub(super) fn may_begin(&mut self, context: &Context<'_, '_>) -> bool {
        if self.has_begun {
            return true;
        }
        let now = context.connection.now();
        let number = context.connection.number();
        let phases = number.map(|number| context.observations.handshake(number));
        let is_confirmed = phases.is_some_and(|(_, confirmed)| confirmed.is_some());
        let begins_at = *self.begins_at.get_or_insert(now + CONFIRMATION_PATIENCE);
        self.has_begun = is_confirmed || begins_at <= now;
        if self.has_begun {
            self.begins_at = None;
        }
        self.has_begun
    }

    /// Sends a PING frame.
    pub(super) fn send(&mut self, context: &mut Context<'_, '_>, probe: Probe) {
        let now = context.connection.now();
        self.lateness = now.saturating_duration_since(probe.intended);
        if let Some(number) = context.connection.number() {
            context.observations.expect_ping(number);
        }
        context.connection.ping();
    }

    /// Reports the acknowledgement of the PING under way, if it has come.
    pub(super) fn poll(&mut self, context: &mut Context<'_, '_>) {
        let number = context.connection.number();
        let acknowledged = number.and_then(|number| context.observations.acknowledged(number));
        let (Some(acknowledged), Some(probe)) = (acknowledged, context.probes.current()) else {
            return;
        };
        let delay = acknowledged
            .delay
            .map(|units| ack_delay(context.connection, units));
        let time = acknowledged.round_trip + self.lateness;
        if let Some(delay) = delay {
            self.less_ack_delay.record(time.saturating_sub(delay));
        }
        let now = context.connection.now();
        let answer = context.probes.answer_after(now, probe.sequence, time);
        context.report(probe.sequence, answer, ReplyKind::Acknowledgement { delay });
    }
}

/// Returns the time for which the peer says that it held an acknowledgement
/// back.
fn ack_delay(connection: &Connection<'_>, units: u64) -> Duration {
    let exponent = connection
        .handshake()
        .and_then(|handshake| handshake.peer_parameters.integer(ACK_DELAY_EXPONENT))
        .unwrap_or(ACK_DELAY_EXPONENT_DEFAULT)
        .min(ACK_DELAY_EXPONENT_MAX);
    Duration::from_micros(units.saturating_mul(1 << exponent))
}
