//! When the messages of an open loop are to be sent.

use std::time::{Duration, Instant};

use super::config::Arrival;

/// Instants that do not depend on what comes back.
#[derive(Debug)]
pub(super) struct Schedule {
    arrival: Arrival,
    start: Instant,
    /// Messages so far.
    count: u64,
    /// Seconds from the start to the next message.
    next: f64,
    chance: u64,
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
            chance: seed,
        })
    }

    /// Returns when the next message is to be sent.
    pub(super) fn due(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.next)
    }

    /// Goes on to the message after the next.
    pub(super) fn advance(&mut self) {
        self.count += 1;
        self.next = match self.arrival {
            Arrival::Closed => self.next,
            // Not a sum, which would drift.
            Arrival::Constant(rate) => self.count as f64 / rate,
            Arrival::Poisson(rate) => self.next - (1.0 - self.random()).ln() / rate,
        };
    }

    /// Draws a number from 0 to 1, without 1 (SplitMix64).
    fn random(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.chance;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
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
