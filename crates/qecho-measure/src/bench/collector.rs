//! Joins what several shards measured in the same interval.

use std::{collections::BTreeMap, time::Duration};

use super::{generator::Recent, report::Interval, tally::Times};

/// Intervals that a report keeps of the measuring, and as many after its end; the
/// last has all that is left.
pub(super) const INTERVALS_MAX: usize = 3_600;

#[derive(Debug)]
pub(super) struct Collector {
    interval: Duration,
    /// Time of measuring, if that is the goal.
    duration: Option<Duration>,
    shards: usize,
    /// What not all shards have told yet: whether it is after the end, and its
    /// number.
    pending: BTreeMap<(bool, usize), Joined>,
    rows: Vec<(usize, Interval)>,
}

/// What some shards have told of one interval.
#[derive(Debug, Default)]
struct Joined {
    shards: usize,
    length: Duration,
    came: u64,
    times: Times,
}

impl Collector {
    pub(super) fn new(interval: Duration, duration: Option<Duration>, shards: usize) -> Self {
        Self {
            interval,
            duration,
            shards,
            pending: BTreeMap::new(),
            rows: Vec::new(),
        }
    }

    /// Adds one shard's part; returns the interval if that was the last one.
    pub(super) fn add(&mut self, recent: &Recent) -> Option<Interval> {
        let key = (recent.after_end, recent.number);
        let joined = self.pending.entry(key).or_default();
        joined.shards += 1;
        joined.came += recent.came;
        joined.length = joined.length.max(recent.length);
        if let Some(times) = &recent.times {
            joined.times.add(times);
        }
        if joined.shards < self.shards {
            return None;
        }
        let joined = self.pending.remove(&key)?;
        Some(self.keep(key, &joined))
    }

    fn keep(&mut self, (after_end, number): (bool, usize), joined: &Joined) -> Interval {
        let end = self.duration.filter(|_| after_end).unwrap_or_default();
        let at = end + self.interval * number as u32;
        let length = joined.length.as_secs_f64();
        let row = Interval {
            after_end,
            at_s: at.as_secs_f64(),
            length_s: length,
            rate_per_s: match length {
                0.0 => 0.0,
                length => joined.came as f64 / length,
            },
            ..Interval::of(&joined.times)
        };
        self.rows.push((number, row));
        row
    }

    /// Returns all intervals of a run that measured for so long.
    pub(super) fn into_rows(mut self, elapsed: Duration) -> Vec<Interval> {
        for (key, joined) in std::mem::take(&mut self.pending) {
            self.keep(key, &joined);
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
            .last()
            .is_some_and(|row| row.after_end && row.messages == 0)
        {
            rows.pop();
        }
        rows
    }
}

/// Returns how often to look at a run that measures for so long: some sixty
/// times, and at least once a second while that is not too often.
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
