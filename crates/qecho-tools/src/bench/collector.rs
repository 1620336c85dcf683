//! Joins what several shards measured in the same interval.

use std::{collections::BTreeMap, time::Duration};

use super::{generator::Recent, report::Interval, tally::Times};

/// Intervals that a report keeps; later ones are left out.
const INTERVALS_MAX: usize = 3_600;

#[derive(Debug)]
pub(super) struct Collector {
    interval: Duration,
    shards: usize,
    /// By number, with how many shards have told.
    pending: BTreeMap<usize, (usize, Times)>,
    rows: Vec<Interval>,
}

impl Collector {
    pub(super) fn new(interval: Duration, shards: usize) -> Self {
        Self {
            interval,
            shards,
            pending: BTreeMap::new(),
            rows: Vec::new(),
        }
    }

    /// Adds one shard's part; returns the interval if that was the last one.
    pub(super) fn add(&mut self, recent: &Recent) -> Option<Interval> {
        if recent.number >= INTERVALS_MAX {
            return None;
        }
        let (shards, times) = self.pending.entry(recent.number).or_default();
        *shards += 1;
        times.add(&recent.times);
        if *shards < self.shards {
            return None;
        }
        let (_, times) = self.pending.remove(&recent.number)?;
        let row = self.row(recent.number, &times);
        self.rows.push(row);
        Some(row)
    }

    fn row(&self, number: usize, times: &Times) -> Interval {
        let length = self.interval.as_secs_f64();
        Interval::of(times, number as f64 * length, length)
    }

    /// Returns all intervals of a run that took so long.
    pub(super) fn into_rows(mut self, elapsed: Duration) -> Vec<Interval> {
        for (number, (_, times)) in std::mem::take(&mut self.pending) {
            self.rows.push(self.row(number, &times));
        }
        self.rows
            .sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
        if let Some(last) = self.rows.last_mut() {
            let length = (elapsed.as_secs_f64() - last.at_s).clamp(0.0, last.length_s);
            if length > 0.0 {
                last.rate_per_s = last.messages as f64 / length;
                last.length_s = length;
            }
        }
        self.rows
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
