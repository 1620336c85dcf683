//! Takes one shard's run through its phases: warming up, measuring, the end.

use std::time::{Duration, Instant};

use super::{
    accounting::{LoadAccounting, Phase},
    config::{Arrival, Config},
    failure::StopReason,
    outcome::Outcome,
    schedule::Schedule,
};

/// Function that returns the processor time that the current thread has used.
pub type ProcessorClock = fn() -> Duration;

/// Times and accounts of one shard's run.
pub(super) struct RunClock {
    pub(super) accounting: LoadAccounting,
    schedule: Option<Schedule>,
    /// End of the phase, if time ends it.
    until: Option<Instant>,
    /// Set when there is something to do that needs the whole shard.
    requested: Option<Instant>,
    /// Instant at which to begin, unless at once.
    begin_at: Option<Instant>,
    /// Lateness of the beginning.
    late: Option<Duration>,
    began: Option<Instant>,
    arrival: Arrival,
    seed: u64,
    warmup: Duration,
    /// Time of measuring, if that is the goal.
    duration: Option<Duration>,
    processor_clock: ProcessorClock,
    /// Processor time when the measuring began; after it, what it has used.
    processor: Duration,
    elapsed: Duration,
    stop: Option<StopReason>,
}

impl RunClock {
    pub(super) fn new(
        config: &Config,
        shard: usize,
        interval: Duration,
        processor_clock: ProcessorClock,
    ) -> Self {
        Self {
            accounting: LoadAccounting::new(config, shard, interval),
            schedule: None,
            until: None,
            requested: None,
            begin_at: config.begin.as_ref().map(|begin| begin.at),
            late: None,
            began: None,
            arrival: config.arrival.part(config.shards),
            seed: config.seed_of(shard),
            warmup: config.warmup,
            duration: config.goal.duration(),
            processor_clock,
            processor: Duration::ZERO,
            elapsed: Duration::ZERO,
            stop: None,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.accounting.phase
    }

    /// Returns the processor time that this thread has used.
    pub(super) fn processor_time(&self) -> Duration {
        (self.processor_clock)()
    }

    /// Asks for a turn of the whole shard.
    pub(super) fn request_turn(&mut self, now: Instant) {
        self.requested = Some(now);
    }

    /// Begins the turn that was asked for.
    pub(super) fn begin_turn(&mut self) {
        self.requested = None;
    }

    /// Ends the run before its time; the first reason stays.
    pub(super) fn stop(&mut self, reason: StopReason) {
        self.stop.get_or_insert(reason);
    }

    pub(super) fn stop_reason(&self) -> Option<StopReason> {
        self.stop
    }

    /// Awaits the other shards.
    pub(super) fn ready(&mut self) {
        self.accounting.phase = Phase::Ready;
    }

    /// Lets the run begin, now or when it is time.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.phase() == Phase::Ready {
            self.until = Some(self.begin_at.unwrap_or(now));
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.phase() == Phase::Ended {
            return None;
        }
        let due = self.schedule.as_ref().map(Schedule::due);
        let interval = self.accounting.intervals.deadline();
        let times = [self.requested, self.until, due, interval];
        times.into_iter().flatten().min()
    }

    /// Returns when the next message of an open loop was to be sent, if that is
    /// not in the future, nor after the phase.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Instant> {
        let until = self.until.map_or(now, |until| until.min(now));
        self.schedule.as_mut()?.pop_due(until)
    }

    /// Enters the next phase and returns it, if it is time. An open loop that
    /// has not caught up sends first what was due in this phase.
    pub(super) fn advance(&mut self, now: Instant, is_caught_up: bool) -> Option<Phase> {
        let is_due = self.until.is_some_and(|until| until <= now);
        let is_over = is_due && is_caught_up;
        match (self.phase(), self.stop) {
            (Phase::Ended, _) => return None,
            (Phase::Measuring, Some(_)) => self.end_measuring(now),
            (_, Some(_)) => self.finish(now),
            (Phase::Ready, None) if is_due => self.start(now),
            (Phase::Warmup, None) if is_over => self.measure(now),
            (Phase::Measuring, None) if is_over || self.accounting.is_spent() => {
                self.end_measuring(now);
            }
            (Phase::Draining, None) if is_due || self.accounting.under_way == 0 => {
                self.finish(now);
            }
            _ => return None,
        }
        Some(self.phase())
    }

    fn enter(&mut self, phase: Phase, until: Option<Instant>) {
        self.accounting.phase = phase;
        self.until = until;
    }

    fn start(&mut self, now: Instant) {
        self.late = self.begin_at.map(|at| now - at);
        self.schedule = Schedule::new(self.arrival, now, self.seed);
        match self.warmup.is_zero() {
            true => self.measure(now),
            false => self.enter(Phase::Warmup, Some(now + self.warmup)),
        }
    }

    fn measure(&mut self, now: Instant) {
        self.began = Some(now);
        self.processor = (self.processor_clock)();
        self.accounting.intervals.begin(now);
        let until = self.duration.map(|duration| now + duration);
        self.enter(Phase::Measuring, until);
    }

    fn end_measuring(&mut self, now: Instant) {
        self.schedule = None;
        self.processor = (self.processor_clock)().saturating_sub(self.processor);
        let end = match self.duration {
            Some(_) => now,
            None => self.accounting.last.unwrap_or(now),
        };
        self.elapsed = self.began.map_or(Duration::ZERO, |began| end - began);
        self.accounting.intervals.end_measuring(end);
        self.enter(Phase::Draining, Some(now + self.accounting.timeout));
    }

    fn finish(&mut self, now: Instant) {
        self.accounting.intervals.finish(now);
        self.enter(Phase::Ended, None);
    }

    pub(super) fn into_outcome(self) -> Outcome {
        Outcome {
            counters: self.accounting.counters,
            elapsed: self.elapsed,
            late: self.late,
            processor: self.processor,
            stop: self.stop,
        }
    }
}
