//! Bursts: whether datagrams are lost when several are sent at once.

use std::time::Duration;

use super::{measure, volley::Volley};
use crate::doctor::{
    Cause, Finding, RungReport,
    reached::{Connection, Reached},
};

/// Datagrams of the bursts, one burst after another.
pub(super) const LADDER: [usize; 3] = [8, 16, 32];
/// Datagrams that any way has to carry at once: the first flight (RFC 9002 §7.2, §7.7).
const FLIGHT: usize = 10;
/// Time after which a limit of rate is forgotten.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_LONG: Duration = Duration::from_secs(1);
/// Datagrams of a burst that looks into a loss, at most.
const REPEATED_MAX: usize = 32;
/// Bursts before the paced datagrams, and behind them.
const REPEATS: usize = 2;
/// Time that a datagram takes on a link that is called slow: 5 Mbit/s.
const SERVICE: Duration = Duration::from_millis(2);
/// Positions by which the end of what passes may differ from burst to burst.
const JITTER: usize = 2;

/// All bursts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bursts {
    pub(super) ladder: Vec<Volley>,
    /// Bursts of one size, after one of the ladder lost some.
    pub(super) repeated: Vec<Volley>,
    /// As many datagrams, one by one.
    pub(super) paced: Option<Volley>,
}

/// Tells whether so many are lost that it is worth another look: a quarter, and three.
fn is_odd(burst: &Volley) -> bool {
    burst.lost() >= (burst.arrived.len() / 4).max(3)
}

/// Sends bursts of growing size, and looks into the first that loses some.
pub(super) fn observe(
    reached: &mut Reached<'_>,
    connection: &mut Connection,
    ladder: &[usize],
    is_challenged: bool,
) -> Option<Bursts> {
    let mut bursts = Bursts::default();
    for size in ladder {
        let burst = measure(reached, connection, *size, Duration::ZERO, is_challenged)?;
        let (is_odd, has_limit) = (is_odd(&burst), burst.passed() < FLIGHT);
        bursts.ladder.push(burst);
        if is_odd && has_limit {
            repeat(
                reached,
                connection,
                (2 * size).min(REPEATED_MAX),
                is_challenged,
                &mut bursts,
            )?;
        }
        if is_odd {
            break;
        }
        if ladder.len() > 1 {
            connection.probe.settle(PAUSE);
        }
    }
    Some(bursts)
}

fn repeat(
    reached: &mut Reached<'_>,
    connection: &mut Connection,
    size: usize,
    is_challenged: bool,
    bursts: &mut Bursts,
) -> Option<()> {
    for round in 0..=REPEATS {
        connection.probe.settle(PAUSE_LONG);
        if round == REPEATS / 2 {
            bursts.paced = Some(measure(reached, connection, size, PAUSE, is_challenged)?);
            connection.probe.settle(PAUSE_LONG);
        }
        if round < REPEATS || bursts.repeated.iter().all(is_odd) {
            let burst = measure(reached, connection, size, Duration::ZERO, is_challenged)?;
            bursts.repeated.push(burst);
        }
    }
    Some(())
}

impl Bursts {
    pub(super) fn report(&self, rung: &mut RungReport) {
        let whole = self.ladder.iter().filter(|burst| burst.lost() == 0);
        let largest = whole.map(|burst| burst.arrived.len()).max().unwrap_or(0);
        let words = match self.ladder.iter().find(|burst| is_odd(burst)) {
            Some(odd) => format!("of {} at once arrive {}", odd.arrived.len(), odd.passed()),
            None => format!("{largest} datagrams at once all arrive"),
        };
        rung.say(words);
        rung.fact("burst_passed", largest);
        let of = |burst: &Volley| vec![burst.arrived.len(), burst.passed()];
        rung.fact("bursts", self.ladder.iter().map(of).collect::<Vec<_>>());
    }

    /// Returns the number of datagrams that pass at once, if it is the same in burst after burst.
    fn limit(&self) -> Option<usize> {
        let mut arrived: Vec<_> = self.repeated.iter().map(Volley::passed).collect();
        arrived.sort_unstable();
        let limit = *arrived.get(arrived.len() / 2)?;
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        for burst in &self.repeated {
            before.extend(burst.arrived.iter().take(limit.saturating_sub(JITTER)));
            behind.extend(burst.arrived.iter().skip(limit + JITTER));
        }
        // Chance takes from both parts alike.
        let passed = |part: &[bool]| part.iter().filter(|it| **it).count();
        let is_clear = 5 * (before.len() - passed(&before)) <= before.len()
            && 10 * passed(&behind) <= behind.len();
        (is_clear && behind.len() >= 3 * self.repeated.len()).then_some(limit)
    }

