//! Accounts for the messages of a load: grants each one, and counts what
//! became of it.

use std::time::{Duration, Instant};

use super::{
    config::{Config, Goal, Workload},
    counters::Counters,
    failure::ConnectionFailure,
    intervals::Intervals,
    message::{Message, MessageEvent},
    pattern::Pattern,
    rng::Rng,
};

/// Phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    /// The other shards are awaited.
    Ready,
    /// Messages are sent, but not measured.
    Warmup,
    Measuring,
    /// Nothing is sent any more; what is under way may come back.
    Draining,
    Ended,
}

/// Messages that may be under way or wait at once; more are not sent at all.
const UNDER_WAY_MAX: u64 = 1 << 20;

/// Accounting of one shard's load, shared by its connections.
pub(super) struct LoadAccounting {
    pub(super) workload: Workload,
    pub(super) phase: Phase,
    pattern: Pattern,
    rng: Rng,
    /// Time for the echo of each message.
    pub(super) timeout: Duration,
    is_closed_loop: bool,
    /// Messages that may still be sent to be measured; `None` is no limit.
    left: Option<u64>,
    /// Messages that were sent, or wait for room, and have not come back.
    pub(super) under_way: u64,
    pub(super) counters: Counters,
    pub(super) intervals: Intervals,
    /// When the last measured message came back.
    pub(super) last: Option<Instant>,
    /// Events of the worker that is at work; kept for its memory.
    events: Vec<MessageEvent>,
}

impl LoadAccounting {
    /// Begins the accounts of the shard of this number.
    pub(super) fn new(config: &Config, shard: usize, interval: Duration) -> Self {
        Self {
            workload: config.workload,
            phase: Phase::Connecting,
            pattern: Pattern::new(config.verify),
            rng: Rng::new(config.seed_of(shard)),
            timeout: config.timeout,
            is_closed_loop: config.arrival.rate().is_none(),
            left: match config.goal {
                Goal::Duration(_) => None,
                Goal::Messages(count) => Some(config.share(shard, count.get())),
            },
            under_way: 0,
            counters: Counters::default(),
            intervals: Intervals::new(interval, config.goal.duration()),
            last: None,
            events: Vec::new(),
        }
    }

    /// Grants a message of a closed loop, for another that came back.
    pub(super) fn next(&mut self, now: Instant) -> Option<Message> {
        match self.is_closed_loop {
            true => self.grant(now, now),
            false => None,
        }
    }

    /// Grants messages of a closed loop to a worker that has so many under way;
    /// none where each message was granted with its connection.
    pub(super) fn refill(
        &mut self,
        now: Instant,
        under_way: usize,
    ) -> impl Iterator<Item = Message> {
        let room = match self.workload.mode.is_connecting() {
            true => 0,
            false => self.workload.in_flight.saturating_sub(under_way),
        };
        std::iter::from_fn(move || self.next(now)).take(room)
    }

    /// Grants a message that was to be sent at `intended`, if one may be sent.
    pub(super) fn grant(&mut self, now: Instant, intended: Instant) -> Option<Message> {
        let is_measured = self.phase == Phase::Measuring;
        let is_sending = is_measured || self.phase == Phase::Warmup;
        if !is_sending || (is_measured && self.left == Some(0)) {
            return None;
        }
        if is_measured {
            self.counters.offered += 1;
            self.left = self.left.map(|left| left - 1);
        }
        if self.under_way >= UNDER_WAY_MAX {
            self.counters.unsent += u64::from(is_measured);
            return None;
        }
        self.under_way += 1;
        Some(Message {
            intended,
            sent: now,
            size: self.workload.sizes.draw(&mut self.rng),
            is_measured,
        })
    }

    /// Counts that the sending of a message begins; returns it with that time.
    pub(super) fn begin_sending(&mut self, now: Instant, message: Message) -> Message {
        let message = Message {
            sent: now,
            ..message
        };
        self.count_lateness(message);
        message
    }

    /// Lets a worker work, and accounts for what it reports, also if it fails.
    pub(super) fn account_for<T>(
        &mut self,
        now: Instant,
        work: impl FnOnce(&Pattern, &mut Vec<MessageEvent>) -> Result<T, ConnectionFailure>,
    ) -> Result<T, ConnectionFailure> {
        let mut events = std::mem::take(&mut self.events);
        let outcome = work(&self.pattern, &mut events);
        for event in events.drain(..) {
            self.account(now, event);
        }
        self.events = events;
        outcome
    }

    fn account(&mut self, now: Instant, event: MessageEvent) {
        match event {
            // The sending of a message that has a connection of its own began
            // with that connection.
            MessageEvent::Sent(_) if self.workload.mode.is_connecting() => {}
            MessageEvent::Sent(message) => self.count_lateness(message),
            MessageEvent::Echoed(message) => self.echoed(now, message),
            MessageEvent::Lost(message) => {
                self.under_way -= 1;
                self.counters.lost += u64::from(message.is_measured);
            }
            MessageEvent::Late => self.counters.late += 1,
            MessageEvent::Differed => self.abandon(1),
        }
    }

    fn count_lateness(&mut self, message: Message) {
        if message.is_measured && !self.is_closed_loop {
            let lateness = message.sent - message.intended;
            self.counters.lateness.record(lateness);
        }
    }

    fn echoed(&mut self, now: Instant, message: Message) {
        let bytes = message.size as u64;
        self.under_way -= 1;
        let counters = &mut self.counters;
        counters.totals.messages += 1;
        counters.totals.bytes += bytes;
        if self.phase == Phase::Measuring {
            counters.in_time += 1;
            counters.bytes_in_time += bytes;
        }
        let time = message.is_measured.then(|| now - message.intended);
        if let Some(time) = time {
            counters.messages += 1;
            counters.bytes += bytes;
            counters.latency.record(time);
            self.last = Some(now);
        }
        self.intervals.record(now, time);
    }

    /// Counts messages that will not come back because their connection is
    /// over; that failure is counted once for all of them.
    pub(super) fn abandon(&mut self, messages: usize) {
        self.under_way -= messages as u64;
    }

    /// Tells whether every message that was to be measured was sent, and none
    /// is awaited.
    pub(super) fn is_spent(&self) -> bool {
        self.left == Some(0) && self.under_way == 0
    }

    /// Fails if the oldest message of a connection was sent too long ago.
    pub(super) fn check_timeout(
        &self,
        now: Instant,
        sent: Option<Instant>,
    ) -> Result<(), ConnectionFailure> {
        match sent {
            Some(sent) if now.saturating_duration_since(sent) >= self.timeout => {
                Err(ConnectionFailure::no_echo(self.timeout))
            }
            _ => Ok(()),
        }
    }
}
