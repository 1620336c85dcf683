//! One host that is pinged: dials, sends pings, reports how it ended.

mod absence;
mod unreachable;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use qecho_echo::dial::{
    CODE_DONE, CODE_FAILED, DialFailure, Dialer, Offers, Progress, QuietTimer, UnreachableTimer,
};
use qecho_engine::{CloseReason, Connection, ConnectionKey, Event, ShardContext, TlsError};

use super::{
    config::{Config, Destination, Mode},
    context::Context,
    events::PingEvent,
    observer::PingObservations,
    probes::{Probe, Probes},
    report::{Connected, Failure, Report, Transport},
    workload::Workload,
};

/// A host that is pinged.
pub(super) struct Host {
    settings: Arc<Config>,
    destination: Destination,
    observations: PingObservations,
    offers: Offers,
    dialer: Dialer,
    state: HostState,
    workload: Workload,
    probes: Probes,
    epoch: Option<Instant>,
    /// Set when there is something to do that needs the whole shard.
    requested_turn: Option<Instant>,
    /// Keeps the number of datagrams received on the connection.
    unreachable: UnreachableTimer<u64>,
    /// Keeps the address and the kind of an ICMP message that may be about this
    /// host while it is dialled.
    ambiguous: UnreachableTimer<(SocketAddr, io::Error)>,
    quiet: QuietTimer,
    was_connected: bool,
    /// Earliest instant of the next attempt to connect, after the connection was lost or none
    /// came about.
    redial: Option<Instant>,
    without_alpn: bool,
}

/// State of a host.
enum HostState {
    /// Nothing is under way: before the beginning, between two handshakes, and while there is
    /// no connection.
    Idle,
    Dialing,
    Live(ConnectionKey),
    Ended,
}

/// Receiver of a host's events.
pub(super) type Tell<'t> = &'t mut dyn FnMut(PingEvent);

