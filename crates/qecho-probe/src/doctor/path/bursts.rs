//! Bursts: whether datagrams are lost when several are sent at once.

use std::time::Duration;

use qecho_packet::wire::Frame;
use qecho_peer::packet::one_rtt;

use super::DATAGRAM_SIZE;
use crate::doctor::{Cause, Finding, RungReport, reached::Connection};

/// Datagrams of the bursts, one burst after another.
pub(super) const LADDER: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Datagrams that any way has to carry at once: the first flight (RFC 9002 §7.2, §7.7).
const FLIGHT: usize = 10;
/// Time after which a limit of rate is forgotten.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_LONG: Duration = Duration::from_secs(1);
/// Datagrams of a burst that looks into a loss, at most.
const REPEATED_MAX: usize = 32;
/// Bursts before the paced datagrams, and behind them.
const REPEATS: usize = 2;
/// Positions by which the end of what passes may differ from burst to burst.
const JITTER: usize = 2;

/// Datagrams that were sent at once or one by one: which of them arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Burst(pub(super) Vec<bool>);

impl Burst {
    pub(super) fn arrived(&self) -> usize {
        self.0.iter().filter(|has_arrived| **has_arrived).count()
    }

    fn lost(&self) -> usize {
        self.0.len() - self.arrived()
    }

    /// Tells whether so many are lost that it is worth another look: a quarter, and three.
    fn is_odd(&self) -> bool {
        self.lost() >= (self.0.len() / 4).max(3)
    }
}

/// All bursts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bursts {
    pub(super) ladder: Vec<Burst>,
    /// Bursts of one size, after one of the ladder lost some.
    pub(super) repeated: Vec<Burst>,
    /// As many datagrams, one by one.
    pub(super) paced: Option<Burst>,
    /// Datagrams that this host has dropped itself.
    pub(super) dropped: u64,
}

/// Sends bursts of growing size, and looks into the first that loses some.
pub(super) fn observe(connection: &mut Connection, ladder: &[usize]) -> Option<Bursts> {
    let notes = connection.notes.len();
    let mut bursts = Bursts::default();
    for size in ladder {
        let burst = send(connection, *size, Duration::ZERO)?;
        let is_odd = burst.is_odd();
        bursts.ladder.push(burst);
        if is_odd {
            repeat(connection, (2 * size).min(REPEATED_MAX), &mut bursts)?;
            break;
        }
        if ladder.len() > 1 {
            connection.probe.settle(PAUSE);
        }
    }
    bursts.dropped = connection.unsent_since(notes) as u64;
    Some(bursts)
}

fn repeat(connection: &mut Connection, size: usize, bursts: &mut Bursts) -> Option<()> {
    for round in 0..=REPEATS {
        connection.probe.settle(PAUSE_LONG);
        if round == REPEATS / 2 {
            bursts.paced = Some(send(connection, size, PAUSE)?);
            connection.probe.settle(PAUSE_LONG);
        }
        if round < REPEATS || bursts.repeated.iter().all(Burst::is_odd) {
            bursts
                .repeated
                .push(send(connection, size, Duration::ZERO)?);
        }
    }
    Some(())
}

/// Sends datagrams, with a pause after each unless it is zero; none if the peer does not tell which
/// came.
fn send(connection: &mut Connection, size: usize, pause: Duration) -> Option<Burst> {
    let first = connection.next_number();
    for _ in 0..size {
        let ping = one_rtt([Frame::Ping]).pad_to(DATAGRAM_SIZE).once();
        connection.probe.endpoint_mut().send(ping);
        if !pause.is_zero() {
            connection.probe.settle(pause);
        }
    }
    connection.probe.flush();
    // Acknowledgements of this side may have gone between paced ones.
    let next = connection.next_number();
    let sent = &connection.endpoint().record().sent;
    let sent = sent
        .iter()
        .filter(|packet| (first..next).contains(&packet.number));
    let is_large = |payload: &[u8]| payload.len() > DATAGRAM_SIZE / 2;
    let sent = sent.filter(|packet| is_large(&packet.payload));
    let numbers: Vec<_> = sent.map(|packet| packet.number).collect();
    if !connection.hears_of(&numbers) || connection.is_over() {
        return None;
    }
    let arrived = numbers
        .iter()
        .map(|number| connection.is_acknowledged(*number));
    Some(Burst(arrived.collect()))
}

