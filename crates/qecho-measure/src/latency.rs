//! Records latencies, and computes their percentiles.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Times up to which a summary's percentiles are exact; of more they have
/// [`SIGNIFICANT_DIGITS`].
const EXACT_MAX: usize = 1_000;

/// Significant digits of every percentile.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Longest time that a histogram has room for from the beginning; longer ones
/// make it grow, to 440 kB at most.
const TIME_MAX: Duration = Duration::from_secs(3_600);

/// Returns how many samples a percentile needs, which is given as a share: so many that
/// one of them may lie beyond it. The 99th percentile needs 100, the 99.9th 1,000; a
/// median says nothing of rare cases, and any sample carries it.
///
/// Of fewer samples the percentile would be their maximum under another name.
pub(crate) fn samples_min(share: f64) -> u64 {
    match share {
        ..=0.5 => 1,
        _ => (1.0 / (1.0 - share)).round() as u64,
    }
}

/// Returns an empty distribution of times in nanoseconds.
pub(crate) fn empty_histogram() -> Histogram<u64> {
    let histogram = Histogram::new_with_max(TIME_MAX.as_nanos() as u64, SIGNIFICANT_DIGITS);
    let mut histogram = histogram.expect("the bounds are constants that fit");
    histogram.auto(true);
    histogram
}

/// Recorder of times that were measured one after the other.
#[derive(Clone, Debug)]
pub struct LatencyRecorder {
    /// The first of them, as they were.
    exact: Vec<Duration>,
    /// In nanoseconds.
    histogram: Histogram<u64>,
    sum: Duration,
    min: Duration,
    max: Duration,
    last: Option<Duration>,
    /// Sum of the differences between each and the next.
    differences: Duration,
}

/// Summary of recorded times; a percentile that they are too few for is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencySummary {
    /// Number of times.
    pub count: u64,
    /// The shortest.
    pub min: Duration,
    /// Their mean.
    pub mean: Duration,
    /// The median.
    pub p50: Duration,
    /// The 90th percentile, of ten times or more.
    pub p90: Option<Duration>,
    /// The 99th percentile, of 100 times or more.
    pub p99: Option<Duration>,
    /// The longest.
    pub max: Duration,
    /// Mean of the differences between each and the next, of two times or more.
    pub jitter: Option<Duration>,
}

impl Default for LatencyRecorder {
    fn default() -> Self {
        Self {
            exact: Vec::new(),
            histogram: empty_histogram(),
            sum: Duration::ZERO,
            min: Duration::MAX,
            max: Duration::ZERO,
            last: None,
            differences: Duration::ZERO,
        }
    }
}

impl LatencyRecorder {
    /// Records a time.
    pub fn record(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.histogram
            .record(nanoseconds)
            .expect("it grows for any value");
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

    /// Adds the times of another recorder, as if they had followed these.
    pub(crate) fn add(&mut self, other: &Self) {
        self.histogram
            .add(&other.histogram)
            .expect("it grows for any value");
        let room = EXACT_MAX - self.exact.len();
        self.exact.extend(other.exact.iter().take(room));
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.last = other.last.or(self.last);
        self.differences += other.differences;
    }

    /// Returns the distribution of the times in nanoseconds, to three digits.
    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// Returns a summary of the times; `None` if there are none.
    pub fn summary(&self) -> Option<LatencySummary> {
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
        let carried = |percent: u64| {
            let is_carried = count >= samples_min(percent as f64 / 100.0);
            is_carried.then(|| quantile(percent))
        };
        let mean = |sum: Duration, count: u64| {
            Duration::from_nanos((sum.as_nanos() / u128::from(count.max(1))) as u64)
        };
        Some(LatencySummary {
            count,
            min: self.min,
            mean: mean(self.sum, count),
            p50: quantile(50),
            p90: carried(90),
            p99: carried(99),
            max: self.max,
            jitter: (count > 1).then(|| mean(self.differences, count - 1)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(milliseconds: impl IntoIterator<Item = u64>) -> LatencyRecorder {
        let mut times = LatencyRecorder::default();
        for time in milliseconds {
            times.record(Duration::from_millis(time));
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
        assert_eq!(summary.jitter, Some(Duration::from_millis(1)));
        let found = [Some(summary.p50), summary.p90, summary.p99];
        let expected = [50, 90, 99].map(Duration::from_millis).map(Some);
        assert_eq!(found, expected, "{summary:?}");
    }

    #[test]
    fn percentiles_of_many_times_are_as_exact_as_their_digits() {
        let summary = times(1..=10_000).summary().expect("there are some");
        let p99 = summary.p99.expect("there are enough");
        for (found, expected) in [(summary.p50, 5_000), (p99, 9_900)] {
            let expected = Duration::from_millis(expected);
            assert!(found.abs_diff(expected) <= expected / 1_000, "{summary:?}");
        }
    }

    #[test]
    fn one_time_is_everything_and_has_no_jitter() {
        let summary = times([7]).summary().expect("there is one");
        let LatencySummary { min, mean, p50, .. } = summary;
        let seven = Duration::from_millis(7);
        assert_eq!([min, mean, p50, summary.max], [seven; 4]);
        assert_eq!(summary.jitter, None);
        assert_eq!(LatencyRecorder::default().summary(), None);
    }

    #[test]
    fn a_percentile_is_known_once_a_time_may_lie_beyond_it() {
        for (count, has_p90, has_p99) in [
            (1, false, false),
            (9, false, false),
            (10, true, false),
            (99, true, false),
            (100, true, true),
        ] {
            let summary = times(1..=count).summary().expect("there are some");
            let found = (summary.p90.is_some(), summary.p99.is_some());
            assert_eq!(found, (has_p90, has_p99), "{summary:?}");
        }
        assert_eq!([0.999, 0.999_9].map(samples_min), [1_000, 10_000]);
    }

    #[test]
    fn jitter_is_the_mean_change_from_one_to_the_next() {
        let summary = times([10, 20, 10, 20, 20])
            .summary()
            .expect("there are some");
        assert_eq!(summary.jitter, Some(Duration::from_micros(7_500)));
    }

    #[test]
    fn nothing_measured_is_too_long_or_too_short() {
        let mut times = times([]);
        times.record(Duration::ZERO);
        times.record(Duration::from_secs(365 * 24 * 60 * 60));
        let summary = times.summary().expect("there are some");
        assert_eq!(summary.min, Duration::ZERO);
        assert_eq!(summary.max.as_secs(), 365 * 24 * 60 * 60);
    }
}
