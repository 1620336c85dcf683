//! The course of a run: connecting, warming up, measuring, the end.

use std::time::{Duration, Instant};

use qecho_engine::ShardContext;

use super::{CODE_DONE, CODE_FAILED, Generator, Part, Session, Told};
use crate::bench::{
    book::{Fault, Stage},
    config::{Arrival, Config, Mode},
    report::{ErrorKind, Stop},
    schedule::Schedule,
    tally::PathCounts,
};

/// How often it is looked for what has waited too long.
const TICK: Duration = Duration::from_millis(100);

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    /// The other shards are awaited.
    Ready,
    Warmup,
    Measuring,
    /// Nothing is sent any more; what is under way may come back.
    Draining,
    Ended,
}

/// The times of a run.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) phase: Phase,
    /// When the phase ends, if time ends it.
    until: Option<Instant>,
    /// Set when there is something to do that needs the whole shard.
    pressing: Option<Instant>,
    tick: Option<Instant>,
    /// When to begin.
    begin_at: Option<Instant>,
    /// How much later that was.
    pub(super) late: Option<Duration>,
    began: Option<Instant>,
    arrival: Arrival,
    seed: u64,
    warmup: Duration,
    /// Time of measuring, if that is the goal.
    duration: Option<Duration>,
    /// Processor time when the measuring began; after it, what it has used.
    pub(super) processor: Duration,
    pub(super) elapsed: Duration,
    pub(super) stop: Option<Stop>,
}

impl Course {
    pub(super) fn new(config: &Config, part: &Part) -> Self {
        Self {
            phase: Phase::Connecting,
            until: None,
            pressing: None,
            tick: None,
            begin_at: config.begin.as_ref().map(|begin| begin.at),
            late: None,
            began: None,
            arrival: config.arrival.part(part.of),
            seed: part.seed(config.seed),
            warmup: config.warmup,
            duration: config.goal.duration(),
            processor: Duration::ZERO,
            elapsed: Duration::ZERO,
            stop: None,
        }
    }

    /// Asks for a look at the whole shard.
    pub(super) fn press(&mut self, now: Instant) {
        self.pressing = Some(now);
    }

    /// Ends the run before its time; the first reason stays.
    pub(super) fn stop(&mut self, stop: Stop) {
        self.stop.get_or_insert(stop);
    }

    pub(super) fn is_measuring(&self) -> bool {
        self.phase == Phase::Measuring
    }

    pub(super) fn is_draining(&self) -> bool {
        self.phase == Phase::Draining
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.phase == Phase::Ended {
            return None;
        }
        let times = [self.pressing, self.until, self.tick];
        times.into_iter().flatten().min()
    }

