//! A model of a network path, which decides what becomes of each datagram that is sent.
//!
//! The simulator drives it on virtual time; the same model on real sockets
//! makes a bad network out of a good one.

mod bottleneck;
mod condition_changes;
mod conditions;
mod delay_queue;
mod marking;
mod policer;

use std::time::Instant;

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use self::{bottleneck::Bottleneck, policer::Policer};
pub use self::{
    condition_changes::{
        BURST_MAX, ConditionChanges, ConditionError, MTU_MAX, POLICE_MAX, QUEUE_MAX, RATE_MAX,
        TIME_MAX, read_time,
    },
    conditions::{Blackhole, Conditions, HELD_BACK, QUEUE},
    delay_queue::DelayQueue,
    marking::Marking,
    policer::Police,
};

/// Counts of datagrams by what a link did to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Given to the link.
    pub sent: u64,
    /// Vanished for their numbers.
    pub dropped: u64,
    /// Vanished by chance.
    pub lost: u64,
    /// Vanished because they were too long.
    pub too_long: u64,
    /// Vanished while nothing passed.
    pub blackholed: u64,
    /// Vanished because they came faster than a policer allows.
    pub policed: u64,
    /// Vanished because too many waited for the rate.
    pub queue_full: u64,
    /// Overtook a predecessor, or was held back for others to overtake it.
    pub reordered: u64,
    /// Arrived twice.
    pub duplicated: u64,
    /// Arrived changed.
    pub corrupted: u64,
    /// Arrived with other ECN bits.
    pub remarked: u64,
}

impl Counts {
    /// Returns how many datagrams come out of the link, copies included.
    pub fn arriving(&self) -> u64 {
        let by_rule = self.dropped + self.too_long + self.blackholed + self.policed;
        self.sent - by_rule - self.lost - self.queue_full + self.duplicated
    }
}

/// One direction of a path.
#[derive(Debug)]
pub struct Link {
    conditions: Conditions,
    counts: Counts,
    random: StdRng,
    /// Arrival of the latest datagram that kept its place.
    latest: Option<Instant>,
    bottleneck: Bottleneck,
    policer: Policer,
    /// Datagrams that the burst of loss under way will still take.
    burst_left: u32,
    /// Beginning of the time that blackholes are counted from.
    began: Option<Instant>,
}

impl Link {
    /// Makes a link whose chances are drawn from `seed`.
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            counts: Counts::default(),
            random: StdRng::seed_from_u64(seed),
            latest: None,
            bottleneck: Bottleneck::default(),
            policer: Policer::default(),
            burst_left: 0,
            began: None,
        }
    }

    /// Begins the time of which blackholes take their share; without this the
    /// first datagram begins it.
    pub fn begin(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// Changes the conditions for what is sent from now on.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
        self.burst_left = 0;
    }

    /// Returns what was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Sends a datagram that is not ECN-capable at `now`; `deliver` is called for each copy that
    /// arrives, with the instant at which it does.
    pub fn send(
        &mut self,
        now: Instant,
        datagram: Vec<u8>,
        mut deliver: impl FnMut(Instant, Vec<u8>),
    ) {
        self.send_marked(now, 0, datagram, |at, _, datagram| deliver(at, datagram));
    }

    /// Sends a datagram with these ECN bits at `now`; `deliver` is called for each copy that
    /// arrives, with the instant at which it does and its ECN bits.
    pub fn send_marked(
        &mut self,
        now: Instant,
        mut ecn: u8,
        mut datagram: Vec<u8>,
        mut deliver: impl FnMut(Instant, u8, Vec<u8>),
    ) {
        self.begin(now);
        self.counts.sent += 1;
        let number = self.counts.sent;
        if matches!(&self.conditions.drop, Some(drop) if drop.contains(&number)) {
            self.counts.dropped += 1;
            return;
        }
        if datagram.len() > self.conditions.mtu {
            self.counts.too_long += 1;
            return;
        }
        if self.is_blackholed(now) {
            self.counts.blackholed += 1;
            return;
        }
        if self.is_lost() {
            self.counts.lost += 1;
            return;
        }
        if matches!(self.conditions.police, Some(police) if !self.policer.pass(now, police)) {
            self.counts.policed += 1;
            return;
        }
        let Some(sent) = self.pass_bottleneck(now, datagram.len()) else {
            self.counts.queue_full += 1;
            return;
        };
        if self.chance(self.conditions.corrupt) && !datagram.is_empty() {
            self.counts.corrupted += 1;
            let position = self.random.random_range(0..datagram.len());
            datagram[position] ^= 1 << self.random.random_range(0..8);
        }
        if let Some(marking) = self.conditions.ecn {
            let sent = ecn;
            ecn = marking.apply(sent);
            self.counts.remarked += u64::from(sent != ecn);
        }
        let at = self.arrival(sent);
        if self.chance(self.conditions.duplicate) {
            self.counts.duplicated += 1;
            deliver(at, ecn, datagram.clone());
        }
        deliver(at, ecn, datagram);
    }

    fn is_blackholed(&self, now: Instant) -> bool {
        let Some(blackhole) = self.conditions.blackhole else {
            return false;
        };
        let elapsed = self.began.map(|began| now.saturating_duration_since(began));
        blackhole.is_closed(elapsed.unwrap_or_default())
    }

    fn is_lost(&mut self) -> bool {
        if self.burst_left > 0 {
            self.burst_left -= 1;
            return true;
        }
        let begins = self.chance(self.conditions.burst_chance());
        if begins {
            self.burst_left = self.conditions.burst.saturating_sub(1);
        }
        begins
    }

    /// Returns when a datagram has been sent; `None` if the queue is full.
    fn pass_bottleneck(&mut self, now: Instant, length: usize) -> Option<Instant> {
        match self.conditions.rate {
            None => Some(now),
            Some(rate) => self
                .bottleneck
                .send(now, length, rate, self.conditions.queue),
        }
    }

    fn arrival(&mut self, sent: Instant) -> Instant {
        let earliest = sent + self.conditions.delay;
        let extra = self.conditions.jitter.mul_f64(self.random.random::<f64>());
        if self.chance(self.conditions.reorder) {
            if self.latest.is_some_and(|at| at > earliest) {
                self.counts.reordered += 1;
                return earliest;
            }
            if self.conditions.jitter.is_zero() {
                self.counts.reordered += 1;
                return earliest + HELD_BACK;
            }
        }
        let at = (earliest + extra).max(self.latest.unwrap_or(earliest));
        self.latest = Some(at);
        at
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.random::<f64>() < share
    }

    /// Draws a random number from the same seed.
    pub fn draw(&mut self) -> u64 {
        self.random.next_u64()
    }
}

