//! Clients that try two addresses of this host at once (RFC 8305), of which they keep one: both
//! attempts are one visit, of which one line tells.

use std::{
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{NamedVisit, VisitOutcome, returning::Known};
use crate::{conform::Verdict, remote::locked};

/// Time from a client's first attempt within which one at an address of the other family is its
/// own: the delay between attempts is that at the most (RFC 8305 §8).
const ATTEMPT_DELAY_MAX: Duration = Duration::from_secs(2);
/// Races that are remembered; beyond them the oldest is forgotten, whose next attempt is a visit
/// of its own.
const RACES_MAX: usize = 256;

/// The visits that may be attempts of one client.
#[derive(Default)]
pub(super) struct Racing(Mutex<Races>);

#[derive(Default)]
struct Races {
    races: Vec<Race>,
    begun: u64,
}

/// The attempts of one client.
struct Race {
    number: u64,
    known: Known,
    begun: Instant,
    /// Families of the addresses that it has tried: two attempts at one are two clients.
    has_tried: [bool; 2],
    under_way: usize,
    /// Whether an attempt waits for the client to come again, or is its coming again.
    is_awaited: bool,
    /// The worth of what was told, the best being the least.
    told: Option<u8>,
    /// The best that is not told, as a better one may come.
    held: Option<(u8, NamedVisit)>,
}

/// Number of the race of which a visit is an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RaceNumber(u64);

/// A visit that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) race: RaceNumber,
    /// Whether it is the client's first: another cannot be its coming again.
    pub(super) is_first: bool,
}

impl Racing {
    /// Notes that a client has come.
    pub(super) fn begin(&self, known: &Known, remote: IpAddr, now: Instant) -> Attempt {
        let all = &mut *locked(&self.0);
        all.races.retain(|race| {
            race.under_way > 0 || now.saturating_duration_since(race.begun) < ATTEMPT_DELAY_MAX
        });
        let family = usize::from(remote.to_canonical().is_ipv6());
        let mut races = all.races.iter_mut();
        let race = races.find(|race| {
            race.known == *known
                && !race.has_tried[family]
                && now.saturating_duration_since(race.begun) < ATTEMPT_DELAY_MAX
        });
        if let Some(race) = race {
            race.has_tried[family] = true;
            race.under_way += 1;
            return Attempt {
                race: RaceNumber(race.number),
                is_first: false,
            };
        }
        if all.races.len() == RACES_MAX {
            all.races.remove(0);
        }
        all.begun += 1;
        all.races.push(Race {
            number: all.begun,
            known: known.clone(),
            begun: now,
            has_tried: std::array::from_fn(|it| it == family),
            under_way: 1,
            is_awaited: false,
            told: None,
            held: None,
        });
        Attempt {
            race: RaceNumber(all.begun),
            is_first: true,
        }
    }

    /// Notes that an attempt is going to wait for the client to come again; tells whether it may,
    /// as one of them does at the most.
    pub(super) fn may_await(&self, number: RaceNumber) -> bool {
        let all = &mut *locked(&self.0);
        let race = all.of(number);
        race.is_none_or(|race| !std::mem::replace(&mut race.is_awaited, true))
    }

    /// Notes that an attempt is part of an earlier visit, with which it is told.
    pub(super) fn join(&self, number: RaceNumber) {
        if let Some(race) = locked(&self.0).of(number) {
            race.under_way -= 1;
            race.is_awaited = true;
            race.told = Some(0);
            race.held = None;
        }
    }

    /// Takes what came of an attempt; returns what is to be told by now. `is_whole` says that an
    /// ordinary connection came about.
    ///
    /// The better one counts: who keeps the other attempt leaves this one, which is no answer to
    /// anything.
    pub(super) fn end(
        &self,
        number: RaceNumber,
        visit: NamedVisit,
        is_whole: bool,
    ) -> Option<NamedVisit> {
        let all = &mut *locked(&self.0);
        let worth = worth(&visit.outcome, is_whole);
        let Some(race) = all.of(number) else {
            return Some(visit);
        };
        race.under_way -= 1;
        let is_better = |than: Option<u8>| than.is_none_or(|than| worth < than);
        if is_better(race.held.as_ref().map(|(held, _)| *held)) {
            race.held = Some((worth, visit));
        }
        if worth > 0 && race.under_way > 0 {
            return None;
        }
        let (worth, visit) = race.held.take()?;
        // Whoever was told of a verdict is told of no second one.
        let is_news = race
            .told
            .is_none_or(|told| told == UNDECIDED && worth < told);
        is_news.then(|| {
            race.told = Some(worth);
            visit
        })
    }
}

