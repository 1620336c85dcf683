//! Handshakes: a new connection each time, with a message as early as it can
//! be sent, if that is asked for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use qecho_engine::{Connection, EarlyData};

use super::{
    config::Config,
    context::Context,
    early::{self, EarlyMessage},
    payload::Payload,
    probes::Probe,
    report::{EarlyEcho, HandshakeTimes, ReplyKind},
};
use crate::latency::LatencyRecorder;

/// Connections, one at a time.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    /// Time until the one under way was complete.
    complete: Option<Duration>,
    /// Lateness of its beginning.
    lateness: Duration,
    /// Message that was sent on it as early as possible.
    pub(super) early: Option<EarlyMessage>,
    pub(super) first_reply: LatencyRecorder,
    pub(super) confirmed: LatencyRecorder,
    pub(super) echoed: LatencyRecorder,
}

impl Handshakes {
    /// Begins the next, so much later than intended.
    pub(super) fn begin(&mut self, lateness: Duration) {
        self.complete = None;
        self.early = None;
        self.lateness = lateness;
    }

    /// Sends a message before anything is known of the server's answer.
    pub(super) fn send_early(
        &mut self,
        connection: &mut Connection<'_>,
        settings: &Config,
        epoch: Instant,
        probe: Probe,
    ) {
        let message = match early::is_echoed(&settings.alpn) {
            true => Payload::of(probe, epoch, settings.size).bytes(),
            false => Bytes::new(),
        };
        self.early = EarlyMessage::send(connection, probe.sequence, message);
    }

    /// Ends the handshake under way, and sends the message if it could not be
    /// sent before, or was rejected.
    pub(super) fn connected(&mut self, context: &mut Context<'_, '_>) {
        let connection = &mut *context.connection;
        self.complete = Some(connection.received_at() - connection.began());
        let early_data = connection
            .handshake()
            .and_then(|handshake| handshake.early_data);
        if early_data == Some(EarlyData::Accepted) {
            return;
        }
        self.early = None;
        let settings = context.settings;
        let is_asked = settings.early_data && early::is_echoed(&settings.alpn);
        if let (Some(probe), true) = (context.probes.current(), is_asked) {
            self.send_early(connection, settings, context.epoch, probe);
        }
    }

    /// Reports the handshake under way if it is confirmed, or if it is complete
    /// and overdue; tells whether that was so.
    pub(super) fn finish(&mut self, context: &mut Context<'_, '_>, is_overdue: bool) -> bool {
        let (Some(complete), Some(probe)) = (self.complete, context.probes.current()) else {
            return false;
        };
        let number = context.connection.number();
        let observed = number.map(|number| context.observations.handshake(number));
        let (first_reply, confirmed) = observed.unwrap_or_default();
        let is_awaited = matches!(&self.early, Some(early) if early.is_awaited());
        if (confirmed.is_none() || is_awaited) && !is_overdue {
            return false;
        }
        self.complete = None;
        let early = self.early.take();
        // All times of a row count from the instant at which it was to begin.
        let counted = |time: Duration| time + self.lateness;
        let complete = counted(complete);
        let (first_reply, confirmed) = (first_reply.map(counted), confirmed.map(counted));
        let echoed = early.as_ref().and_then(|early| early.echoed);
        let echoed = echoed.map(counted);
        for (time, times) in [
            (echoed, &mut self.echoed),
            (first_reply, &mut self.first_reply),
            (confirmed, &mut self.confirmed),
        ] {
            if let Some(time) = time {
                times.record(time);
            }
        }
        let now = context.connection.now();
        let answer = context.probes.answer_after(now, probe.sequence, complete);
        let handshake = context.connection.handshake();
        let times = HandshakeTimes {
            first_reply,
            complete,
            confirmed,
            resumed: handshake.is_some_and(|handshake| handshake.resumed),
            early: context.settings.early_data.then(|| EarlyEcho {
                early_data: handshake.and_then(|handshake| handshake.early_data),
                echoed,
            }),
        };
        context.report(probe.sequence, answer, ReplyKind::Handshake(times));
        true
    }
}
