//! Connections of one shard's load: opens them, hands them messages, gives up
//! those that fail.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use qecho_echo::dial::stood_still;
use qecho_engine::{ConnectTo, Connection, ConnectionKey, EarlyData, Event, ShardContext};

use super::{
    accounting::{LoadAccounting, Phase},
    config::{Config, Mode, Sessions, Workload},
    connection_slots::ConnectionSlots,
    counters::TransportCounts,
    failure::{ConnectionFailure, ErrorKind, StopReason},
    generator::ShardPlan,
    message::Message,
    run_clock::{ProcessorClock, RunClock},
    session::Session,
};

/// Application code of a connection that has done its work.
pub(super) const CODE_DONE: u64 = 0;
/// Application code of a connection that has failed.
pub(super) const CODE_FAILED: u64 = 1;

/// Handshakes that may fail one after another before the run ends, beside one
/// for each connection.
const FAILURES_MAX: usize = 100;

/// Messages of an open loop that are sent in one turn: commands of other threads
/// are received between turns, however late the generator is.
const SENDS_PER_TURN_MAX: usize = 1 << 16;

/// Time between two checks for what has waited too long.
const TICK: Duration = Duration::from_millis(100);

/// Connections of one shard's load, and its clock.
pub(super) struct Connections {
    pub(super) clock: RunClock,
    pub(super) slots: ConnectionSlots,
    plan: ShardPlan,
    server_name: String,
    mode: Mode,
    /// Whether a connection that has its echo waits for the TLS sessions of
    /// which others need one.
    awaits_sessions: bool,
    /// Messages of an open loop that wait for a connection to begin.
    waiting: VecDeque<Message>,
    failures_in_row: usize,
    next_check: Option<Instant>,
    /// Processor time at the last of them.
    processor: Duration,
}

impl Connections {
    pub(super) fn new(config: &Config, plan: ShardPlan, processor: ProcessorClock) -> Self {
        let mode = config.workload.mode;
        let [active, idle] = config.connections_of(plan.number);
        Self {
            clock: RunClock::new(config, plan.number, plan.interval, processor),
            slots: ConnectionSlots::new(active, idle, !mode.is_connecting()),
            server_name: config.target.server_name.clone(),
            mode,
            awaits_sessions: config.sessions != Sessions::New,
            waiting: VecDeque::new(),
            failures_in_row: 0,
            next_check: None,
            processor: Duration::ZERO,
            plan,
        }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Tells whether a datagram to this peer may have been one of the load's.
    pub(super) fn is_server(&self, peer: SocketAddr) -> bool {
        peer.ip() == self.plan.remote.ip()
    }

    /// Tells whether messages can be sent as soon as all shards are ready.
    pub(super) fn are_ready(&self) -> bool {
        self.mode.is_connecting() || self.slots.are_settled()
    }

    /// Returns how many connections there are to send on.
    pub(super) fn live(&self) -> usize {
        match self.mode.is_connecting() {
            true => self.slots.count(),
            false => self.slots.live,
        }
    }

    pub(super) fn session(&self, slot: usize, now: Instant) -> Session {
        let accounting = &self.clock.accounting;
        let connect_by = now + accounting.timeout;
        let workload = &accounting.workload;
        let mode = match self.slots.is_active(slot) {
            true => workload.mode,
            false => Mode::Idle,
        };
        let mut session = Session::new(slot, connect_by, &Workload { mode, ..*workload });
        session.may_end = !self.awaits_sessions;
        session
    }

    /// Begins connections, as far as they may.
    pub(super) fn connect_pending(&mut self, context: &mut ShardContext<'_, Session>) {
        let now = context.now();
        while let Some(slot) = self.slots.vacant() {
            let mut session = self.session(slot, now);
            let accounting = &mut self.clock.accounting;
            if self.mode.is_connecting() {
                let waiting = self.waiting.pop_front();
                let Some(message) = waiting.or_else(|| accounting.next(now)) else {
                    return;
                };
                session.add(now, message, accounting);
            }
            let to = ConnectTo {
                remote: self.plan.remote,
                server_name: &self.server_name,
                connector: &self.plan.connector,
            };
            let binding = slot % self.plan.sockets.max(1);
            let under_way = session.under_way();
            match context.connect_from(binding, &to, session) {
                Ok(key) => {
                    self.slots.occupy(Some(key));
                    self.with(
                        context,
                        key,
                        &mut |accounting, connection, session| match connection.can_send_early() {
                            true => session.send_pending(connection, accounting),
                            false => Ok(()),
                        },
                    );
                }
                Err(error) => {
                    let failure = ConnectionFailure::new(ErrorKind::Handshake, error.to_string());
                    accounting.abandon(under_way);
                    accounting.counters.count_failure(failure);
                    self.slots.occupy(None);
                }
            }
        }
    }

    pub(super) fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        session: &mut Session,
        event: &Event,
    ) {
        let is_ours = self.slots.holds(session.slot, connection.key());
        if !is_ours || self.clock.phase() == Phase::Ended {
            return;
        }
        let accounting = &mut self.clock.accounting;
        let outcome = match event {
            Event::Connected => {
                self.connected(connection, session);
                session.send_pending(connection, &mut self.clock.accounting)
            }
            Event::Confirmed => {
                session.may_end = true;
                Ok(())
            }
            Event::Closed(reason) => {
                let kind = match session.is_connected {
                    true => ErrorKind::Closed,
                    false => ErrorKind::Handshake,
                };
                let failure = ConnectionFailure::new(kind, reason.to_string());
                self.count_transport(connection, session);
                return self.remove(connection.now(), session, failure);
            }
            event => session.handle_event(connection, event, accounting),
        };
        match outcome {
            Err(failure) => self.fail(connection, session, failure),
            Ok(()) if self.mode.is_connecting() && session.is_done() => {
                self.finish(connection, session);
            }
            Ok(()) => {}
        }
        if self.clock.accounting.is_spent() || self.clock.phase() == Phase::Draining {
            self.clock.request_turn(connection.now());
        }
    }

