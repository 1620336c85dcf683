//! Finds the highest rate that a server keeps up with, one trial after
//! another.

use super::config::RATE_MAX;

/// Trials that a search takes at most.
const TRIALS_MAX: usize = 60;

/// How close the lowest rate that was too much is to the highest that was not.
const PRECISION: f64 = 1.05;

/// Messages a second below which nobody searches.
const RATE_MIN: f64 = 1.0;

/// A search: first up or down by doubling, then between the two.
#[derive(Clone, Debug)]
pub(super) struct Search {
    next: Option<f64>,
    /// The highest rate that was not too much.
    pub(super) kept: Option<f64>,
    /// The lowest rate that was too much.
    pub(super) broken: Option<f64>,
    /// Whether `next` was too much once: one hiccup is no proof.
    is_doubted: bool,
    trials: usize,
}

impl Search {
    /// Begins at a rate.
    pub(super) fn new(start: f64) -> Self {
        Self {
            next: Some(start),
            kept: None,
            broken: None,
            is_doubted: false,
            trials: 0,
        }
    }

    /// Returns the rate to try next; `None` if it is found.
    pub(super) fn next(&self) -> Option<f64> {
        self.next.filter(|_| self.trials < TRIALS_MAX)
    }

    /// Notes what came of the trial.
    pub(super) fn note(&mut self, is_kept: bool) {
        let Some(rate) = self.next else {
            return;
        };
        self.trials += 1;
        if !is_kept && !self.is_doubted {
            self.is_doubted = true;
            return;
        }
        self.is_doubted = false;
        match is_kept {
            true => self.kept = Some(rate),
            false => self.broken = Some(rate),
        }
        self.next = match (self.kept, self.broken) {
            (Some(kept), None) if kept < RATE_MAX => Some((kept * 2.0).min(RATE_MAX)),
            (None, Some(broken)) if broken > RATE_MIN => Some((broken / 2.0).max(RATE_MIN)),
            (Some(kept), Some(broken)) if broken / kept > PRECISION => {
                Some(rounded((kept * broken).sqrt()))
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
            search.note(rate <= limit);
            trials += 1;
        }
        (search, trials)
    }

    #[test]
    fn a_limit_is_found_from_below_and_from_above() {
        for (start, limit) in [(1e3, 23_456.0), (1e5, 23_456.0), (1e3, 1e3), (1e3, 3.7)] {
            let (search, trials) = search(start, limit);
            let (kept, broken) = search.kept.zip(search.broken).expect("both were seen");
            assert!(kept <= limit && limit < broken, "{search:?}");
            assert!(broken / kept <= PRECISION, "{search:?}");
            assert!(trials <= 26, "{trials}");
        }
    }

    #[test]
    fn a_server_that_keeps_nothing_or_everything_ends_the_search() {
        let (nothing, _) = search(1e3, 0.0);
        assert_eq!((nothing.kept, nothing.broken), (None, Some(RATE_MIN)));
        let (everything, _) = search(1e3, f64::INFINITY);
        assert_eq!((everything.kept, everything.broken), (Some(RATE_MAX), None));
    }

    #[test]
    fn one_hiccup_is_no_limit() {
        let mut search = Search::new(1e3);
        let mut hiccups = [true, false, true, false].into_iter();
        while let Some(rate) = search.next() {
            let hiccup = hiccups.next().unwrap_or(false);
            search.note(rate <= 10_000.0 && !hiccup);
        }
        assert!(search.kept.is_some_and(|kept| kept > 9_500.0), "{search:?}");
    }
}
