//! Times, and what they come to.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Times up to which percentiles are exact; of more, [`SIGNIFICANT_DIGITS`] of
/// them can be relied on.
const EXACT_MAX: usize = 1_000;

/// Digits of a percentile that can be relied on; the others are exact.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Times that were measured one after the other.
#[derive(Clone, Debug)]
pub struct Times {
    /// The first of them, as they were.
    exact: Vec<Duration>,
    /// In nanoseconds.
    histogram: Histogram<u64>,
    sum: Duration,
    min: Duration,
    max: Duration,
    last: Option<Duration>,
    /// Of the differences between each and the next.
    differences: Duration,
}

/// What times come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many there were.
    pub count: u64,
    /// The shortest.
    pub min: Duration,
    /// Their mean.
    pub mean: Duration,
    /// Half of them were not longer.
    pub p50: Duration,
    /// 90 of 100 were not longer.
    pub p90: Duration,
    /// 99 of 100 were not longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// Mean of the differences between each and the next; zero if there was
    /// one alone.
    pub jitter: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            exact: Vec::new(),
            histogram: Histogram::new(SIGNIFICANT_DIGITS)
                .expect("a histogram has three significant digits"),
            sum: Duration::ZERO,
            min: Duration::MAX,
            max: Duration::ZERO,
            last: None,
            differences: Duration::ZERO,
        }
    }
}

impl Times {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // It grows to 400 kB at most, for times of centuries.
        let _ = self.histogram.record(nanoseconds);
        if self.exact.len() < EXACT_MAX {
            self.exact.push(time);
        }
        self.sum += time;
        self.min = self.min.min(time);
        self.max = self.max.max(time);
        if let Some(last) = self.last.replace(time) {
            self.differences += time.abs_diff(last);
        }
    }

    /// Returns what they come to; `None` if there are none.
    pub fn summary(&self) -> Option<Summary> {
        let count = self.histogram.len();
        self.last?;
        let mut sorted = self.exact.clone();
        sorted.sort_unstable();
        let quantile = |percent: u64| {
            if sorted.len() as u64 == count {
                // The smallest of which so many are not longer.
                let rank = (count * percent).div_ceil(100).max(1);
                return sorted[rank as usize - 1];
            }
            let share = percent as f64 / 100.0;
            let time = Duration::from_nanos(self.histogram.value_at_quantile(share));
            time.clamp(self.min, self.max)
        };
        let mean = |sum: Duration, count: u64| {
            Duration::from_nanos((sum.as_nanos() / u128::from(count.max(1))) as u64)
        };
        Some(Summary {
            count,
            min: self.min,
            mean: mean(self.sum, count),
            p50: quantile(50),
            p90: quantile(90),
            p99: quantile(99),
            max: self.max,
            jitter: mean(self.differences, count - 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(milliseconds: impl IntoIterator<Item = u64>) -> Times {
        let mut times = Times::default();
        for time in milliseconds {
            times.add(Duration::from_millis(time));
        }
        times
    }

    #[test]
    fn a_hundred_times_have_their_percentiles() {
        let summary = times(1..=100).summary().expect("there are some");
        assert_eq!(summary.count, 100);
        assert_eq!(summary.min, Duration::from_millis(1));
        assert_eq!(summary.max, Duration::from_millis(100));
        assert_eq!(summary.mean, Duration::from_micros(50_500));
        assert_eq!(summary.jitter, Duration::from_millis(1));
        for (found, expected) in [(summary.p50, 50), (summary.p90, 90), (summary.p99, 99)] {
            let expected = Duration::from_millis(expected);
            assert_eq!(found, expected, "{summary:?}");
        }
    }

    #[test]
    fn percentiles_of_many_times_are_as_exact_as_their_digits() {
        let summary = times(1..=10_000).summary().expect("there are some");
        for (found, expected) in [(summary.p50, 5_000), (summary.p99, 9_900)] {
            let expected = Duration::from_millis(expected);
            assert!(found.abs_diff(expected) <= expected / 1_000, "{summary:?}");
        }
    }

    #[test]
    fn one_time_is_everything_and_has_no_jitter() {
        let summary = times([7]).summary().expect("there is one");
        let seven = Duration::from_millis(7);
        assert_eq!(
            [
                summary.min,
                summary.mean,
                summary.p50,
                summary.p99,
                summary.max
            ],
            [seven; 5]
        );
        assert_eq!(summary.jitter, Duration::ZERO);
        assert_eq!(Times::default().summary(), None);
    }

    #[test]
    fn jitter_is_the_mean_change_from_one_to_the_next() {
        let summary = times([10, 20, 10, 20, 20])
            .summary()
            .expect("there are some");
        assert_eq!(summary.jitter, Duration::from_micros(7_500));
    }

    #[test]
    fn nothing_measured_is_too_long_or_too_short() {
        let mut times = times([]);
        times.add(Duration::ZERO);
        times.add(Duration::from_secs(365 * 24 * 60 * 60));
        let summary = times.summary().expect("there are some");
        assert_eq!(summary.min, Duration::ZERO);
        assert_eq!(summary.max.as_secs(), 365 * 24 * 60 * 60);
    }
}
