//! Searches the highest rate that a server sustains, one trial after
//! another.

use super::config::RATE_MAX;

/// Trials that a search takes at most.
const TRIALS_MAX: usize = 60;

/// Ratio of the lowest rate that was too much to the highest that was not, at
/// which a search ends.
const PRECISION: f64 = 1.05;

/// Lowest rate that is searched, in messages a second.
const RATE_MIN: f64 = 1.0;

/// A search: first up or down by doubling, then between the two.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    next: Option<f64>,
    /// The highest rate that was not too much.
    pub(super) passed: Option<f64>,
    /// The lowest rate that was too much.
    pub(super) failed: Option<f64>,
    /// Whether `next` was too much once: one hiccup is no proof.
    is_failed_once: bool,
    trials: usize,
}

impl Search {
    /// Begins at a rate.
    pub(super) fn new(start: f64) -> Self {
        Self {
            next: Some(start),
            ..Self::default()
        }
    }

    /// Returns the rate to try next; `None` if it is found.
    pub(super) fn next(&self) -> Option<f64> {
        self.next.filter(|_| self.trials < TRIALS_MAX)
    }

    /// Takes in the result of the trial.
    pub(super) fn record(&mut self, has_passed: bool) {
        let Some(rate) = self.next else {
            return;
        };
        self.trials += 1;
        if !has_passed && !self.is_failed_once {
            self.is_failed_once = true;
            return;
        }
        self.is_failed_once = false;
        match has_passed {
            true => self.passed = Some(rate),
            false => self.failed = Some(rate),
        }
        self.next = match (self.passed, self.failed) {
            (Some(passed), None) if passed < RATE_MAX => Some((passed * 2.0).min(RATE_MAX)),
            (None, Some(failed)) if failed > RATE_MIN => Some((failed / 2.0).max(RATE_MIN)),
            (Some(passed), Some(failed)) if failed / passed > PRECISION => {
                Some(rounded((passed * failed).sqrt()))
            }
            _ => None,
        };
    }
}

/// Rounds to three digits, which lie closer than the precision.
fn rounded(rate: f64) -> f64 {
    let digit = 10_f64.powf(rate.log10().floor() - 2.0);
    (rate / digit).round() * digit
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a server that keeps up to `limit`; returns what was found and
    /// the trials.
    fn search(start: f64, limit: f64) -> (Search, usize) {
        let mut search = Search::new(start);
        let mut trials = 0;
        while let Some(rate) = search.next() {
            search.record(rate <= limit);
            trials += 1;
        }
        (search, trials)
    }

    #[test]
    fn a_limit_is_found_from_below_and_from_above() {
        for (start, limit) in [(1e3, 23_456.0), (1e5, 23_456.0), (1e3, 1e3), (1e3, 3.7)] {
            let (search, trials) = search(start, limit);
            let (passed, failed) = search.passed.zip(search.failed).expect("both were seen");
            assert!(passed <= limit && limit < failed, "{search:?}");
            assert!(failed / passed <= PRECISION, "{search:?}");
            assert!(trials <= 26, "{trials}");
        }
    }

    #[test]
    fn a_server_that_keeps_nothing_or_everything_ends_the_search() {
        let (nothing, _) = search(1e3, 0.0);
        assert_eq!((nothing.passed, nothing.failed), (None, Some(RATE_MIN)));
        let (all, _) = search(1e3, f64::INFINITY);
        assert_eq!((all.passed, all.failed), (Some(RATE_MAX), None));
    }

    #[test]
    fn one_hiccup_is_no_limit() {
        let mut search = Search::new(1e3);
        let mut hiccups = [true, false, true, false].into_iter();
        while let Some(rate) = search.next() {
            let hiccup = hiccups.next().unwrap_or(false);
            search.record(rate <= 10_000.0 && !hiccup);
        }
        let is_near = search.passed.is_some_and(|passed| passed > 9_500.0);
        assert!(is_near, "{search:?}");
    }
}
