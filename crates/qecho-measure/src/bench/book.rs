//! Who may send a message, and what became of those that were sent.

use std::time::{Duration, Instant};

use super::{
    chance::Chance,
    config::{Config, Goal, Sessions, Workload},
    intervals::Intervals,
    pattern::Pattern,
    report::ErrorKind,
    tally::Tally,
};

/// A message that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    /// When it was meant to be sent.
    pub(super) intended: Instant,
    /// When its sending began.
    pub(super) sent: Instant,
    /// Bytes of it.
    pub(super) size: usize,
    /// Whether it is measured.
    measured: bool,
}

/// Why a connection cannot go on.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) words: String,
}

impl Fault {
    pub(super) fn new(kind: ErrorKind, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { kind, words }
    }
}

/// What all connections of a shard share.
pub(super) struct Book {
    pub(super) pattern: Pattern,
    pub(super) work: Workload,
    chance: Chance,
    verify: bool,
    /// Time for the echo of each message.
    pub(super) timeout: Duration,
    is_closed_loop: bool,
    /// Whether a connection that has its echo waits for the TLS sessions of
    /// which others need one.
    pub(super) awaits_sessions: bool,
    pub(super) stage: Stage,
    /// Messages that may still be sent to be measured; `None` is no limit.
    left: Option<u64>,
    /// Messages that were sent, or wait for room, and have not come back.
    pub(super) under_way: u64,
    pub(super) tally: Tally,
    pub(super) intervals: Intervals,
    /// When the last measured message came back.
    pub(super) last: Option<Instant>,
}

/// What messages are sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// None are sent, not yet or not any more.
    Silent,
    /// They are sent, but not measured.
    Warmup,
    /// They are measured.
    Measuring,
}

/// Messages that may be under way or wait at once; more are not sent at all.
const UNDER_WAY_MAX: u64 = 1 << 20;

impl Book {
    pub(super) fn new(
        config: &Config,
        messages: Option<u64>,
        seed: u64,
        interval: Duration,
    ) -> Self {
        Self {
            pattern: Pattern::new(),
            work: config.work,
            chance: Chance::new(seed),
            verify: config.verify,
            timeout: config.timeout,
            is_closed_loop: config.arrival.rate().is_none(),
            awaits_sessions: config.sessions != Sessions::New,
            stage: Stage::Silent,
            left: match config.goal {
                Goal::Duration(_) => None,
                Goal::Messages(_) => messages,
            },
            under_way: 0,
            tally: Tally::default(),
            intervals: Intervals::new(interval, config.goal.duration()),
            last: None,
        }
    }

    /// Returns the right to send a message now, because another came back.
    pub(super) fn next(&mut self, now: Instant) -> Option<Message> {
        if !self.is_closed_loop {
            return None;
        }
        self.take(now, now)
    }

    /// Returns the right to send a message that was to be sent at `intended`.
    pub(super) fn take(&mut self, now: Instant, intended: Instant) -> Option<Message> {
        let measured = self.stage == Stage::Measuring;
        if self.stage == Stage::Silent || (measured && self.left == Some(0)) {
            return None;
        }
        if measured {
            self.tally.offered += 1;
            self.left = self.left.map(|left| left - 1);
        }
        if self.under_way >= UNDER_WAY_MAX {
            self.tally.unsent += u64::from(measured);
            return None;
        }
        self.under_way += 1;
        Some(Message {
            intended,
            sent: now,
            size: self.work.sizes.draw(&mut self.chance),
            measured,
        })
    }

    /// Notes that a message begins to be sent.
    pub(super) fn sends(&mut self, now: Instant, message: &mut Message) {
        message.sent = now;
        if message.measured && !self.is_closed_loop {
            self.tally.lateness.record(now - message.intended);
        }
    }

    /// Notes that a message has come back whole.
    pub(super) fn answered(&mut self, now: Instant, message: Message) {
        let bytes = message.size as u64;
        self.under_way -= 1;
        self.tally.totals.messages += 1;
        self.tally.totals.bytes += bytes;
        if self.stage == Stage::Measuring {
            self.tally.in_time += 1;
            self.tally.bytes_in_time += bytes;
        }
        if message.measured {
            self.tally.messages += 1;
            self.tally.bytes += bytes;
            self.tally.latency.record(now - message.intended);
            self.last = Some(now);
        }
        let time = message.measured.then(|| now - message.intended);
        self.intervals.record(now, time);
    }

    /// Notes that a DATAGRAM frame will not come back.
    pub(super) fn lost(&mut self, message: Message) {
        self.under_way -= 1;
        self.tally.lost += u64::from(message.measured);
    }

    /// Notes that messages will not come back because their connection is
    /// over; why is noted once for all of them.
    pub(super) fn gave_up(&mut self, messages: usize) {
        self.under_way -= messages as u64;
    }

    /// Tells whether every message that was to be measured was sent, and none
    /// is awaited.
    pub(super) fn is_spent(&self) -> bool {
        self.left == Some(0) && self.under_way == 0
    }

    /// Compares bytes that came back with those sent from `at`.
    pub(super) fn check(&self, at: u64, came: &[u8]) -> Result<(), Fault> {
        if !self.verify {
            return Ok(());
        }
        self.pattern.compare(at, came).map_err(|offset| {
            let words = format!("byte {offset} of a piece of {} differs", came.len());
            Fault::new(ErrorKind::Differs, words)
        })
    }

    /// Returns the fault of a connection whose oldest message was sent at
    /// `sent`, if that is too long ago.
    pub(super) fn check_patience(&self, now: Instant, sent: Option<Instant>) -> Result<(), Fault> {
        match sent {
            Some(sent) if now.saturating_duration_since(sent) >= self.timeout => {
                let time = qecho_packet::text::duration(self.timeout);
                Err(Fault::new(
                    ErrorKind::NoEcho,
                    format!("no echo within {time}"),
                ))
            }
            _ => Ok(()),
        }
    }
}
