//! A load generator on its shard: connects, warms up, measures, ends.

mod course;
mod outcome;
mod part;

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use qecho_engine::{
    Application, ConnectTo, Connection, ConnectionKey, EarlyData, Event, ShardContext,
};

use self::course::{Course, Phase};
pub use self::{
    outcome::Outcome,
    part::{Command, Listener, Part, ProcessorClock, Recent, Told},
};
use super::{
    book::{Book, Fault, Message},
    config::{Config, Goal, Mode},
    report::{ErrorKind, Stop},
    schedule::Schedule,
    session::Session,
    slots::Slots,
    tally::PathCounts,
};

/// Application code of a generator that has what it came for.
const CODE_DONE: u64 = 0;
/// Application code of a connection that did not do what it should.
const CODE_FAILED: u64 = 1;

/// Handshakes that may fail one after another before the run ends, beside one
/// for each connection.
const FAILURES_MAX: usize = 100;

/// Time in which a server may show that it lives although its host says that
/// nobody listens: anybody on the path can forge that.
const DOUBT: Duration = Duration::from_secs(1);

/// Messages of an open loop that are sent in one turn: what other threads tell is
/// heard between turns, however late the generator is.
const SENDS_PER_TURN_MAX: usize = 1 << 16;

/// A load generator as the application of a shard.
pub struct Generator {
    part: Part,
    server_name: String,
    book: Book,
    slots: Slots,
    /// Messages of an open loop that wait for a connection to begin.
    waiting: VecDeque<Message>,
    schedule: Option<Schedule>,
    course: Course,
    failures_in_row: usize,
    doubt: Option<Doubt>,
    listener: Listener,
    processor: ProcessorClock,
}

/// The server's host has said that nobody listens there.
#[derive(Debug)]
struct Doubt {
    until: Instant,
    /// What had been heard when the doubt arose.
    heard: (u64, u64),
}

impl Generator {
    /// Makes one shard's part of a load.
    pub fn new(config: &Config, part: Part, listener: Listener, processor: ProcessorClock) -> Self {
        let connecting_is_the_work = config.work.way.is_connecting();
        let connections = part.share(config.connections as u64) as usize;
        let messages = match config.goal {
            Goal::Messages(count) => Some(part.share(count.get())),
            Goal::Duration(_) => None,
        };
        Self {
            server_name: config.target.server_name.clone(),
            book: Book::new(config, messages, part.seed(config.seed), part.interval),
            slots: Slots::new(connections, connecting_is_the_work),
            waiting: VecDeque::new(),
            schedule: None,
            course: Course::new(config, &part),
            failures_in_row: 0,
            doubt: None,
            part,
            listener,
            processor,
        }
    }

    /// Returns what was measured.
    pub fn into_outcome(self) -> Outcome {
        Outcome {
            tally: self.book.tally,
            elapsed: self.course.elapsed,
            late: self.course.late,
            processor: self.course.processor,
            stop: self.course.stop,
        }
    }

    fn way(&self) -> Mode {
        self.book.work.way
    }

    /// Begins connections, as far as they may.
    fn connect_more(&mut self, context: &mut ShardContext<'_, Session>) {
        let now = context.now();
        while let Some(place) = self.slots.vacant() {
            let mut session = Session::new(place, now + self.book.timeout, &self.book);
            if self.way().is_connecting() {
                let waiting = self.waiting.pop_front();
                let Some(message) = waiting.or_else(|| self.book.next(now)) else {
                    return;
                };
                session.add(now, message, &mut self.book);
            }
            let to = ConnectTo {
                remote: self.part.remote,
                server_name: &self.server_name,
                connector: &self.part.connector,
            };
            let binding = place % self.part.sockets.max(1);
            let under_way = session.under_way();
            match context.connect_from(binding, &to, session) {
                Ok(key) => {
                    self.slots.occupy(Some(key));
                    self.with(
                        context,
                        key,
                        &mut |own, connection, session| match connection.can_send_early() {
                            true => session.press_on(connection, &mut own.book),
                            false => Ok(()),
                        },
                    );
                }
                Err(error) => {
                    self.book.gave_up(under_way);
                    self.slots.occupy(None);
                    let errors = &mut self.book.tally.errors;
                    errors.note(ErrorKind::Handshake, || error.to_string());
                }
            }
        }
    }

    fn connected(&mut self, connection: &Connection<'_>, session: &mut Session) {
        session.connected = true;
        self.slots.connected();
        self.failures_in_row = 0;
        self.book.tally.totals.connections += 1;
        let handshake = connection.handshake();
        let early_data = handshake.and_then(|handshake| handshake.early_data);
        if early_data == Some(EarlyData::Rejected) {
            session.start_anew();
        }
        if self.course.phase == Phase::Connecting || self.course.is_measuring() {
            let time = connection.now() - connection.began();
            self.book.tally.connect.record(time);
            let is_resumed = handshake.is_some_and(|handshake| handshake.resumed);
            let tally = &mut self.book.tally;
            tally.resumed += u64::from(is_resumed);
            match early_data {
                Some(EarlyData::Accepted) => tally.early.accepted += 1,
                Some(EarlyData::Rejected) => tally.early.rejected += 1,
                None => {}
            }
        }
        self.course.press(connection.now());
    }

    /// Ends a connection that has done its work.
    fn done(&mut self, connection: &mut Connection<'_>, session: &Session) {
        self.note_path(connection, session);
        self.slots.leave(session.slot, true, true);
        connection.close(CODE_DONE, "");
        self.course.press(connection.now());
    }

