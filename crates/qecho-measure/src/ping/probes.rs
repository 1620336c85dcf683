//! Send times of pings, and the fate of each.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::{
    config::{Config, UNANSWERED_MAX},
    events::PingEvent,
    report::{Counts, Lost, Reply},
};
use crate::latency::LatencyRecorder;

/// Answered and given up pings that are remembered, to know their answers
/// again when they come twice or late.
const REMEMBERED_MAX: usize = 4_096;

/// A ping that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// From 1.
    pub(super) sequence: u64,
    /// Intended send time, from which its time counts.
    pub(super) intended: Instant,
}

/// Kind of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The first, in time.
    Reply(Duration),
    /// The first, but its ping was given up for lost.
    Late(Duration),
    /// It has come before.
    Duplicate,
    /// Nothing like that was sent, or it was long ago.
    Unknown,
}

impl Answer {
    /// Returns the event of an answer, if there is one; `reply` makes it of its
    /// time.
    pub(super) fn event(
        self,
        sequence: u64,
        reply: impl FnOnce(Duration) -> Reply,
    ) -> Option<PingEvent> {
        match self {
            Self::Reply(time) => Some(PingEvent::Reply(reply(time))),
            Self::Late(time) => Some(PingEvent::Late(reply(time))),
            Self::Duplicate => Some(PingEvent::Duplicate { sequence }),
            Self::Unknown => None,
        }
    }
}

/// The pings of one host.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// Zero: when the one before is answered or given up.
    interval: Duration,
    one_at_a_time: bool,
    timeout: Duration,
    /// Send time of the next; `None` when it waits for an answer.
    next: Option<Instant>,
    left: Option<u64>,
    /// Those that were due while they could not be sent.
    held: VecDeque<Probe>,
    /// Intended send times by sequence, and so by time.
    outstanding: BTreeMap<u64, Instant>,
    given_up: BTreeMap<u64, Instant>,
    answered: BTreeSet<u64>,
    highest_answered: u64,
    counts: Counts,
    times: LatencyRecorder,
}

