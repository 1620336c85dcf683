//! Send times of an open loop's messages.

use std::time::{Duration, Instant};

use super::{config::Arrival, rng::Rng};

/// Send times that do not depend on what comes back.
#[derive(Debug)]
pub(super) struct Schedule {
    arrival: Arrival,
    start: Instant,
    /// Messages so far.
    count: u64,
    /// Seconds from the start to the next message.
    next: f64,
    rng: Rng,
}

impl Schedule {
    /// Starts a schedule; a closed loop has none.
    pub(super) fn new(arrival: Arrival, start: Instant, seed: u64) -> Option<Self> {
        arrival.rate()?;
        Some(Self {
            arrival,
            start,
            count: 0,
            next: 0.0,
            rng: Rng::new(seed),
        })
    }

    /// Returns the send time of the next message.
    pub(super) fn due(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.next)
    }

    /// Returns the send time of the next message if it is not after `until`, and
    /// goes on to the one after it.
    pub(super) fn pop_due(&mut self, until: Instant) -> Option<Instant> {
        let due = self.due();
        if due > until {
            return None;
        }
        self.advance();
        Some(due)
    }

    fn advance(&mut self) {
        self.count += 1;
        self.next = match self.arrival {
            Arrival::Closed => self.next,
            // Not a sum, which would drift.
            Arrival::Constant(rate) => self.count as f64 / rate,
            Arrival::Poisson(rate) => self.next - (1.0 - self.rng.share()).ln() / rate,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "time begins somewhere")]
    fn instants(arrival: Arrival, count: usize) -> Vec<f64> {
        let start = Instant::now();
        let mut schedule = Schedule::new(arrival, start, 7).expect("it is an open loop");
        let mut next = || {
            let due = schedule.due();
            schedule.advance();
            (due - start).as_secs_f64()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_constant_rate_has_equal_intervals_and_does_not_drift() {
        let instants = instants(Arrival::Constant(3_000.0), 30_001);
        assert_eq!(instants[0], 0.0);
        assert!((instants[30_000] - 10.0).abs() < 1e-6);
        assert!((instants[1] - 1.0 / 3_000.0).abs() < 1e-6);
    }

    #[test]
    fn poisson_arrivals_have_the_rate_on_average_and_its_spread() {
        let instants = instants(Arrival::Poisson(1_000.0), 100_001);
        let last = instants[100_000];
        assert!((last - 100.0).abs() < 2.0, "{last}");
        let gaps = instants.windows(2).map(|pair| pair[1] - pair[0]);
        // Of an exponential distribution 1/e is above the mean.
        let above = gaps.filter(|gap| *gap > 1e-3).count();
        assert!((36_000..37_600).contains(&above), "{above}");
    }

    #[test]
    fn a_closed_loop_has_no_schedule() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        assert!(Schedule::new(Arrival::Closed, now, 0).is_none());
    }
}