/// Draws a seed that is short enough to be typed again.
pub fn random_seed() -> u64 {
    rand::random::<u32>().into()
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU64, time::Duration};

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

    fn numbers(arrived: &[(Instant, u64)]) -> Vec<u64> {
        arrived.iter().map(|(_, number)| *number).collect()
    }

    #[test]
    fn a_perfect_link_delivers_everything_at_once_and_in_order() {
        let (arrived, counts) = arrivals(Conditions::default(), 100);
        assert_eq!(numbers(&arrived), (0..100).collect::<Vec<_>>());
        assert_eq!((counts.sent, counts.lost), (100, 0));
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
        let left = counts.sent - counts.lost + counts.duplicated;
        assert_eq!(arrived.len() as u64, left);
    }

    #[test]
    fn jitter_alone_keeps_the_order_and_reordering_breaks_it() {
        let jittery = Conditions {
            jitter: Duration::from_millis(20),
            ..Conditions::default()
        };
        assert!(numbers(&arrivals(jittery.clone(), 1_000).0).is_sorted());
        let shaken = Conditions {
            reorder: 0.1,
            ..jittery
        };
        let (arrived, counts) = arrivals(shaken, 1_000);
        assert!(!numbers(&arrived).is_sorted());
        assert!(counts.reordered > 0);
    }

    #[test]
    fn without_jitter_reordering_holds_datagrams_back() {
        let conditions = Conditions {
            reorder: 0.1,
            ..Conditions::default()
        };
        let (arrived, counts) = arrivals(conditions, 1_000);
        assert!(!numbers(&arrived).is_sorted());
        assert!((70..130).contains(&counts.reordered), "{counts:?}");
        assert_eq!(arrived.len(), 1_000);
    }

    #[test]
    fn bursts_take_their_datagrams_in_a_row_and_no_more_than_the_share() {
        let conditions = Conditions {
            loss: 0.06,
            burst: 3,
            ..Conditions::default()
        };
        let (arrived, counts) = arrivals(conditions, 50_000);
        assert!((2_700..3_300).contains(&counts.lost), "{counts:?}");
        let gaps = arrived.windows(2).map(|pair| pair[1].1 - pair[0].1 - 1);
        for gap in gaps {
            assert_eq!(gap % 3, 0, "bursts may follow one another, but are whole");
        }
    }

    #[test]
    fn the_rate_spaces_datagrams_and_the_queue_takes_only_so_many() {
        let start = start();
        // A datagram of 1,000 bytes takes 8 ms.
        let conditions = Conditions {
            rate: NonZeroU64::new(1_000_000),
            queue: 3,
            delay: Duration::from_millis(20),
            ..Conditions::default()
        };
        let mut link = Link::new(conditions, 1);
        let mut arrived = Vec::new();
        for _ in 0..10 {
            link.send(start, vec![0; 1_000], |at, _| arrived.push(at - start));
        }
        assert_eq!(arrived, [28, 36, 44, 52].map(Duration::from_millis));
        assert_eq!(link.counts().queue_full, 6);
        // One has been sent, so that one more may wait.
        let now = start + Duration::from_millis(8);
        link.send(now, vec![0; 500], |at, _| arrived.push(at - start));
        link.send(now, vec![0; 500], |at, _| arrived.push(at - start));
        assert_eq!(arrived[4..], [Duration::from_millis(56)]);
        // After a pause nobody waits.
        let now = start + Duration::from_secs(1);
        link.send(now, vec![0; 1_000], |at, _| arrived.push(at - start));
        assert_eq!(arrived[5], Duration::from_millis(1_028));
        let counts = link.counts();
        assert_eq!((counts.sent, counts.queue_full), (13, 7));
        assert_eq!(counts.arriving(), arrived.len() as u64);
    }

    #[test]
    fn a_blackhole_swallows_all_while_it_is_closed() {
        let blackhole = Blackhole {
            open: Duration::from_millis(50),
            closed: Duration::from_millis(20),
        };
        let conditions = Conditions {
            blackhole: Some(blackhole),
            ..Conditions::default()
        };
        let (arrived, counts) = arrivals(conditions, 140);
        assert_eq!(counts.blackholed, 40);
        assert!(arrived.iter().all(|(_, number)| number % 70 < 50));
    }

    #[test]
    fn what_is_too_long_vanishes_and_the_longest_that_fits_passes() {
        let conditions = Conditions {
            mtu: 1_280,
            ..Conditions::default()
        };
        let mut link = Link::new(conditions, 1);
        let mut arrived = Vec::new();
        for length in [1_279, 1_280, 1_281, 60_000] {
            link.send(start(), vec![0; length], |_, data| arrived.push(data.len()));
        }
        assert_eq!(arrived, [1_279, 1_280]);
        assert_eq!(link.counts().too_long, 2);
    }

    #[test]
    fn what_is_dropped_by_its_number_is_no_loss_by_chance() {
        let conditions = Conditions {
            drop: Some(2..=7),
            ..Conditions::default()
        };
        let (arrived, counts) = arrivals(conditions, 10);
        assert_eq!(numbers(&arrived), [0, 7, 8, 9]);
        assert_eq!((counts.dropped, counts.lost, counts.arriving()), (6, 0, 4));
    }

    #[test]
    fn a_policer_drops_what_comes_in_bursts_and_nothing_of_what_is_paced() {
        let conditions = |per| Conditions {
            police: Some(Police {
                datagrams: 5,
                per: Duration::from_millis(per),
            }),
            ..Conditions::default()
        };
        let (paced, counts) = arrivals(conditions(5), 1_000);
        assert_eq!((paced.len(), counts.policed), (1_000, 0));
        let mut link = Link::new(conditions(1_000), 1);
        let (now, mut arrived) = (start(), Vec::new());
        for number in 0..64 {
            link.send(now, vec![number], |at, data| arrived.push((at, data[0])));
        }
        assert_eq!(arrived, [0, 1, 2, 3, 4].map(|number| (now, number)));
        let counts = link.counts();
        assert_eq!((counts.policed, counts.arriving()), (59, 5));
    }

    #[test]
    fn ecn_bits_pass_unless_they_are_changed_and_each_change_is_counted() {
        for (ecn, expected, remarked) in [
            (None, [0, 1, 2, 3], 0),
            (Some(Marking::Clear), [0, 0, 0, 0], 3),
            (Some(Marking::Ce), [0, 3, 3, 3], 2),
            (Some(Marking::Ect1), [0, 1, 1, 3], 1),
        ] {
            let conditions = Conditions {
                ecn,
                ..Conditions::default()
            };
            let (mut link, mut arrived) = (Link::new(conditions, 1), Vec::new());
            for sent in 0..4 {
                link.send_marked(start(), sent, vec![0], |_, ecn, _| arrived.push(ecn));
            }
            assert_eq!(arrived, expected);
            assert_eq!(link.counts().remarked, remarked);
        }
    }

    #[test]
    fn a_seed_repeats_everything() {
        let conditions = Conditions {
            loss: 0.05,
            burst: 2,
            jitter: Duration::from_millis(3),
            reorder: 0.05,
            duplicate: 0.05,
            rate: NonZeroU64::new(100_000),
            queue: 5,
            ..Conditions::default()
        };
        let (arrived, counts) = arrivals(conditions.clone(), 2_000);
        let (again, counts_again) = arrivals(conditions, 2_000);
        assert_eq!(counts, counts_again);
        assert_eq!(numbers(&arrived), numbers(&again));
    }
}
