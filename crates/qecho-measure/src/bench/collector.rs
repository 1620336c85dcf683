//! Joins the samples of several shards in the same interval.

use std::{collections::BTreeMap, time::Duration};

use super::{
    intervals::{INTERVALS_MAX, IntervalSample},
    report::latency::Interval,
};

#[derive(Debug, Default)]
pub(super) struct Collector {
    interval: Duration,
    /// Time of measuring, if that is the goal.
    duration: Option<Duration>,
    shards: usize,
    /// Intervals that not all shards have reported yet, by whether they are
    /// after the end, and by number: how many have, and the sum of their samples.
    pending: BTreeMap<(bool, usize), (usize, IntervalSample)>,
    rows: Vec<(usize, Interval)>,
}

impl Collector {
    pub(super) fn new(interval: Duration, duration: Option<Duration>, shards: usize) -> Self {
        Self {
            interval,
            duration,
            shards,
            ..Self::default()
        }
    }

    /// Adds one shard's sample; returns the interval if that was the last one.
    pub(super) fn add(&mut self, sample: IntervalSample) -> Option<Interval> {
        let key = (sample.after_end, sample.number);
        let reported = match self.pending.remove(&key) {
            Some((shards, sum)) => (shards + 1, sum.joined(sample)),
            None => (1, sample),
        };
        if reported.0 < self.shards {
            self.pending.insert(key, reported);
            return None;
        }
        Some(self.keep(&reported.1))
    }

    fn keep(&mut self, sample: &IntervalSample) -> Interval {
        let end = self.duration.filter(|_| sample.after_end);
        let at = end.unwrap_or_default() + self.interval * sample.number as u32;
        let length = sample.length.as_secs_f64();
        let times = sample.times.as_deref();
        let times = times.map(|times| Interval::of(times.histogram()));
        let row = Interval {
            after_end: sample.after_end,
            at_s: at.as_secs_f64(),
            length_s: length,
            rate_per_s: match length {
                0.0 => 0.0,
                length => sample.received as f64 / length,
            },
            ..times.unwrap_or_default()
        };
        self.rows.push((sample.number, row));
        row
    }

    /// Returns all intervals of a run that measured for so long.
    pub(super) fn into_rows(mut self, elapsed: Duration) -> Vec<Interval> {
        for (_, sample) in std::mem::take(&mut self.pending).into_values() {
            self.keep(&sample);
        }
        self.rows
            .sort_by_key(|(number, row)| (row.after_end, *number));
        let rows = self.rows.into_iter().map(|(number, mut row)| {
            if row.after_end {
                row.at_s = (elapsed + self.interval * number as u32).as_secs_f64();
            }
            row
        });
        let mut rows: Vec<_> = rows
            .filter(|row| row.length_s > 0.0 || row.messages > 0)
            .collect();
        while rows
            .pop_if(|row| row.after_end && row.messages == 0)
            .is_some()
        {}
        rows
    }
}

/// Returns the length of the intervals of a run that measures for so long: some
/// sixtieth, and at most a second while that does not make too many.
pub(super) fn interval(duration: Option<Duration>) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(1);
    match duration {
        None => SHORTEST,
        Some(duration) => (duration / 60)
            .clamp(SHORTEST, LONGEST)
            .max(duration / INTERVALS_MAX as u32),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::bench::intervals::Intervals;

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
        for sample in intervals.take_completed() {
            collector.add(sample);
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
        let expected = [
            (false, 0, 100, 2),
            (false, 100, 100, 1),
            (true, 200, 100, 2),
            (true, 300, 100, 0),
            (true, 400, 100, 2),
        ];
        assert_eq!(rows(200, &[10, 20, 150, 201, 202, 450, 460]), expected);
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
        for sample in intervals.take_completed() {
            collector.add(sample);
        }
        let rows = collector.into_rows(LENGTH);
        assert_eq!((rows[0].messages, rows[0].rate_per_s), (1, 20.0));
    }

    #[test]
    fn a_last_interval_that_is_longer_or_shorter_has_the_rate_of_its_true_length() {
        let longer = [(false, 0, 100, 0), (false, 100, 149, 3)];
        assert_eq!(rows(249, &[110, 220, 230]), longer);
        let shorter = [(false, 0, 100, 1), (false, 100, 60, 1)];
        assert_eq!(rows(160, &[10, 155]), shorter);
    }

    #[test]
    fn an_answer_that_is_seen_late_is_not_put_into_an_interval_that_is_over() {
        let expected = [
            (false, 0, 100, 1),
            (false, 100, 100, 0),
            (false, 200, 100, 0),
            (false, 300, 100, 1),
        ];
        assert_eq!(rows(400, &[10, 350]), expected);
    }
}