    /// Tells whether those that pass leave a slow link one after the other, so that it is its queue
    /// that holds no more.
    fn is_queued(&self) -> bool {
        // Without two answers nobody knows, so nobody is accused.
        if self.repeated.iter().all(|it| it.round_trips.len() < 2) {
            return true;
        }
        let is_spread = |burst: &&Volley| {
            let times = &burst.round_trips;
            let (least, most) = (times.iter().min(), times.iter().max());
            let spread = most.zip(least).map(|(most, least)| *most - *least);
            let gaps = u32::try_from(times.len()).unwrap_or(u32::MAX).max(2) - 1;
            spread > Some(SERVICE * gaps)
        };
        2 * self.repeated.iter().filter(is_spread).count() > self.repeated.len()
    }
}

/// Judges bursts: a policer takes the end of each, and nothing of what is sent one by one.
pub(super) fn judge(bursts: &Bursts) -> Option<Finding> {
    let paced = bursts.paced.as_ref()?;
    let limit = bursts.limit()?;
    let is_repeated = bursts.repeated.len() > REPEATS && bursts.repeated.iter().all(is_odd);
    let passes_paced = 8 * paced.lost() <= paced.arrived.len();
    let local: u64 = bursts.repeated.iter().map(|it| it.local.sent).sum();
    if !is_repeated || !passes_paced || local > 0 || limit >= FLIGHT || bursts.is_queued() {
        return None;
    }
    let all = bursts.repeated.iter();
    let bursts = all.map(|burst| {
        let (of, arrived) = (burst.arrived.len(), burst.passed());
        format!("of {of} datagrams at once arrive {arrived}, and those behind them do not")
    });
    let paced = format!(
        "of {} datagrams, one each {} ms, arrive {}",
        paced.arrived.len(),
        PAUSE.as_millis(),
        paced.passed()
    );
    let alike = "a short queue before a fast link, or a server whose socket buffer holds no more, \
                 looks alike";
    Some(
        Finding::new(
            Cause::Policer,
            format!("Datagrams are dropped when more than {limit} are sent at once."),
            "Give the policer on the way room for ten datagrams at least (RFC 9002 §7.2), or shape \
             instead; the server can be told to pace.",
        )
        .with_evidence(bursts.take(REPEATS))
        .with_evidence([paced])
        .with_evidence([alike]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(arrived: Vec<bool>) -> Volley {
        Volley {
            arrived,
            ..Volley::default()
        }
    }

    fn first(arrived: usize, of: usize) -> Volley {
        let outcomes = (0..of).map(|position| position < arrived);
        Volley {
            round_trips: vec![Duration::from_millis(20); arrived],
            ..burst(outcomes.collect())
        }
    }

    #[test]
    fn a_policer_is_named_only_where_the_end_of_each_burst_is_lost_and_nothing_when_paced() {
        let policed = Bursts {
            ladder: vec![first(4, 4), first(5, 8)],
            repeated: vec![first(5, 16), first(6, 16), first(5, 16)],
            paced: Some(first(16, 16)),
        };
        let with = |change: &dyn Fn(&mut Bursts)| {
            let mut bursts = policed.clone();
            change(&mut bursts);
            judge(&bursts).is_some()
        };
        assert!(with(&|_| {}));
        assert!(!with(&|it| it.paced = None));
        assert!(!with(&|it| it.paced = Some(first(11, 16))));
        assert!(!with(&|it| it.repeated[0].local.sent = 1));
        assert!(!with(&|it| it.repeated.truncate(2)));
        assert!(!with(&|it| it.repeated[1] = first(16, 16)));
        // They come one after the other.
        let spread = [50, 60, 70, 80, 90].map(Duration::from_millis);
        assert!(!with(&|it| {
            for burst in &mut it.repeated {
                burst.round_trips = spread.to_vec();
            }
        }));
        // Nobody knows how they come.
        assert!(!with(&|it| {
            for burst in &mut it.repeated {
                burst.round_trips.clear();
            }
        }));
        // More than a first flight.
        assert!(!with(&|it| it.repeated = vec![first(20, 32); 3]));
        // Every third, wherever it is.
        let chance = burst((0..16).map(|position| position % 3 > 0).collect());
        assert!(!with(&|it| it.repeated = vec![chance.clone(); 3]));
    }
}
