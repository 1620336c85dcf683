//! Cuts a run into intervals, and puts each answer into the one in which it came
//! back.

use std::time::{Duration, Instant};

use super::{collector::INTERVALS_MAX, generator::Recent, tally::Times};

/// The intervals of one shard's run: those of the measuring, and after its end
/// those in which late answers come back.
#[derive(Debug)]
pub(super) struct Intervals {
    length: Duration,
    /// Time of measuring, if that is the goal.
    duration: Option<Duration>,
    current: Option<Current>,
    /// Intervals that are over and were not taken yet.
    over: Vec<Recent>,
}

/// The interval that is going on.
#[derive(Debug)]
struct Current {
    after_end: bool,
    /// From 0, of its kind.
    number: usize,
    began: Instant,
    /// When it is over; `None` if it is the last of its kind.
    until: Option<Instant>,
    /// Messages that came back.
    came: u64,
    /// `None` while there are none: a distribution is large.
    times: Option<Times>,
}

impl Intervals {
    pub(super) fn new(length: Duration, duration: Option<Duration>) -> Self {
        Self {
            length,
            duration,
            current: None,
            over: Vec::new(),
        }
    }

    /// Begins the first interval, when the measuring begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.enter(false, 0, now);
    }

    /// Notes a message that has come back, and its echo time if it is measured: those
    /// of the warm-up are not, but take their part of the rate.
    pub(super) fn record(&mut self, now: Instant, time: Option<Duration>) {
        self.advance(now);
        if let Some(current) = &mut self.current {
            current.came += 1;
            if let Some(time) = time {
                current.times.get_or_insert_default().record(time);
            }
        }
    }

    /// Ends the intervals whose time is over.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(current) = &self.current
            && let Some(until) = current.until.filter(|until| *until <= now)
        {
            let (after_end, number) = (current.after_end, current.number);
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
    pub(super) fn take_over(&mut self) -> Vec<Recent> {
        std::mem::take(&mut self.over)
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
            after_end,
            number,
            began,
            until: (!is_last).then_some(until),
            came: 0,
            times: None,
        });
    }

    fn leave(&mut self, end: Instant) {
        if let Some(current) = self.current.take() {
            self.over.push(Recent {
                after_end: current.after_end,
                number: current.number,
                length: end.saturating_duration_since(current.began),
                came: current.came,
                times: current.times,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::collector::Collector;

    const LENGTH: Duration = Duration::from_millis(100);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn start() -> Instant {
        Instant::now()
    }

    /// Lets answers come back at these times in ms; returns whether each row is
    /// after the end, when it began, its length, and the answers in it.
    fn rows(duration: u64, answers: &[u64]) -> Vec<(bool, u64, u64, u64)> {
        let began = start();
        let mut intervals = Intervals::new(LENGTH, Some(ms(duration)));
        intervals.begin(began);
        let (measured, late) =
            answers.split_at(answers.partition_point(|answer| *answer < duration));
        for answer in measured {
            intervals.record(began + ms(*answer), Some(ms(1)));
        }
        intervals.end_measuring(began + ms(duration));
        for answer in late {
            intervals.record(began + ms(*answer), Some(ms(1)));
        }
        let last = answers.last().expect("there is one");
        intervals.finish(began + ms(*last));
        let mut collector = Collector::new(LENGTH, Some(ms(duration)), 1);
        for recent in intervals.take_over() {
            collector.add(&recent);
        }
        let rows = collector.into_rows(ms(duration)).into_iter();
        let whole = |seconds: f64| (seconds * 1e3).round() as u64;
        rows.map(|row| {
            let rate = row.messages as f64 / row.length_s;
            assert!((row.rate_per_s - rate).abs() < 1e-6, "{row:?}");
            assert_eq!(row.p50_us.is_none(), row.messages == 0, "{row:?}");
            (
                row.after_end,
                whole(row.at_s),
                whole(row.length_s),
                row.messages,
            )
        })
        .collect()
    }

    #[test]
    fn answers_after_the_end_are_in_intervals_of_their_own() {
        assert_eq!(
            rows(200, &[10, 20, 150, 201, 202, 450, 460]),
            [
                (false, 0, 100, 2),
                (false, 100, 100, 1),
                (true, 200, 100, 2),
                (true, 300, 100, 0),
                (true, 400, 100, 2),
            ]
        );
        // Without late answers there is no interval for them.
        assert_eq!(rows(100, &[10]), [(false, 0, 100, 1)]);
    }

    #[test]
    fn answers_to_the_warm_up_take_part_in_the_rate_and_in_nothing_else() {
        let began = start();
        let mut intervals = Intervals::new(LENGTH, Some(LENGTH));
        intervals.begin(began);
        intervals.record(began + ms(1), None);
        intervals.record(began + ms(2), Some(ms(1)));
        intervals.end_measuring(began + LENGTH);
        let mut collector = Collector::new(LENGTH, Some(LENGTH), 1);
        for recent in intervals.take_over() {
            collector.add(&recent);
        }
        let rows = collector.into_rows(LENGTH);
        assert_eq!((rows[0].messages, rows[0].rate_per_s), (1, 20.0));
    }

    #[test]
    fn a_last_interval_that_is_longer_or_shorter_has_the_rate_of_its_true_length() {
        assert_eq!(
            rows(249, &[110, 220, 230]),
            [(false, 0, 100, 0), (false, 100, 149, 3)]
        );
        assert_eq!(
            rows(160, &[10, 155]),
            [(false, 0, 100, 1), (false, 100, 60, 1)]
        );
    }

    #[test]
    fn an_answer_that_is_seen_late_is_not_put_into_an_interval_that_is_over() {
        assert_eq!(
            rows(400, &[10, 350]),
            [
                (false, 0, 100, 1),
                (false, 100, 100, 0),
                (false, 200, 100, 0),
                (false, 300, 100, 1),
            ]
        );
    }
}