    fn enter(&mut self, phase: Phase, until: Option<Instant>) {
        self.phase = phase;
        self.until = until;
    }

    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Generator {
    /// Begins to send, once every shard is ready and it is time.
    pub(super) fn begin(&mut self, context: &mut ShardContext<'_, Session>) {
        if self.course.phase != Phase::Ready {
            return;
        }
        let now = context.now();
        if let Some(at) = self.course.begin_at {
            if now < at {
                self.course.until = Some(at);
                return;
            }
            self.course.late = Some(now - at);
        }
        self.schedule = Schedule::new(self.course.arrival, now, self.course.seed);
        if self.course.warmup.is_zero() {
            self.begin_measuring(context);
        } else {
            self.book.stage = Stage::Warmup;
            let until = now + self.course.warmup;
            self.course.enter(Phase::Warmup, Some(until));
        }
        self.each(context, |own, connection, session| {
            session.press_on(connection, &mut own.book)
        });
    }

    fn begin_measuring(&mut self, context: &mut ShardContext<'_, Session>) {
        let now = context.now();
        self.each(context, |_, connection, session| {
            session.before = PathCounts::of(connection);
            Ok(())
        });
        self.book.stage = Stage::Measuring;
        self.course.began = Some(now);
        self.course.processor = (self.processor)();
        self.book.intervals.begin(now);
        let until = self.course.duration.map(|duration| now + duration);
        self.course.enter(Phase::Measuring, until);
        (self.listener)(Told::Measuring);
    }

    fn end_measuring(&mut self, context: &mut ShardContext<'_, Session>) {
        let now = context.now();
        self.each(context, |own, connection, session| {
            own.note_path(connection, session);
            Ok(())
        });
        self.book.stage = Stage::Silent;
        self.schedule = None;
        let course = &mut self.course;
        course.processor = (self.processor)().saturating_sub(course.processor);
        let end = match course.duration {
            Some(_) => now,
            None => self.book.last.unwrap_or(now),
        };
        course.elapsed = course.began.map_or(Duration::ZERO, |began| end - began);
        self.book.intervals.end_measuring(end);
        course.enter(Phase::Draining, Some(now + self.book.timeout));
        (self.listener)(Told::Measured);
    }

    fn finish(&mut self, context: &mut ShardContext<'_, Session>) {
        self.book.intervals.finish(context.now());
        self.tell_intervals();
        self.course.enter(Phase::Ended, None);
        match self.course.stop {
            None | Some(Stop::Interrupted) => context.shut_down(CODE_DONE, ""),
            Some(stop) => context.shut_down(CODE_FAILED, &stop.to_string()),
        }
    }

    fn tell_intervals(&mut self) {
        for recent in self.book.intervals.take_over() {
            (self.listener)(Told::Recent(recent));
        }
    }

    /// Does all that is due.
    pub(super) fn go_on(&mut self, context: &mut ShardContext<'_, Session>) {
        let now = context.now();
        self.course.pressing = None;
        if self.course.phase == Phase::Ended {
            return;
        }
        self.resolve_doubt(now);
        let last = self.course.until.map_or(now, |until| until.min(now));
        let is_caught_up = self.send_due(context, last);
        self.connect_more(context);
        self.check_times(context);
        if self.course.stop.is_some() {
            if self.course.is_measuring() {
                self.end_measuring(context);
            }
            return self.finish(context);
        }
        match self.course.phase {
            Phase::Connecting if self.slots.are_settled() || self.way().is_connecting() => {
                self.course.enter(Phase::Ready, None);
                let live = match self.way().is_connecting() {
                    true => self.slots.count(),
                    false => self.slots.live,
                };
                (self.listener)(Told::Ready { live });
            }
            Phase::Ready if self.course.is_over(now) => self.begin(context),
            Phase::Warmup if self.course.is_over(now) && is_caught_up => {
                self.begin_measuring(context)
            }
            Phase::Measuring
                if self.course.is_over(now) && is_caught_up || self.book.is_spent() =>
            {
                self.end_measuring(context);
                self.course.press(now);
            }
            Phase::Draining if self.book.under_way == 0 || self.course.is_over(now) => {
                self.finish(context);
            }
            Phase::Warmup | Phase::Measuring if self.slots.are_deserted() => {
                self.course.stop(Stop::NoConnection);
                self.course.press(now);
            }
            _ => {}
        }
    }

    fn resolve_doubt(&mut self, now: Instant) {
        if let Some(doubt) = self.doubt.take_if(|doubt| doubt.until <= now)
            && doubt.heard == self.heard()
        {
            self.course.stop(Stop::ServerGone);
        }
    }

    /// Tells the intervals that are over, and looks for what has waited too long.
    fn check_times(&mut self, context: &mut ShardContext<'_, Session>) {
        let now = context.now();
        self.book.intervals.advance(now);
        self.tell_intervals();
        if self.course.tick.is_some_and(|tick| tick > now) {
            return;
        }
        let is_quiet = self.way() == Mode::Idle && self.slots.connecting == 0;
        self.course.tick = (!is_quiet).then_some(now + TICK);
        if is_quiet {
            return;
        }
        self.each(context, |own, connection, session| {
            if !session.connected && session.due <= now {
                let time = qecho_packet::text::duration(own.book.timeout);
                let words = format!("no answer within {time}");
                return Err(Fault::new(ErrorKind::Handshake, words));
            }
            // A server that gives no session is not waited for any longer.
            session.may_end |= session.due <= now;
            if own.way().is_connecting() && session.is_done() {
                own.done(connection, session);
                return Ok(());
            }
            session.handle_tick(connection, &mut own.book)
        });
    }
}