impl Bursts {
    pub(super) fn report(&self, rung: &mut RungReport) {
        let whole = self.ladder.iter().filter(|burst| burst.lost() == 0);
        let largest = whole.map(|burst| burst.0.len()).max().unwrap_or(0);
        let words = match self.ladder.iter().find(|burst| burst.is_odd()) {
            Some(odd) => format!("of {} at once arrive {}", odd.0.len(), odd.arrived()),
            None => format!("{largest} datagrams at once all arrive"),
        };
        rung.say(words);
        rung.fact("burst_passed", largest);
        let of = |burst: &Burst| vec![burst.0.len(), burst.arrived()];
        rung.fact("bursts", self.ladder.iter().map(of).collect::<Vec<_>>());
    }

    /// Returns the number of datagrams that pass at once, if it is the same in burst after burst.
    fn limit(&self) -> Option<usize> {
        let mut arrived: Vec<_> = self.repeated.iter().map(Burst::arrived).collect();
        arrived.sort_unstable();
        let limit = *arrived.get(arrived.len() / 2)?;
        let (mut before, mut behind) = (Burst::default(), Burst::default());
        for burst in &self.repeated {
            before
                .0
                .extend(burst.0.iter().take(limit.saturating_sub(JITTER)));
            behind.0.extend(burst.0.iter().skip(limit + JITTER));
        }
        // Chance takes from both parts alike.
        let is_clear =
            5 * before.lost() <= before.0.len() && 10 * behind.arrived() <= behind.0.len();
        (is_clear && behind.0.len() >= 3 * self.repeated.len()).then_some(limit)
    }
}

/// Judges bursts: a policer takes the end of each, and nothing of what is sent one by one.
pub(super) fn judge(bursts: &Bursts) -> Option<Finding> {
    let paced = bursts.paced.as_ref()?;
    let limit = bursts.limit()?;
    let is_repeated = bursts.repeated.len() > REPEATS && bursts.repeated.iter().all(Burst::is_odd);
    let passes_paced = 8 * paced.lost() <= paced.0.len();
    if !is_repeated || !passes_paced || bursts.dropped > 0 || limit >= FLIGHT {
        return None;
    }
    let all = bursts.repeated.iter();
    let bursts = all.map(|burst| {
        let (of, arrived) = (burst.0.len(), burst.arrived());
        format!("of {of} datagrams at once arrive {arrived}, and those behind them do not")
    });
    let paced = format!(
        "of {} datagrams, one each {} ms, arrive {}",
        paced.0.len(),
        PAUSE.as_millis(),
        paced.arrived()
    );
    let alike = "a server whose socket buffer holds no more looks alike";
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

    fn first(arrived: usize, of: usize) -> Burst {
        Burst((0..of).map(|position| position < arrived).collect())
    }

    #[test]
    fn a_policer_is_named_only_where_the_end_of_each_burst_is_lost_and_nothing_when_paced() {
        let policed = Bursts {
            ladder: vec![first(4, 4), first(5, 8)],
            repeated: vec![first(5, 16), first(6, 16), first(5, 16)],
            paced: Some(first(16, 16)),
            dropped: 0,
        };
        let with = |change: &dyn Fn(&mut Bursts)| {
            let mut bursts = policed.clone();
            change(&mut bursts);
            judge(&bursts).is_some()
        };
        assert!(with(&|_| {}));
        assert!(!with(&|it| it.paced = None));
        assert!(!with(&|it| it.paced = Some(first(11, 16))));
        assert!(!with(&|it| it.dropped = 1));
        assert!(!with(&|it| it.repeated.truncate(2)));
        assert!(!with(&|it| it.repeated[1] = first(16, 16)));
        // More than a first flight.
        assert!(!with(&|it| it.repeated = vec![first(20, 32); 3]));
        // Every third, wherever it is.
        let chance = Burst((0..16).map(|position| position % 3 > 0).collect());
        assert!(!with(&|it| it.repeated = vec![chance.clone(); 3]));
    }
}