    fn connected(&mut self, connection: &Connection<'_>, session: &mut Session) {
        session.is_connected = true;
        self.slots.connected(session.slot);
        self.failures_in_row = 0;
        let is_measured = matches!(self.clock.phase(), Phase::Connecting | Phase::Measuring);
        let counters = &mut self.clock.accounting.counters;
        counters.totals.connections += 1;
        let handshake = connection.handshake();
        let early_data = handshake.and_then(|handshake| handshake.early_data);
        if early_data == Some(EarlyData::Rejected) {
            session.restart();
        }
        if is_measured {
            counters
                .connect
                .record(connection.received_at() - connection.began());
            let is_resumed = handshake.is_some_and(|handshake| handshake.resumed);
            counters.resumed += u64::from(is_resumed);
            match early_data {
                Some(EarlyData::Accepted) => counters.early.accepted += 1,
                Some(EarlyData::Rejected) => counters.early.rejected += 1,
                None => {}
            }
        }
        self.clock.request_turn(connection.now());
    }

    /// Ends a connection that has done its work.
    fn finish(&mut self, connection: &mut Connection<'_>, session: &Session) {
        self.count_transport(connection, session);
        self.slots.leave(session.slot, true, true);
        connection.close(CODE_DONE, "");
        self.clock.request_turn(connection.now());
    }

    /// Gives a connection up.
    fn fail(
        &mut self,
        connection: &mut Connection<'_>,
        session: &mut Session,
        failure: ConnectionFailure,
    ) {
        self.count_transport(connection, session);
        connection.close(CODE_FAILED, &failure.reason);
        self.remove(connection.now(), session, failure);
    }

    fn remove(&mut self, now: Instant, session: &mut Session, failure: ConnectionFailure) {
        self.clock.accounting.abandon(session.under_way());
        let is_reusable = self.mode.is_connecting();
        let was_connected = session.is_connected;
        self.slots.leave(session.slot, was_connected, is_reusable);
        self.failures_in_row += 1;
        self.clock.accounting.counters.count_failure(failure);
        if self.failures_in_row > FAILURES_MAX + self.slots.count() {
            self.clock.stop(StopReason::OnlyFailures);
        }
        self.clock.request_turn(now);
    }

    /// Counts what the transport did on a connection that ends while it is
    /// measured.
    fn count_transport(&mut self, connection: &Connection<'_>, session: &Session) {
        if self.clock.phase() == Phase::Measuring {
            count_since(&mut self.clock.accounting, connection, session);
        }
    }

    /// Notes the transport's counts of every connection, when the measuring
    /// begins.
    pub(super) fn begin_measuring(&mut self, context: &mut ShardContext<'_, Session>) {
        self.each(context, |_, connection, session| {
            session.before = TransportCounts::of(connection);
            Ok(())
        });
    }

