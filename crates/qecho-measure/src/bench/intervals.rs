//! Cuts a run into intervals, and puts each answer into the one in which it came
//! back.

use std::time::{Duration, Instant};

use crate::latency::LatencyRecorder;

/// Intervals that a report keeps of the measuring, and as many after its end;
/// the last has all that is left.
pub(super) const INTERVALS_MAX: usize = 3_600;

/// Sample of one shard's counts in one interval.
#[derive(Clone, Debug)]
pub struct IntervalSample {
    /// Whether the measuring was over.
    pub(super) after_end: bool,
    /// From 0, of the measuring or after its end.
    pub(super) number: usize,
    pub(super) length: Duration,
    /// Messages that came back, those of the warm-up too.
    pub(super) received: u64,
    /// `None` while there are none: a distribution is large.
    pub(super) times: Option<Box<LatencyRecorder>>,
}

impl IntervalSample {
    /// Adds another shard's sample of the same interval.
    pub(super) fn joined(mut self, other: Self) -> Self {
        self.length = self.length.max(other.length);
        self.received += other.received;
        self.times = match (self.times, other.times) {
            (Some(mut times), Some(others)) => {
                times.add(&others);
                Some(times)
            }
            (one, other) => one.or(other),
        };
        self
    }
}

/// The intervals of one shard's run: those of the measuring, and after its end
/// those in which late answers come back.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    length: Duration,
    /// Time of measuring, if that is the goal.
    duration: Option<Duration>,
    current: Option<Current>,
    /// Intervals that are over and were not taken yet.
    completed: Vec<IntervalSample>,
}

/// The interval that is going on.
#[derive(Debug)]
struct Current {
    began: Instant,
    /// End of the interval; `None` if it is the last of its kind.
    until: Option<Instant>,
    /// Its length is known at its end.
    sample: IntervalSample,
}

impl Intervals {
    pub(super) fn new(length: Duration, duration: Option<Duration>) -> Self {
        Self {
            length,
            duration,
            ..Self::default()
        }
    }

    /// Begins the first interval, when the measuring begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.enter(false, 0, now);
    }

    /// Records a message that has come back, and its echo time if it is measured: those
    /// of the warm-up are not, but take their part of the rate.
    pub(super) fn record(&mut self, now: Instant, time: Option<Duration>) {
        self.advance(now);
        if let Some(current) = &mut self.current {
            current.sample.received += 1;
            if let Some(time) = time {
                current.sample.times.get_or_insert_default().record(time);
            }
        }
    }

    /// Ends the intervals whose time is over.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(current) = &self.current
            && let Some(until) = current.until.filter(|until| *until <= now)
        {
            let (after_end, number) = (current.sample.after_end, current.sample.number);
            self.leave(until);
            self.enter(after_end, number + 1, until);
        }
    }

    /// Ends the last interval of the measuring, at `end`; what comes back from
    /// now on is late.
    pub(super) fn end_measuring(&mut self, end: Instant) {
        self.advance(end);
        self.leave(end);
        self.enter(true, 0, end);
    }

    /// Ends the last interval of all. That is as long as the others, however soon
    /// its last answer came: a rate of two messages in a microsecond says nothing.
    pub(super) fn finish(&mut self, now: Instant) {
        if let Some(current) = &self.current {
            self.leave(now.max(current.began + self.length));
        }
    }

    /// Returns the intervals that are over since the last call.
    pub(super) fn take_completed(&mut self) -> Vec<IntervalSample> {
        std::mem::take(&mut self.completed)
    }

    /// Returns when the interval that is going on is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.current.as_ref()?.until
    }

    fn enter(&mut self, after_end: bool, number: usize, began: Instant) {
        let until = began + self.length;
        let measured = self.length * number as u32;
        // The last of the measuring has up to a half more, or less.
        let reaches = |duration| measured + self.length + self.length / 2 >= duration;
        let is_last =
            number + 1 == INTERVALS_MAX || (!after_end && self.duration.is_some_and(reaches));
        self.current = Some(Current {
            began,
            until: (!is_last).then_some(until),
            sample: IntervalSample {
                after_end,
                number,
                length: Duration::ZERO,
                received: 0,
                times: None,
            },
        });
    }

    fn leave(&mut self, end: Instant) {
        if let Some(Current { began, sample, .. }) = self.current.take() {
            self.completed.push(IntervalSample {
                length: end.saturating_duration_since(began),
                ..sample
            });
        }
    }
}