impl Probes {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            interval: config.interval,
            one_at_a_time: config.mode.one_at_a_time() || config.interval.is_zero(),
            timeout: config.timeout,
            left: config.count,
            ..Self::default()
        }
    }

    /// Lets the first be due.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.counts.sent == 0 {
            self.next.get_or_insert(now);
        }
    }

    /// Holds those that are due while there is no connection: their time runs.
    pub(super) fn hold(&mut self, now: Instant) {
        while let Some(probe) = self.take_due(now) {
            self.held.push_back(probe);
        }
    }

    /// Returns the next that is to be sent: one that was held, or one that is due and is taken
    /// for sent.
    pub(super) fn take(&mut self, now: Instant) -> Option<Probe> {
        while let Some(probe) = self.held.pop_front() {
            if self.outstanding.contains_key(&probe.sequence) {
                return Some(probe);
            }
        }
        self.take_due(now)
    }

    fn take_due(&mut self, now: Instant) -> Option<Probe> {
        let due = self.next.filter(|due| *due <= now && self.has_room())?;
        // Without an interval there is no schedule to be late for.
        let intended = match self.interval {
            Duration::ZERO => now,
            _ => due,
        };
        self.counts.sent += 1;
        self.left = self.left.map(|left| left - 1);
        let interval = Some(self.interval).filter(|interval| !interval.is_zero());
        self.next = interval.map(|interval| intended + interval);
        let sequence = self.counts.sent;
        self.outstanding.insert(sequence, intended);
        Some(Probe { sequence, intended })
    }

    fn has_room(&self) -> bool {
        let most = match self.one_at_a_time {
            true => 1,
            false => UNANSWERED_MAX,
        };
        self.left != Some(0) && self.outstanding.len() < most
    }

    /// Returns when something is due: a ping, if it could be sent, or the end
    /// of patience with one.
    pub(super) fn deadline(&self, could_send: bool) -> Option<Instant> {
        let due = self.next.filter(|_| self.has_room());
        let held = self.held.front().map(|probe| probe.intended);
        let next = held.or(due).filter(|_| could_send);
        let oldest = self.outstanding.values().next();
        let given_up = oldest.map(|intended| *intended + self.timeout);
        [next, given_up].into_iter().flatten().min()
    }

    /// Returns when something is due while nothing can be sent: a ping, which is
    /// [held](Self::hold), or the end of patience with one.
    pub(super) fn deadline_of_next(&self) -> Option<Instant> {
        let next = self.next.filter(|_| self.has_room());
        next.into_iter().chain(self.deadline(false)).min()
    }

    /// Returns when a ping was to be sent, if that is remembered.
    pub(super) fn intended(&self, sequence: u64) -> Option<Instant> {
        let outstanding = self.outstanding.get(&sequence);
        outstanding
            .or_else(|| self.given_up.get(&sequence))
            .copied()
    }

    /// Counts an answer.
    pub(super) fn answer(&mut self, now: Instant, sequence: u64) -> Answer {
        let Some(intended) = self.outstanding.get(&sequence) else {
            return self.answer_again(now, sequence);
        };
        let time = now.saturating_duration_since(*intended);
        self.answer_after(now, sequence, time)
    }

    /// Counts the answer of an outstanding ping that took so long.
    pub(super) fn answer_after(&mut self, now: Instant, sequence: u64, time: Duration) -> Answer {
        if self.outstanding.remove(&sequence).is_none() {
            return Answer::Unknown;
        }
        self.counts.received += 1;
        self.times.record(time);
        if sequence < self.highest_answered {
            self.counts.reordered += 1;
        }
        self.remember_answered(sequence);
        self.settle(now);
        Answer::Reply(time)
    }

    fn answer_again(&mut self, now: Instant, sequence: u64) -> Answer {
        if let Some(intended) = self.given_up.remove(&sequence) {
            self.counts.late += 1;
            self.remember_answered(sequence);
            return Answer::Late(now.saturating_duration_since(intended));
        }
        if self.answered.contains(&sequence) {
            self.counts.duplicates += 1;
            return Answer::Duplicate;
        }
        Answer::Unknown
    }

    fn remember_answered(&mut self, sequence: u64) {
        self.highest_answered = self.highest_answered.max(sequence);
        self.answered.insert(sequence);
        if self.answered.len() > REMEMBERED_MAX {
            self.answered.pop_first();
        }
    }

    /// Returns the next ping whose answer is overdue; it is lost.
    pub(super) fn give_up(&mut self, now: Instant) -> Option<Lost> {
        let (sequence, intended) = self.outstanding.first_key_value()?;
        let (sequence, intended) = (*sequence, *intended);
        if intended + self.timeout > now {
            return None;
        }
        self.given_up.insert(sequence, intended);
        if self.given_up.len() > REMEMBERED_MAX {
            self.given_up.pop_first();
        }
        Some(self.lose(now, sequence, None))
    }

    /// Counts a ping that will not be answered, for a reason if that is known.
    pub(super) fn lose(&mut self, now: Instant, sequence: u64, reason: Option<String>) -> Lost {
        if self.outstanding.remove(&sequence).is_some() {
            self.counts.lost += 1;
        }
        self.settle(now);
        Lost { sequence, reason }
    }

    /// Gives up all that are outstanding, because nothing can come any more.
    pub(super) fn lose_all(&mut self, now: Instant, reason: &str) -> Vec<Lost> {
        let all: Vec<_> = self.outstanding.keys().copied().collect();
        let lose = |sequence| self.lose(now, sequence, Some(reason.to_owned()));
        all.into_iter().map(lose).collect()
    }

    /// Leaves out those under way, whatever becomes of them, and does not count those that were due
    /// meanwhile: this program itself stood still. Returns how many were under way.
    pub(super) fn leave_out(&mut self, now: Instant) -> u64 {
        self.held.clear();
        let left_out = std::mem::take(&mut self.outstanding).len() as u64;
        self.counts.left_out += left_out;
        match self.next {
            None if self.counts.sent > 0 => self.next = Some(now),
            _ => self.skip_missed(now),
        }
        left_out
    }

    /// Decides when the next is due once one has found its end.
    fn settle(&mut self, now: Instant) {
        if !self.one_at_a_time || !self.outstanding.is_empty() {
            return;
        }
        match self.next {
            None => self.next = Some(now),
            // What was missed while one was waited for is left out, or it
            // would look slow.
            Some(_) => self.skip_missed(now),
        }
    }

    /// Goes on with the schedule at its first instant that has not passed.
    fn skip_missed(&mut self, now: Instant) {
        if let Some(next) = self.next.filter(|next| *next < now) {
            let behind = now.duration_since(next).as_nanos();
            let steps = behind.div_ceil(self.interval.as_nanos().max(1));
            let steps = u32::try_from(steps).unwrap_or(u32::MAX);
            self.next = Some(next + self.interval.saturating_mul(steps));
        }
    }

    /// Tells whether all were sent and have found their end.
    pub(super) fn is_over(&self) -> bool {
        self.left == Some(0) && self.outstanding.is_empty()
    }

    /// Returns the one that is outstanding, of those that go one at a time.
    pub(super) fn current(&self) -> Option<Probe> {
        let (sequence, intended) = self.outstanding.first_key_value()?;
        Some(Probe {
            sequence: *sequence,
            intended: *intended,
        })
    }

    /// Returns the counts of all so far.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            unanswered: self.outstanding.len() as u64,
            ..self.counts
        }
    }

    pub(super) fn times(&self) -> &LatencyRecorder {
        &self.times
    }
}

#[cfg(test)]
mod tests;