    /// Gives a connection up.
    fn fail(&mut self, connection: &mut Connection<'_>, session: &mut Session, fault: Fault) {
        self.note_path(connection, session);
        connection.close(CODE_FAILED, &fault.words);
        self.forget(connection.now(), session, fault);
    }

    fn forget(&mut self, now: Instant, session: &mut Session, fault: Fault) {
        self.book.gave_up(session.under_way());
        let again = self.way().is_connecting();
        self.slots.leave(session.slot, session.connected, again);
        self.failures_in_row += 1;
        let errors = &mut self.book.tally.errors;
        errors.note(fault.kind, || fault.words);
        if self.failures_in_row > FAILURES_MAX + self.slots.count() {
            self.course.stop(Stop::OnlyFailures);
        }
        self.course.press(now);
    }

    fn note_path(&mut self, connection: &Connection<'_>, session: &Session) {
        if self.course.is_measuring() {
            let now = PathCounts::of(connection);
            self.book.tally.path.add_since(&session.before, &now);
        }
    }

    /// Does something with every connection that lives or connects.
    fn each(
        &mut self,
        context: &mut ShardContext<'_, Session>,
        mut act: impl FnMut(&mut Self, &mut Connection<'_>, &mut Session) -> Result<(), Fault>,
    ) {
        for key in self.slots.keys() {
            self.with(context, key, &mut act);
        }
    }

    fn with(
        &mut self,
        context: &mut ShardContext<'_, Session>,
        key: ConnectionKey,
        act: &mut impl FnMut(&mut Self, &mut Connection<'_>, &mut Session) -> Result<(), Fault>,
    ) {
        if let Some((mut connection, session)) = context.connection(key)
            && let Err(fault) = act(self, &mut connection, session)
        {
            self.fail(&mut connection, session, fault);
        }
    }

    /// Sends what the schedule has before `until`, as much as one turn may;
    /// tells whether that is all.
    fn send_due(&mut self, context: &mut ShardContext<'_, Session>, until: Instant) -> bool {
        let now = context.now();
        let mut left = SENDS_PER_TURN_MAX;
        while let Some(schedule) = &mut self.schedule
            && schedule.due() <= until
        {
            if left == 0 {
                self.course.press(now);
                return false;
            }
            left -= 1;
            let intended = schedule.due();
            schedule.advance();
            let Some(message) = self.book.take(now, intended) else {
                continue;
            };
            if self.way().is_connecting() {
                self.waiting.push_back(message);
                continue;
            }
            let Some(key) = self.slots.next_in_turn() else {
                self.book.gave_up(1);
                continue;
            };
            self.with(context, key, &mut |own, connection, session| {
                session.add(now, message, &mut own.book);
                session.press_on(connection, &mut own.book)
            });
        }
        true
    }

    fn heard(&self) -> (u64, u64) {
        let totals = &self.book.tally.totals;
        (totals.connections, totals.messages)
    }
}

impl Application for Generator {
    type State = Session;
    type Command = Command;

    fn start(&mut self, context: &mut ShardContext<'_, Session>) {
        self.course.press(context.now());
    }

    fn accept(&mut self, connection: &mut Connection<'_>) -> Session {
        // A generator's shard is not configured to accept anybody.
        Session::new(0, connection.now(), &self.book)
    }

    fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        session: &mut Session,
        event: Event,
    ) {
        let is_ours = self.slots.holds(session.slot, connection.key());
        if !is_ours || self.course.phase == Phase::Ended {
            return;
        }
        let outcome = match event {
            Event::Connected => {
                self.connected(connection, session);
                session.press_on(connection, &mut self.book)
            }
            Event::Confirmed => {
                session.may_end = true;
                Ok(())
            }
            Event::Closed(reason) => {
                let kind = match session.connected {
                    true => ErrorKind::Closed,
                    false => ErrorKind::Handshake,
                };
                self.note_path(connection, session);
                let fault = Fault::new(kind, reason.to_string());
                return self.forget(connection.now(), session, fault);
            }
            event => session.handle_event(connection, &event, &mut self.book),
        };
        match outcome {
            Err(fault) => self.fail(connection, session, fault),
            Ok(()) if self.way().is_connecting() && session.is_done() => {
                self.done(connection, session);
            }
            Ok(()) => {}
        }
        if self.book.is_spent() || self.course.is_draining() {
            self.course.press(connection.now());
        }
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, Session>, mail: Command) {
        match mail {
            Command::Begin => self.begin(context),
            Command::Stop => self.course.stop(Stop::Interrupted),
        }
        self.course.press(context.now());
    }

    fn deadline(&self) -> Option<Instant> {
        let due = self.schedule.as_ref().map(Schedule::due);
        let doubt = self.doubt.as_ref().map(|doubt| doubt.until);
        let interval = self.book.intervals.deadline();
        [self.course.deadline(), due, doubt, interval]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle_deadline(&mut self, context: &mut ShardContext<'_, Session>) {
        self.go_on(context);
    }

    fn handle_unreachable(
        &mut self,
        context: &mut ShardContext<'_, Session>,
        peer: SocketAddr,
        reason: &io::Error,
    ) {
        let is_meant = peer.ip() == self.part.remote.ip()
            && reason.kind() == io::ErrorKind::ConnectionRefused
            // Idle connections are not heard of even if they live.
            && self.way() != Mode::Idle;
        if is_meant && self.doubt.is_none() {
            let heard = self.heard();
            let until = context.now() + DOUBT;
            self.doubt = Some(Doubt { until, heard });
        }
    }
}