impl Host {
    pub(super) fn new(
        settings: &Arc<Config>,
        destination: &Destination,
        observations: &PingObservations,
    ) -> Result<Self, TlsError> {
        let offers = settings.offers(destination)?;
        let target = destination.target.clone();
        Ok(Self {
            settings: settings.clone(),
            destination: destination.clone(),
            observations: observations.clone(),
            dialer: Dialer::new(target, offers.clone(), settings.timeout),
            offers,
            state: HostState::Idle,
            workload: Workload::new(settings.mode),
            probes: Probes::new(settings),
            epoch: None,
            requested_turn: None,
            unreachable: UnreachableTimer::default(),
            ambiguous: UnreachableTimer::default(),
            quiet: QuietTimer::default(),
            was_connected: false,
            redial: None,
            without_alpn: false,
        })
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, HostState::Ended)
    }

    /// Tells whether a connection is this host's.
    pub(super) fn owns(&self, key: ConnectionKey) -> bool {
        match &self.state {
            HostState::Dialing => self.dialer.connections().any(|known| known == key),
            HostState::Live(live) => *live == key,
            HostState::Idle | HostState::Ended => false,
        }
    }

    pub(super) fn start(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        self.epoch = Some(context.now());
        match self.settings.mode {
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
        self.state = HostState::Dialing;
        self.handle_progress(context, progress, tell);
    }

    fn handle_progress(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        progress: Progress,
        tell: Tell<'_>,
    ) {
        match progress {
            Progress::Trying => {}
            Progress::WithoutAlpn => {
                self.without_alpn = true;
                tell(PingEvent::WithoutAlpn);
            }
            Progress::Failed(failure) => self.dial_failed(context, failure, tell),
        }
    }

    /// Ends the ping if dialling has failed for good: between handshakes a host may
    /// be away for a while, but it is not dialled again when it refused.
    fn dial_failed(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        failure: DialFailure,
        tell: Tell<'_>,
    ) {
        let now = context.now();
        self.state = HostState::Idle;
        let failure = Failure::from(failure);
        if self.reconnects_after(&failure) {
            return self.await_server(now, failure, tell);
        }
        let current = self.probes.current();
        self.lose(now, current, &failure.to_string(), tell);
        let for_good = matches!(
            failure,
            Failure::Dial(DialFailure::Handshake { .. } | DialFailure::Impossible { .. })
        );
        if for_good || current.is_none() {
            self.end(None, now, Err(failure), tell);
        }
    }

    pub(super) fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        event: &Event,
        tell: Tell<'_>,
    ) {
        match (&self.state, event) {
            (HostState::Dialing, Event::Connected) => self.connected(connection, event, tell),
            (HostState::Dialing, Event::Closed(reason)) => self.dialer.closed(connection, reason),
            (HostState::Live(_), Event::Closed(reason)) => self.closed(connection, reason, tell),
            (HostState::Live(_), event) => self.work_on(connection, Some(event), false, tell),
            _ => {}
        }
    }

    fn connected(&mut self, connection: &mut Connection<'_>, event: &Event, tell: Tell<'_>) {
        self.state = HostState::Live(connection.key());
        self.dialer.connected(connection);
        self.ambiguous.stop();
        self.requested_turn = Some(connection.now());
        let address = connection.remote_address();
        self.destination.target.addresses = vec![address];
        let was_away = self.redial.take().is_some();
        let is_news = !self.was_connected || was_away;
        if let (true, Some(handshake)) = (is_news, connection.handshake()) {
            tell(PingEvent::Connected(Box::new(Connected {
                address,
                handshake: handshake.clone(),
                elapsed: connection.received_at() - connection.began(),
            })));
        }
        self.was_connected = true;
        self.work_on(connection, Some(event), false, tell);
    }

    fn closed(&mut self, connection: &mut Connection<'_>, reason: &CloseReason, tell: Tell<'_>) {
        let now = connection.now();
        let failure = Failure::Closed(reason.clone());
        if self.reconnects_after(&failure) {
            return self.await_server(now, failure, tell);
        }
        if !matches!(self.workload, Workload::Handshakes(_)) {
            return self.end(Some(connection), now, Err(failure), tell);
        }
        // A server that refuses a client once it knows who that is.
        self.state = HostState::Idle;
        self.requested_turn = Some(now);
        let current = self.probes.current();
        self.lose(now, current, &failure.to_string(), tell);
    }

    fn lose(&mut self, now: Instant, probe: Option<Probe>, reason: &str, tell: Tell<'_>) {
        if let Some(probe) = probe {
            let lost = self.probes.lose(now, probe.sequence, Some(reason.into()));
            tell(PingEvent::Lost(lost));
        }
    }

    /// Continues the workload after an event or without one. A handshake that is
    /// overdue ends as it is.
    fn work_on(
        &mut self,
        connection: &mut Connection<'_>,
        event: Option<&Event>,
        is_overdue: bool,
        tell: Tell<'_>,
    ) {
        let now = connection.now();
        let mut context = Context {
            connection,
            probes: &mut self.probes,
            observations: &self.observations,
            settings: &self.settings,
            epoch: self.epoch.unwrap_or(now),
            tell,
        };
        let worked = match event {
            Some(event) => self.workload.handle_event(&mut context, event),
            None => self.workload.advance(&mut context),
        };
        let has_finished = match &mut self.workload {
            Workload::Handshakes(handshakes) if worked.is_ok() => {
                handshakes.finish(&mut context, is_overdue)
            }
            _ => false,
        };
        if let Err(failure) = worked {
            return self.end(Some(connection), now, Err(failure), tell);
        }
        if has_finished {
            connection.close(CODE_DONE, "");
            self.state = HostState::Idle;
        }
        if self.probes.is_over() {
            self.end(Some(connection), now, Ok(()), tell);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let could_send = match &self.state {
            HostState::Ended => {
                let due = [self.requested_turn, self.dialer.deadline()];
                return due.into_iter().flatten().min();
            }
            HostState::Idle | HostState::Dialing if self.redial.is_some() => {
                return self.deadline_without_connection();
            }
            HostState::Idle => true,
            HostState::Dialing => false,
            HostState::Live(_) => self.workload.has_room(),
        };
        let waits = [
            self.requested_turn,
            self.dialer.deadline(),
            self.quiet.deadline(),
            self.probes.deadline(could_send),
            self.workload.deadline(),
            self.unreachable.deadline(),
            self.ambiguous.deadline(),
        ];
        waits.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn handle_deadline(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        self.check_ambiguous(context);
        self.requested_turn = None;
        let progress = self.dialer.handle_deadline(context);
        self.handle_progress(context, progress, tell);
        if self.has_ended() {
            return self.dialer.close_unneeded(context);
        }
        self.check_unreachable(context, tell);
        self.give_up_overdue(context, tell);
        self.connect_again(context, tell);
        let live = self.live(context);
        if let Some((mut connection, ())) = live {
            self.work_on(&mut connection, None, false, tell);
        }
        if matches!(
            (&self.state, &self.workload),
            (HostState::Idle, Workload::Handshakes(_))
        ) {
            match self.probes.is_over() {
                true => self.end(None, context.now(), Ok(()), tell),
                false => self.begin_handshake(context, tell),
            }
        }
        self.follow_silence(context);
        self.dialer.close_unneeded(context);
    }

    /// Lets the server hear of a client that waits. A PING frame that is measured is in flight
    /// itself.
    fn follow_silence(&mut self, context: &mut ShardContext<'_, ()>) {
        let is_measured = self.settings.mode == Mode::Frame;
        let awaited = self.probes.current().filter(|_| !is_measured);
        let awaited = awaited.map(|_| self.probes.counts().received);
        match self.live(context) {
            Some((mut connection, ())) => self.quiet.follow(&mut connection, awaited),
            None => self.quiet.stop(),
        }
    }

    fn live<'c>(
        &self,
        context: &'c mut ShardContext<'_, ()>,
    ) -> Option<(Connection<'c>, &'c mut ())> {
        match self.state {
            HostState::Live(key) => context.connection(key),
            _ => None,
        }
    }

    /// Gives up pings that are overdue.
    fn give_up_overdue(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        let now = context.now();
        let overdue = self.probes.current();
        let overdue = overdue.filter(|probe| probe.intended + self.settings.timeout <= now);
        if overdue.is_none() {
            return;
        }
        if let Some((mut connection, ())) = self.live(context) {
            self.work_on(&mut connection, None, true, tell);
        }
        // Only a handshake is waited for while it is dialled.
        if matches!(self.state, HostState::Dialing) && self.redial.is_none() {
            let reason = self.dialer.give_up(context).to_string();
            self.state = HostState::Idle;
            let current = self.probes.current();
            self.lose(now, current, &reason, tell);
        }
        let mut fatal_error = None;
        let is_live = matches!(self.state, HostState::Live(_));
        while let Some(lost) = self.probes.give_up(now) {
            tell(PingEvent::Lost(lost));
            fatal_error = self.workload.fatal_error(&self.probes).filter(|_| is_live);
        }
        let Some(failure) = fatal_error else {
            return;
        };
        if let Some((mut connection, ())) = self.live(context) {
            self.end(Some(&mut connection), now, Err(failure), tell);
        }
    }

    /// Leaves out what is under way after a pause of this program itself. What was dialled then is
    /// dialled anew: its time has passed, too.
    pub(super) fn leave_out(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        pause: Duration,
        tell: Tell<'_>,
    ) {
        if self.has_ended() {
            return;
        }
        let left_out = self.probes.leave_out(context.now());
        tell(PingEvent::Paused { pause, left_out });
        self.ambiguous.stop();
        self.requested_turn = Some(context.now());
        let is_brief = matches!(self.workload, Workload::Handshakes(_));
        match self.state {
            HostState::Dialing => {
                self.dialer.abandon(context.now());
                self.state = HostState::Idle;
                if !is_brief {
                    self.dial(context, tell);
                }
            }
            HostState::Live(_) if is_brief => {
                if let Some((mut connection, ())) = self.live(context) {
                    connection.close(CODE_DONE, "");
                }
                self.state = HostState::Idle;
            }
            _ => {}
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

    /// Ends, closes what is open and reports the outcome.
    fn end(
        &mut self,
        connection: Option<&mut Connection<'_>>,
        now: Instant,
        outcome: Result<(), Failure>,
        tell: Tell<'_>,
    ) {
        match std::mem::replace(&mut self.state, HostState::Ended) {
            HostState::Ended => return,
            HostState::Dialing => self.dialer.abandon(now),
            HostState::Idle | HostState::Live(_) => {}
        }
        self.requested_turn = Some(now);
        self.unreachable.stop();
        self.ambiguous.stop();
        self.quiet.stop();
        if outcome.is_err() {
            let lost = self.probes.lose_all(now, "there is no connection any more");
            lost.into_iter()
                .for_each(|lost| tell(PingEvent::Lost(lost)));
        }
        let transport = connection.map(|connection| {
            let transport = Transport {
                recovery: connection.recovery(),
                ecn: self.observations.ecn(connection.remote_address()),
            };
            match &outcome {
                Ok(()) => connection.close(CODE_DONE, ""),
                Err(failure) => connection.close(CODE_FAILED, &failure.to_string()),
            }
            transport
        });
        let one_connection = self.settings.mode != Mode::Handshake;
        tell(PingEvent::Ended(Box::new(Report {
            counts: self.probes.counts(),
            times: self.probes.times().clone(),
            others: self.workload.other_times(),
            transport: transport.filter(|_| one_connection),
            outcome,
        })));
    }

    /// Begins the next handshake if it is due.
    fn begin_handshake(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        let now = context.now();
        let Some(probe) = self.probes.take(now) else {
            return;
        };
        if let Workload::Handshakes(handshakes) = &mut self.workload {
            // Until the right address is found, that search is no lateness.
            handshakes.begin(match self.was_connected {
                true => now.saturating_duration_since(probe.intended),
                false => Duration::ZERO,
            });
        }
        if let Err(error) = self.renew_offers() {
            let failure = Failure::Broken(error.to_string());
            return self.end(None, now, Err(failure), tell);
        }
        self.dial(context, tell);
        self.send_early(context, probe);
    }

    /// Sends a message with the first packets, where the server has allowed it.
    fn send_early(&mut self, context: &mut ShardContext<'_, ()>, probe: Probe) {
        let epoch = self.epoch.unwrap_or(probe.intended);
        let (HostState::Dialing, Workload::Handshakes(handshakes), true) =
            (&self.state, &mut self.workload, self.settings.early_data)
        else {
            return;
        };
        for key in self.dialer.connections() {
            if let Some((mut connection, ())) = context.connection(key)
                && connection.can_send_early()
            {
                handshakes.send_early(&mut connection, &self.settings, epoch, probe);
            }
        }
    }

    /// Decides what the next connection offers, and whether it resumes the
    /// session of an earlier one.
    fn renew_offers(&mut self) -> Result<(), TlsError> {
        if !self.settings.resume {
            self.offers = self.settings.offers(&self.destination)?;
        }
        if self.without_alpn
            && let Some(other) = self.offers.without_alpn.take()
        {
            self.offers.first = other;
        }
        Ok(())
    }

    /// Returns the addresses that are being dialled or pinged.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        match &self.state {
            HostState::Dialing => self.dialer.addresses().collect(),
            HostState::Live(_) => self.destination.target.addresses.clone(),
            HostState::Idle | HostState::Ended => Vec::new(),
        }
    }
}
