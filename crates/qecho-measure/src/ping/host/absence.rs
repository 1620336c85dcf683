//! A host to which there is no connection, not yet or not any more: its pings are lost, and it
//! is dialled again.

use std::time::{Duration, Instant};

use qecho_engine::ShardContext;

use super::{
    super::{config::Mode, events::PingEvent, report::Failure},
    Host, HostState, Tell,
};

/// Time between two attempts to connect again, at least: a host that refuses says so at once.
const REDIAL_INTERVAL: Duration = Duration::from_millis(100);

impl Host {
    /// Tells whether a failure leaves hope for another connection, which is to be tried.
    pub(super) fn reconnects_after(&self, failure: &Failure) -> bool {
        let has_one = self.settings.mode != Mode::Handshake;
        has_one && !self.settings.gives_up && failure.may_pass()
    }

    /// Loses all pings under way, and from now on those that are due, until there is a
    /// connection again.
    pub(super) fn await_server(&mut self, now: Instant, failure: Failure, tell: Tell<'_>) {
        self.state = HostState::Idle;
        self.unreachable.stop();
        self.ambiguous.stop();
        self.quiet.stop();
        self.workload.restart();
        let reason = failure.to_string();
        if self.redial.is_none() {
            tell(PingEvent::Disconnected(failure));
        }
        self.redial = Some(now + REDIAL_INTERVAL);
        self.requested_turn = Some(now);
        // The first are due although there was no connection yet.
        self.probes.begin(now);
        self.probes.hold(now);
        let lost = self.probes.lose_all(now, &reason);
        lost.into_iter()
            .for_each(|lost| tell(PingEvent::Lost(lost)));
    }

    /// Dials again when a ping is due, while there is no connection.
    pub(super) fn connect_again(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        let now = context.now();
        let Some(redial) = self.redial else {
            return;
        };
        if matches!(self.state, HostState::Live(_) | HostState::Ended) {
            return;
        }
        self.probes.hold(now);
        if self.probes.is_over() {
            return self.end(None, now, Ok(()), tell);
        }
        let is_due = redial <= now && self.probes.current().is_some();
        if is_due && matches!(self.state, HostState::Idle) {
            match self.renew_offers() {
                Ok(()) => self.dial(context, tell),
                Err(error) => {
                    let failure = Failure::Broken(error.to_string());
                    self.end(None, now, Err(failure), tell);
                }
            }
        }
    }

    pub(super) fn deadline_without_connection(&self) -> Option<Instant> {
        let is_idle = matches!(self.state, HostState::Idle);
        let is_awaited = self.probes.current().is_some();
        let waits = [
            self.requested_turn,
            self.dialer.deadline(),
            self.probes.deadline_of_next(),
            self.redial.filter(|_| is_idle && is_awaited),
            self.ambiguous.deadline(),
        ];
        waits.into_iter().flatten().min()
    }
}
