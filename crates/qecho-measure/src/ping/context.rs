//! State that a workload needs on a host's connection.

use std::time::Instant;

use qecho_engine::Connection;

use super::{
    config::Config,
    events::PingEvent,
    observer::PingObservations,
    payload::{Payload, stamp},
    probes::{Answer, Probe, Probes},
    report::{Failure, Reply, ReplyKind},
};

/// State of a host that a workload needs on its connection.
pub(super) struct Context<'c, 'a> {
    pub(super) connection: &'c mut Connection<'a>,
    pub(super) probes: &'c mut Probes,
    pub(super) observations: &'c PingObservations,
    pub(super) settings: &'c Config,
    /// Beginning of the ping, from which stamps count.
    pub(super) epoch: Instant,
    pub(super) tell: &'c mut dyn FnMut(PingEvent),
}

impl Context<'_, '_> {
    /// Returns the message of a ping.
    pub(super) fn payload(&self, probe: Probe) -> Payload {
        Payload::of(probe, self.epoch, self.settings.size)
    }

    /// Counts a message that has come back, and reports it.
    pub(super) fn echoed(&mut self, payload: Payload) -> Result<(), Failure> {
        let Payload {
            sequence,
            stamp: received,
            size,
        } = payload;
        if let Some(intended) = self.probes.intended(sequence)
            && (stamp(self.epoch, intended), self.settings.size) != (received, size)
        {
            return Err(Failure::Differs { sequence });
        }
        let answer = self.probes.answer(self.connection.received_at(), sequence);
        let bytes = size;
        self.report(sequence, answer, ReplyKind::Echo { bytes });
        Ok(())
    }

    /// Reports the answer of a ping.
    pub(super) fn report(&mut self, sequence: u64, answer: Answer, kind: ReplyKind) {
        let address = self.connection.remote_address();
        let event = answer.event(sequence, |time| Reply {
            sequence,
            time,
            address,
            kind,
        });
        event.into_iter().for_each(&mut *self.tell);
    }
}