impl Races {
    fn of(&mut self, number: RaceNumber) -> Option<&mut Race> {
        let mut races = self.races.iter_mut();
        races.find(|race| race.number == number.0)
    }
}

/// Worth of an outcome that says nothing.
const UNDECIDED: u8 = 4;

/// Returns the worth of an outcome: 0 is the best.
fn worth(outcome: &VisitOutcome, is_whole: bool) -> u8 {
    match outcome {
        VisitOutcome::Judged(row) => match row.verdict() {
            Verdict::Pass => 0,
            Verdict::Note => 1,
            Verdict::Fail => 2,
            Verdict::Crashed => 3,
            Verdict::NotApplicable | Verdict::NotReached | Verdict::Unsteady => UNDECIDED,
        },
        VisitOutcome::Ordinary(_) if !is_whole => UNDECIDED,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::conform::{Finding, Row, requirements};

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    #[expect(clippy::disallowed_methods, reason = "a test has some time")]
    fn now() -> Instant {
        Instant::now()
    }

    fn known() -> Known {
        Known::of(V4, "c12.localhost")
    }

    fn visit(remote: IpAddr, verdict: Verdict) -> NamedVisit {
        let mut all = requirements::all();
        NamedVisit {
            remote: (remote, 1).into(),
            server_name: Some("c12.localhost".into()),
            outcome: VisitOutcome::Judged(Row {
                requirement: all.find(|row| row.id == "C12").expect("there is one"),
                finding: Finding::new(verdict, ""),
            }),
        }
    }

    /// Lets two attempts at both addresses come to these verdicts, the one that ends last being
    /// told by then; returns what is told, in its order.
    fn told(first: Verdict, last: Verdict) -> Vec<Verdict> {
        let racing = Racing::default();
        let now = now();
        let one = racing.begin(&known(), V6, now);
        let other = racing.begin(&known(), V4, now + Duration::from_millis(250));
        assert_eq!((one.is_first, other.is_first), (true, false));
        let ends = [(one, V6, first), (other, V4, last)];
        let told = ends
            .into_iter()
            .filter_map(|(it, remote, verdict)| racing.end(it.race, visit(remote, verdict), false));
        let verdicts = told.map(|visit| match visit.outcome {
            VisitOutcome::Judged(row) => row.verdict(),
            other => panic!("{other:?}"),
        });
        verdicts.collect()
    }

    #[test]
    fn of_two_attempts_the_better_is_told_and_nothing_else() {
        use Verdict::{Fail, NotReached, Note, Pass};
        for (first, last, expected) in [
            (Pass, NotReached, Pass),
            (NotReached, Pass, Pass),
            (Note, Pass, Pass),
            (Pass, Note, Pass),
            (NotReached, Fail, Fail),
            (Fail, Note, Note),
            (NotReached, NotReached, NotReached),
        ] {
            assert_eq!(told(first, last), [expected], "{first} {last}");
        }
    }

    #[test]
    fn a_second_visit_at_the_same_address_or_later_is_another_client() {
        let now = now();
        for (remote, later) in [(V4, Duration::ZERO), (V6, ATTEMPT_DELAY_MAX)] {
            let racing = Racing::default();
            let attempts = [(V4, now), (remote, now + later)]
                .map(|(remote, at)| racing.begin(&known(), remote, at));
            assert!(attempts.iter().all(|attempt| attempt.is_first));
            let told = attempts.map(|attempt| {
                let told = racing.end(attempt.race, visit(V4, Verdict::Pass), false);
                told.is_some()
            });
            assert_eq!(told, [true, true], "{remote} {later:?}");
        }
    }

    #[test]
    fn one_of_two_attempts_waits_for_the_client_to_come_again() {
        let racing = Racing::default();
        let now = now();
        let [one, other] = [V4, V6].map(|remote| racing.begin(&known(), remote, now));
        assert!(racing.may_await(one.race));
        assert!(!racing.may_await(other.race));
        let told = racing.end(other.race, visit(V6, Verdict::NotReached), false);
        assert!(told.is_none(), "{told:?}");
        let told = racing.end(one.race, visit(V4, Verdict::NotReached), false);
        assert!(told.is_some());
    }

    #[test]
    fn many_races_are_forgotten_and_not_kept() {
        let racing = Racing::default();
        let now = now();
        let known = |number: u32| Known::of(V4, &format!("c{number}.localhost"));
        let all: Vec<_> = (0..1_000)
            .map(|number| racing.begin(&known(number), V4, now))
            .collect();
        assert_eq!(locked(&racing.0).races.len(), RACES_MAX);
        // It is told all the same.
        let told = racing.end(all[0].race, visit(V4, Verdict::Pass), false);
        assert!(told.is_some());
    }
}
