//! A load generator on its shard: connects, warms up, measures, ends.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use qecho_echo::dial::UnreachableTimer;
use qecho_engine::{Application, Connection, Connector, Event, ShardContext};

use super::{
    accounting::Phase,
    config::{Config, Mode},
    connections::{CODE_DONE, CODE_FAILED, Connections},
    events::{Command, EventSink, GeneratorEvent},
    failure::StopReason,
    outcome::Outcome,
    run_clock::ProcessorClock,
    session::Session,
};

/// Grace period of a server whose host says that no program listens there.
const UNREACHABLE_GRACE: Duration = Duration::from_secs(1);

/// One shard's part of a load.
#[derive(Clone, Debug)]
pub struct ShardPlan {
    /// The server's address.
    pub remote: SocketAddr,
    /// TLS as a client.
    pub connector: Connector,
    /// Sockets of the shard, all of the address's family.
    pub sockets: usize,
    /// Number of the shard, from 0.
    pub number: usize,
    /// Length of the intervals that are reported.
    pub interval: Duration,
}

/// A load generator as the application of a shard.
pub struct Generator {
    connections: Connections,
    /// Keeps how many handshakes and echoes were received.
    unreachable: UnreachableTimer<(u64, u64)>,
    sink: EventSink,
}

impl Generator {
    /// Makes one shard's part of a load.
    pub fn new(
        config: &Config,
        plan: ShardPlan,
        sink: EventSink,
        processor: ProcessorClock,
    ) -> Self {
        Self {
            connections: Connections::new(config, plan, processor),
            unreachable: UnreachableTimer::default(),
            sink,
        }
    }

    /// Returns what was measured.
    pub fn into_outcome(self) -> Outcome {
        self.connections.clock.into_outcome()
    }

    /// Does all that is due.
    fn advance(&mut self, context: &mut ShardContext<'_, Session>) {
        let now = context.now();
        self.connections.clock.begin_turn();
        if self.connections.clock.phase() == Phase::Ended {
            return;
        }
        if self.unreachable.take_expired(now) == Some(self.received()) {
            self.connections.clock.stop(StopReason::ServerGone);
        }
        let is_caught_up = self.connections.send_due(context);
        self.connections.connect_pending(context);
        self.connections.clock.accounting.intervals.advance(now);
        self.report_intervals();
        self.connections.check_timeouts(context);
        self.change_phase(context, is_caught_up);
    }

    fn change_phase(&mut self, context: &mut ShardContext<'_, Session>, is_caught_up: bool) {
        let now = context.now();
        let connections = &mut self.connections;
        if connections.clock.stop_reason().is_none()
            && connections.clock.phase() == Phase::Connecting
            && connections.are_ready()
        {
            connections.clock.ready();
            let live = connections.live();
            (self.sink)(GeneratorEvent::Ready { live });
        }
        while let Some(phase) = self.connections.clock.advance(now, is_caught_up) {
            self.connections.clock.request_turn(now);
            match phase {
                Phase::Warmup => self.connections.send_pending(context),
                Phase::Measuring => {
                    self.connections.begin_measuring(context);
                    (self.sink)(GeneratorEvent::Measuring);
                    self.connections.send_pending(context);
                }
                Phase::Draining => {
                    self.connections.end_measuring(context);
                    (self.sink)(GeneratorEvent::Measured);
                }
                Phase::Ended => self.finish(context),
                Phase::Connecting | Phase::Ready => {}
            }
        }
        let connections = &mut self.connections;
        let is_sending = matches!(connections.clock.phase(), Phase::Warmup | Phase::Measuring);
        if is_sending && connections.slots.are_deserted() {
            connections.clock.stop(StopReason::NoConnection);
            connections.clock.request_turn(now);
        }
    }

    fn finish(&mut self, context: &mut ShardContext<'_, Session>) {
        self.report_intervals();
        match self.connections.clock.stop_reason() {
            None | Some(StopReason::Interrupted) => context.shut_down(CODE_DONE, ""),
            Some(reason) => context.shut_down(CODE_FAILED, &reason.to_string()),
        }
    }

    fn report_intervals(&mut self) {
        let intervals = &mut self.connections.clock.accounting.intervals;
        for sample in intervals.take_completed() {
            (self.sink)(GeneratorEvent::Interval(sample));
        }
    }

    /// Returns how many handshakes and echoes were received.
    fn received(&self) -> (u64, u64) {
        let totals = &self.connections.clock.accounting.counters.totals;
        (totals.connections, totals.messages)
    }
}

impl Application for Generator {
    type State = Session;
    type Command = Command;

    fn start(&mut self, context: &mut ShardContext<'_, Session>) {
        self.connections.clock.request_turn(context.now());
    }

    fn accept(&mut self, connection: &mut Connection<'_>) -> Session {
        // A generator's shard is not configured to accept connections.
        self.connections.session(0, connection.now())
    }

    fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        session: &mut Session,
        event: Event,
    ) {
        self.connections.handle_event(connection, session, &event);
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, Session>, command: Command) {
        let clock = &mut self.connections.clock;
        match command {
            Command::Begin => clock.begin(context.now()),
            Command::Stop => clock.stop(StopReason::Interrupted),
        }
        clock.request_turn(context.now());
    }

    fn deadline(&self) -> Option<Instant> {
        let is_over = self.connections.clock.phase() == Phase::Ended;
        let unreachable = self.unreachable.deadline().filter(|_| !is_over);
        let connections = self.connections.deadline();
        unreachable.into_iter().chain(connections).min()
    }

    fn handle_deadline(&mut self, context: &mut ShardContext<'_, Session>) {
        self.advance(context);
    }

    fn handle_unreachable(
        &mut self,
        context: &mut ShardContext<'_, Session>,
        peer: SocketAddr,
        reason: &io::Error,
    ) {
        if self.connections.is_server(peer)
            && reason.kind() == io::ErrorKind::ConnectionRefused
            // Nothing is received on idle connections even if they live.
            && self.connections.mode() != Mode::Idle
        {
            let received = self.received();
            let now = context.now();
            self.unreachable.start(now, UNREACHABLE_GRACE, received);
        }
    }
}
