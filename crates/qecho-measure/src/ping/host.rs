//! One host that is pinged: dials, works, says how it ended.

mod handshaking;
mod reachability;

use std::{sync::Arc, time::Instant};

use qecho_echo::dial::{CODE_DONE, CODE_FAILED, DialFailure, Dialer, Offers, Progress};
use qecho_engine::{CloseReason, Connection, ConnectionKey, Event, ShardContext, TlsError};

use self::reachability::{Doubt, Suspicion};
use super::{
    config::{Config, Destination, Mode},
    onlooker::Findings,
    probes::Probes,
    report::{Connected, Failure, HostEvent, Lost, Report, Transport},
    work::{Context, Work},
};

/// A host that is pinged.
pub(super) struct Host {
    settings: Arc<Config>,
    destination: Destination,
    findings: Findings,
    offers: Offers,
    dialer: Dialer,
    stage: Stage,
    work: Work,
    probes: Probes,
    epoch: Option<Instant>,
    /// Set when there is something to do that needs the whole shard.
    pressing: Option<Instant>,
    doubt: Option<Doubt>,
    suspicion: Option<Suspicion>,
    was_connected: bool,
    without_alpn: bool,
}

/// How far it is.
enum Stage {
    /// Nothing is under way: before the beginning, and between two handshakes.
    Idle,
    Dialing,
    Live(ConnectionKey),
    Ended,
}

/// Hears what there is to tell of the host.
pub(super) type Tell<'t> = &'t mut dyn FnMut(HostEvent);

impl Host {
    pub(super) fn new(
        settings: &Arc<Config>,
        destination: &Destination,
        findings: &Findings,
    ) -> Result<Self, TlsError> {
        let offers = handshaking::offers(settings, destination)?;
        let target = destination.target.clone();
        Ok(Self {
            settings: settings.clone(),
            destination: destination.clone(),
            findings: findings.clone(),
            dialer: Dialer::new(target, offers.clone(), settings.timeout),
            offers,
            stage: Stage::Idle,
            work: Work::new(settings.over),
            probes: Probes::new(settings),
            epoch: None,
            pressing: None,
            doubt: None,
            suspicion: None,
            was_connected: false,
            without_alpn: false,
        })
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Tells whether a connection is this host's.
    pub(super) fn owns(&self, key: ConnectionKey) -> bool {
        match &self.stage {
            Stage::Dialing => self.dialer.connections().any(|known| known == key),
            Stage::Live(live) => *live == key,
            Stage::Idle | Stage::Ended => false,
        }
    }

    pub(super) fn start(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        self.epoch = Some(context.now());
        match self.settings.over {
            Mode::Handshake => {
                self.probes.begin(context.now());
                self.handle_deadline(context, tell);
            }
            _ => self.dial(context, tell),
        }
    }

    fn dial(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        let target = self.destination.target.clone();
        self.dialer.close_unneeded(context);
        self.dialer = Dialer::new(target, self.offers.clone(), self.settings.timeout);
        let progress = self.dialer.start(context);
        self.stage = Stage::Dialing;
        self.follow(context, progress, tell);
    }

    fn follow(&mut self, context: &mut ShardContext<'_, ()>, progress: Progress, tell: Tell<'_>) {
        match progress {
            Progress::Trying => {}
            Progress::WithoutAlpn => {
                self.without_alpn = true;
                tell(HostEvent::WithoutAlpn);
            }
            Progress::Failed(failure) => self.dial_failed(context, failure, tell),
        }
    }

    /// Between handshakes a host may be away for a while; but it is not asked
    /// again when it refused.
    fn dial_failed(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        failure: DialFailure,
        tell: Tell<'_>,
    ) {
        let now = context.now();
        self.stage = Stage::Idle;
        let reason = failure.to_string();
        let current = self.probes.current();
        if let Some(probe) = current {
            tell(HostEvent::Lost(self.probes.lose(
                now,
                probe.sequence,
                Some(reason),
            )));
        }
        let for_good = matches!(
            failure,
            DialFailure::Handshake { .. } | DialFailure::Impossible { .. }
        );
        if for_good || current.is_none() {
            self.end(None, now, Err(failure.into()), tell);
        }
    }

    pub(super) fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        event: &Event,
        tell: Tell<'_>,
    ) {
        match (&mut self.stage, event) {
            (Stage::Dialing, Event::Connected) => self.connected(connection, tell),
            (Stage::Dialing, Event::Closed(reason)) => self.dialer.closed(connection, reason),
            (Stage::Live(_), Event::Closed(reason)) => self.closed(connection, reason, tell),
            (Stage::Live(_), event) => self.work_on(connection, Some(event), tell),
            _ => {}
        }
    }

    fn connected(&mut self, connection: &mut Connection<'_>, tell: Tell<'_>) {
        self.stage = Stage::Live(connection.key());
        self.dialer.connected(connection);
        self.suspicion = None;
        self.pressing = Some(connection.now());
        let address = connection.remote_address();
        self.destination.target.addresses = vec![address];
        if let (false, Some(handshake)) = (self.was_connected, connection.handshake()) {
            tell(HostEvent::Connected(Box::new(Connected {
                address,
                handshake: handshake.clone(),
                elapsed: connection.now() - connection.began(),
            })));
        }
        self.was_connected = true;
        if let Work::Handshakes(handshakes) = &mut self.work {
            handshakes.completed(connection);
            self.send_now(connection);
        }
        self.work_on(connection, None, tell);
    }

