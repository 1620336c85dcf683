//! Timers: probes, acknowledgements that were held back, silence.

use std::time::{Duration, Instant};

use qecho_packet::{Side, TransportParameters, wire::Frame};

use super::{Ended, Endpoint, space_of};
use crate::{
    packet::Content,
    tls::{LEVELS, Level},
};

/// Packets whose frames go again by one probe (RFC 9002 §6.2.4).
const PROBED_PACKETS: usize = 2;
/// Probe timeouts that an idle connection lives at least (RFC 9000 §10.1).
const IDLE_PERIODS_MIN: u32 = 3;

impl Endpoint {
    /// Returns the time at which [`timeout`](Self::timeout) is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        if self.ended.is_some() {
            return None;
        }
        let probes = LEVELS.into_iter().filter_map(|level| self.probe_at(level));
        let acknowledgements = self.acknowledgements_at();
        let challenge = self.paths.challenged_at().map(|at| at + self.period());
        probes
            .chain(acknowledgements)
            .chain(challenge)
            .chain(self.idle_at())
            .chain(self.first_probe_at())
            .min()
    }

    /// Does what is due.
    pub fn timeout(&mut self, now: Instant) {
        if self.ended.is_some() {
            return;
        }
        if self.idle_at().is_some_and(|at| at <= now) {
            return self.end(Ended::TimedOut);
        }
        let mut has_probed = false;
        for level in LEVELS {
            if self.probe_at(level).is_some_and(|at| at <= now) {
                self.probe(now, level);
                has_probed = true;
            }
        }
        if self.first_probe_at().is_some_and(|at| at <= now) {
            self.probe(now, self.handshake_level());
            has_probed = true;
        }
        if has_probed && self.behaviour.backs_off {
            self.recovery.probed();
        }
        self.behaviour.pads_initials &= !has_probed || self.behaviour.pads_probes;
        if let Some(limit) = now.checked_sub(self.period()) {
            for path in self.paths.overdue(limit) {
                self.challenge(path);
            }
        }
    }

    /// Sends frames of the oldest packets again, or a PING (RFC 9002 §6.2.4).
    fn probe(&mut self, now: Instant, level: Level) {
        let space = self.space(level);
        space.last_sent = Some(now);
        let oldest: Vec<_> = space
            .in_flight
            .keys()
            .take(PROBED_PACKETS)
            .copied()
            .collect();
        space.resend(&oldest);
        if space.frames.is_empty() {
            space.frames.push_back(Content::from(Frame::Ping));
        }
    }

    /// Returns the time at which packets of a level are overdue.
    fn probe_at(&self, level: Level) -> Option<Instant> {
        let space = &self.spaces[space_of(level)];
        let is_over = self.is_discarded[level as usize] || space.in_flight.is_empty();
        if is_over || !self.behaviour.resends {
            return None;
        }
        self.recovery.deadline(space.last_sent?)
    }

    /// Returns the time at which a client sends something though nothing of it is on its way: a
    /// server may wait for that to be allowed to send more (RFC 9002 §6.2.2.1).
    fn first_probe_at(&self) -> Option<Instant> {
        let is_waiting = self.side == Side::Client
            && !self.is_complete
            && self.behaviour.resends
            && self.spaces.iter().all(|space| space.in_flight.is_empty());
        let last_sent = self.spaces.iter().filter_map(|space| space.last_sent).max();
        self.recovery.deadline(last_sent.filter(|_| is_waiting)?)
    }

    /// Returns the newest level of the handshake at which there are keys.
    fn handshake_level(&self) -> Level {
        match self.keys.can_seal(Level::Handshake) {
            true => Level::Handshake,
            false => Level::Initial,
        }
    }

    fn acknowledgements_at(&self) -> impl Iterator<Item = Instant> {
        let delay = self.behaviour.acknowledgement_delay;
        let acknowledges = self.behaviour.acknowledges && !delay.is_zero();
        let spaces = self.spaces.iter().filter(move |_| acknowledges);
        spaces.filter_map(move |space| Some(space.due_since? + delay))
    }

    /// Returns the time at which the connection is given up (RFC 9000 §10.1).
    fn idle_at(&self) -> Option<Instant> {
        if !self.behaviour.times_out {
            return None;
        }
        let own = self.parameters.max_idle_timeout();
        let peer = self.peer_parameters.as_ref();
        let peer = peer.and_then(TransportParameters::max_idle_timeout);
        let timeout: Duration = own.into_iter().chain(peer).min()?;
        Some(self.last_activity + timeout.max(IDLE_PERIODS_MIN * self.period()))
    }
}