    /// Counts what the transport did since then, when the measuring has ended.
    pub(super) fn end_measuring(&mut self, context: &mut ShardContext<'_, Session>) {
        self.each(context, |accounting, connection, session| {
            count_since(accounting, connection, session);
            Ok(())
        });
    }

    pub(super) fn send_pending(&mut self, context: &mut ShardContext<'_, Session>) {
        self.each(context, |accounting, connection, session| {
            session.send_pending(connection, accounting)
        });
    }

    /// Calls a function with every connection.
    fn each(
        &mut self,
        context: &mut ShardContext<'_, Session>,
        mut act: impl FnMut(
            &mut LoadAccounting,
            &mut Connection<'_>,
            &mut Session,
        ) -> Result<(), ConnectionFailure>,
    ) {
        for key in self.slots.keys() {
            self.with(context, key, &mut act);
        }
    }

    fn with(
        &mut self,
        context: &mut ShardContext<'_, Session>,
        key: ConnectionKey,
        act: &mut impl FnMut(
            &mut LoadAccounting,
            &mut Connection<'_>,
            &mut Session,
        ) -> Result<(), ConnectionFailure>,
    ) {
        if let Some((mut connection, session)) = context.connection(key)
            && let Err(failure) = act(&mut self.clock.accounting, &mut connection, session)
        {
            self.fail(&mut connection, session, failure);
        }
    }

    /// Sends what the schedule has, as much as one turn may; tells whether that
    /// is all.
    pub(super) fn send_due(&mut self, context: &mut ShardContext<'_, Session>) -> bool {
        let now = context.now();
        for _ in 0..SENDS_PER_TURN_MAX {
            let Some(intended) = self.clock.pop_due(now) else {
                return true;
            };
            let Some(message) = self.clock.accounting.grant(now, intended) else {
                continue;
            };
            if self.mode.is_connecting() {
                self.waiting.push_back(message);
                continue;
            }
            let Some(key) = self.slots.next_in_turn() else {
                self.clock.accounting.abandon(1);
                continue;
            };
            self.with(context, key, &mut |accounting, connection, session| {
                session.add(now, message, accounting);
                session.send_pending(connection, accounting)
            });
        }
        self.clock.request_turn(now);
        false
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let is_over = self.clock.phase() == Phase::Ended;
        let next_check = self.next_check.filter(|_| !is_over);
        next_check.into_iter().chain(self.clock.deadline()).min()
    }

    /// Gives up what has waited too long, but for the generator's own standing still: what came
    /// meanwhile is handled after this, and the rest has to be waited for anew.
    pub(super) fn check_timeouts(&mut self, context: &mut ShardContext<'_, Session>) {
        let now = context.now();
        if self.next_check.is_some_and(|next| next > now) {
            return;
        }
        // A generator that was busy with what was due did not stand still.
        let processor = self.clock.processor_time();
        let busy = processor.saturating_sub(std::mem::replace(&mut self.processor, processor));
        let awaited = self.next_check.map(|due| due + busy);
        if let Some(due) = awaited.filter(|due| stood_still(*due, now)) {
            let paused = &mut self.clock.accounting.counters.paused;
            *paused = (*paused).max(now - due);
            self.next_check = Some(now + self.clock.accounting.timeout);
            return;
        }
        let is_quiet = self.mode == Mode::Idle && self.slots.connecting == 0;
        self.next_check = (!is_quiet).then_some(now + TICK);
        if is_quiet {
            return;
        }
        // Those that are held are looked at only until they are there: each look costs a turn.
        let keys = match self.slots.connecting {
            0 => self.slots.active_keys(),
            _ => self.slots.keys(),
        };
        for key in keys {
            let Some((mut connection, session)) = context.connection(key) else {
                continue;
            };
            // A server that gives no session is not waited for any longer.
            let is_late = session.connect_by <= now;
            session.may_end |= is_late;
            if self.mode.is_connecting() && session.is_done() {
                self.finish(&mut connection, session);
                continue;
            }
            let accounting = &mut self.clock.accounting;
            let checked = match is_late && !session.is_connected {
                true => Err(ConnectionFailure::no_handshake(accounting.timeout)),
                false => session.check_timeouts(&mut connection, accounting),
            };
            if let Err(failure) = checked {
                self.fail(&mut connection, session, failure);
            }
        }
    }
}

fn count_since(accounting: &mut LoadAccounting, connection: &Connection<'_>, session: &Session) {
    let counts = TransportCounts::of(connection).since(session.before);
    accounting.counters.transport.add(counts);
}