    fn closed(&mut self, connection: &mut Connection<'_>, reason: &CloseReason, tell: Tell<'_>) {
        let now = connection.now();
        let failure = Failure::Closed(reason.clone());
        if !matches!(self.work, Work::Handshakes(_)) {
            return self.end(Some(connection), now, Err(failure), tell);
        }
        // A server that turns a client away once it knows who that is.
        self.stage = Stage::Idle;
        self.pressing = Some(now);
        if let Some(probe) = self.probes.current() {
            let reason = Some(failure.to_string());
            tell(HostEvent::Lost(self.probes.lose(
                now,
                probe.sequence,
                reason,
            )));
        }
    }

    /// Lets the work go on after an event or without one.
    fn work_on(&mut self, connection: &mut Connection<'_>, event: Option<&Event>, tell: Tell<'_>) {
        let now = connection.now();
        let mut context = Context {
            connection,
            probes: &mut self.probes,
            findings: &self.findings,
            epoch: self.epoch.unwrap_or(now),
            size: self.settings.size,
            early_data: self.settings.early_data,
            tell,
        };
        let worked = match event {
            Some(event) => self.work.handle_event(&mut context, event),
            None => self.work.advance(&mut context),
        };
        if let Err(failure) = worked {
            return self.end(Some(connection), now, Err(failure), tell);
        }
        self.finish_handshake(connection, false, tell);
        if self.probes.is_over() {
            self.end(Some(connection), now, Ok(()), tell);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let could_send = match &self.stage {
            Stage::Ended => {
                return [self.pressing, self.dialer.deadline()]
                    .into_iter()
                    .flatten()
                    .min();
            }
            Stage::Idle => true,
            Stage::Dialing => false,
            Stage::Live(_) => self.work.has_room(),
        };
        let waits = [
            self.pressing,
            self.dialer.deadline(),
            self.probes.deadline(could_send),
            self.work.deadline(),
            self.doubt.as_ref().map(|doubt| doubt.until),
            self.suspicion.as_ref().map(|suspicion| suspicion.until),
        ];
        waits.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn handle_deadline(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        self.resolve_suspicion(context);
        self.pressing = None;
        let progress = self.dialer.handle_deadline(context);
        self.follow(context, progress, tell);
        if self.has_ended() {
            return self.dialer.close_unneeded(context);
        }
        self.resolve_doubt(context, tell);
        self.give_up_overdue(context, tell);
        let live = self.live(context);
        if let Some((mut connection, ())) = live {
            self.work_on(&mut connection, None, tell);
        }
        if matches!(
            (&self.stage, &self.work),
            (Stage::Idle, Work::Handshakes(_))
        ) {
            match self.probes.is_over() {
                true => self.end(None, context.now(), Ok(()), tell),
                false => self.begin_handshake(context, tell),
            }
        }
        self.dialer.close_unneeded(context);
    }

    fn live<'c>(
        &self,
        context: &'c mut ShardContext<'_, ()>,
    ) -> Option<(Connection<'c>, &'c mut ())> {
        match self.stage {
            Stage::Live(key) => context.connection(key),
            _ => None,
        }
    }

    /// Runs out of patience with pings that are overdue.
    fn give_up_overdue(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        let now = context.now();
        let overdue = self.probes.current();
        let overdue = overdue.filter(|probe| probe.intended + self.settings.timeout <= now);
        if overdue.is_none() {
            return;
        }
        if let Some((mut connection, ())) = self.live(context) {
            self.finish_handshake(&mut connection, true, tell);
        }
        // Only a handshake is waited for while it is dialled.
        if matches!(self.stage, Stage::Dialing) {
            self.dialer.abandon(now);
            self.stage = Stage::Idle;
        }
        let mut despair = None;
        while let Some(lost) = self.probes.give_up(now) {
            tell(HostEvent::Lost(lost));
            despair = self.work.despair(&self.probes);
        }
        let Some(failure) = despair else {
            return;
        };
        if let Some((mut connection, ())) = self.live(context) {
            self.end(Some(&mut connection), now, Err(failure), tell);
        }
    }

    /// Ends at once, with what came so far.
    pub(super) fn stop(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        let now = context.now();
        match self.live(context) {
            Some((mut connection, ())) => self.end(Some(&mut connection), now, Ok(()), tell),
            None => self.end(None, now, Ok(()), tell),
        }
    }

    /// Ends, closes what is open and tells what came of it.
    fn end(
        &mut self,
        connection: Option<&mut Connection<'_>>,
        now: Instant,
        outcome: Result<(), Failure>,
        tell: Tell<'_>,
    ) {
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Ended => return,
            Stage::Dialing => self.dialer.abandon(now),
            Stage::Idle | Stage::Live(_) => {}
        }
        self.pressing = Some(now);
        self.doubt = None;
        self.suspicion = None;
        if outcome.is_err() {
            let lost: Vec<Lost> = self.probes.lose_all(now, "there is no connection any more");
            lost.into_iter()
                .for_each(|lost| tell(HostEvent::Lost(lost)));
        }
        let transport = connection.map(|connection| {
            let transport = Transport {
                recovery: connection.recovery(),
                ecn: self.findings.ecn(connection.remote_address()),
            };
            match &outcome {
                Ok(()) => connection.close(CODE_DONE, ""),
                Err(failure) => connection.close(CODE_FAILED, &failure.to_string()),
            }
            transport
        });
        let one_connection = self.settings.over != Mode::Handshake;
        tell(HostEvent::Ended(Box::new(Report {
            counts: self.probes.counts(),
            times: self.probes.times().clone(),
            others: self.work.other_times(),
            transport: transport.filter(|_| one_connection),
            outcome,
        })));
    }
}
