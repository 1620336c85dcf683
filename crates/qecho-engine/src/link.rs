//! A model of a network path: what becomes of each datagram that is sent.
//!
//! The simulator drives it on virtual time; the same model on real sockets
//! makes a bad network out of a good one.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

/// How bad one direction of a path is. The default is perfect.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// Time that every datagram takes.
    pub delay: Duration,
    /// Largest extra time, drawn evenly; datagrams keep their order unless
    /// they are reordered.
    pub jitter: Duration,
    /// Share of datagrams that vanish, 0 to 1.
    pub loss: f64,
    /// Share of datagrams that overtake their predecessors, 0 to 1.
    pub reorder: f64,
    /// Share of datagrams that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Share of datagrams of which one byte arrives changed, 0 to 1.
    pub corrupt: f64,
    /// Largest UDP payload that passes; longer ones vanish.
    pub mtu: usize,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            reorder: 0.0,
            duplicate: 0.0,
            corrupt: 0.0,
            mtu: usize::MAX,
        }
    }
}

/// What a link did to the datagrams it was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Given to the link.
    pub sent: u64,
    /// Vanished by chance.
    pub lost: u64,
    /// Vanished because they were too long.
    pub too_long: u64,
    /// Overtook a predecessor.
    pub reordered: u64,
    /// Arrived twice.
    pub duplicated: u64,
    /// Arrived changed.
    pub corrupted: u64,
}

/// One direction of a path.
#[derive(Debug)]
pub struct Link {
    conditions: Conditions,
    counts: Counts,
    random: StdRng,
    /// Arrival of the latest datagram that kept its place.
    latest: Option<Instant>,
}

impl Link {
    /// Makes a link whose chances are drawn from `seed`.
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            counts: Counts::default(),
            random: StdRng::seed_from_u64(seed),
            latest: None,
        }
    }

    /// Changes the conditions for what is sent from now on.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Returns what was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Sends a datagram at `now`; `deliver` is called for each copy that
    /// arrives, with the instant at which it does.
    pub fn send(
        &mut self,
        now: Instant,
        mut datagram: Vec<u8>,
        mut deliver: impl FnMut(Instant, Vec<u8>),
    ) {
        self.counts.sent += 1;
        if datagram.len() > self.conditions.mtu {
            self.counts.too_long += 1;
            return;
        }
        if self.chance(self.conditions.loss) {
            self.counts.lost += 1;
            return;
        }
        if self.chance(self.conditions.corrupt) && !datagram.is_empty() {
            self.counts.corrupted += 1;
            let position = self.random.random_range(0..datagram.len());
            datagram[position] ^= 1 << self.random.random_range(0..8);
        }
        let at = self.arrival(now);
        if self.chance(self.conditions.duplicate) {
            self.counts.duplicated += 1;
            deliver(at, datagram.clone());
        }
        deliver(at, datagram);
    }

    fn arrival(&mut self, now: Instant) -> Instant {
        let earliest = now + self.conditions.delay;
        let extra = self.conditions.jitter.mul_f64(self.random.random::<f64>());
        if self.chance(self.conditions.reorder) && self.latest.is_some_and(|at| at > earliest) {
            self.counts.reordered += 1;
            return earliest;
        }
        let at = (earliest + extra).max(self.latest.unwrap_or(earliest));
        self.latest = Some(at);
        at
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.random::<f64>() < share
    }

    /// Draws a number, for whoever drives the link by the same seed.
    pub fn draw(&mut self) -> u64 {
        self.random.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn start() -> Instant {
        Instant::now()
    }

    fn arrivals(conditions: Conditions, count: u64) -> (Vec<(Instant, u64)>, Counts) {
        let start = start();
        let mut link = Link::new(conditions, 1);
        let mut arrived = Vec::new();
        for number in 0..count {
            let now = start + Duration::from_millis(number);
            link.send(now, number.to_be_bytes().to_vec(), |at, datagram| {
                let number = u64::from_be_bytes(datagram.try_into().expect("eight bytes"));
                arrived.push((at, number));
            });
        }
        arrived.sort();
        (arrived, link.counts())
    }

    #[test]
    fn a_perfect_link_delivers_everything_at_once_and_in_order() {
        let (arrived, counts) = arrivals(Conditions::default(), 100);
        let numbers: Vec<u64> = arrived.iter().map(|(_, number)| *number).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        assert_eq!(counts.sent, 100);
        assert_eq!(counts.lost, 0);
    }

    #[test]
    fn loss_and_duplicates_come_near_their_shares_and_add_up() {
        let conditions = Conditions {
            loss: 0.2,
            duplicate: 0.1,
            ..Conditions::default()
        };
        let (arrived, counts) = arrivals(conditions, 10_000);
        assert!((1_800..2_200).contains(&counts.lost), "{counts:?}");
        assert!((700..900).contains(&counts.duplicated), "{counts:?}");
        assert_eq!(
            arrived.len() as u64,
            counts.sent - counts.lost + counts.duplicated
        );
    }

    #[test]
    fn jitter_alone_keeps_the_order_and_reordering_breaks_it() {
        let jittery = Conditions {
            jitter: Duration::from_millis(20),
            ..Conditions::default()
        };
        let in_order = |arrived: &[(Instant, u64)]| arrived.is_sorted_by_key(|(_, number)| *number);
        assert!(in_order(&arrivals(jittery.clone(), 1_000).0));
        let (arrived, counts) = arrivals(
            Conditions {
                reorder: 0.1,
                ..jittery
            },
            1_000,
        );
        assert!(!in_order(&arrived));
        assert!(counts.reordered > 0);
    }
}
