//! Loss: whether more is lost than by chance, and whether that depends on the pace.
//!
//! Each volley is judged by the odds that its losses are those of a bad path rather than of a
//! usable one (a sequential probability ratio test, Wald 1945): datagrams are added until the odds
//! decide. What is lost at one pace is then sent more slowly, and, if it passes, at the first pace
//! again.

use std::time::Duration;

use qecho_packet::wire::Frame;
use qecho_peer::packet::one_rtt;

use super::{
    DATAGRAM_SIZE, measure,
    volley::{Losses, TIME_MAX, Volley},
};
use crate::doctor::{
    Cause, Finding,
    reached::{Connection, Reached},
};

/// Shares of lost datagrams: of a path that is usable, if no more are lost, and of one that is bad.
const USABLE: f64 = 0.02;
const BAD: f64 = 0.06;
/// Logarithm of the odds at which a path is bad: 99 to 1.
const SURE: f64 = 4.6;
/// The same at which nothing more needs to be sent.
const SURE_NOT: f64 = -3.0;
/// The same for a second volley, which has to show no more than what the first has.
const AGAIN: f64 = 1.5;
const PASSES: f64 = -3.5;
/// Datagrams of the first volley, of each that is added to it, and of all; the time between two.
const VOLLEY: (usize, usize, usize) = (100, 50, 200);
const PAUSE: Duration = Duration::from_millis(20);
/// The same where little time is taken.
const VOLLEY_QUICK: (usize, usize, usize) = (20, 20, 60);
const PAUSE_QUICK: Duration = Duration::from_millis(10);
/// Time between two of the slower ones.
const PAUSE_SLOW: (Duration, Duration) = (Duration::from_millis(60), Duration::from_millis(1_500));
/// Datagrams of another pace, and volleys of them.
const OTHER: (usize, usize) = (8, 60);
const OTHER_VOLLEYS: usize = 2;

/// Small and large datagrams whose acknowledgements are timed.
const SERVICES: usize = 4;

/// Direction in which datagrams are lost, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lossy {
    Up,
    Down,
    EachWay,
}

/// Losses at a slower pace, beside those at the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slower {
    /// There are as many, or nearly.
    Same,
    /// There are hardly any.
    Passes,
    /// Chance explains either.
    Unclear,
}

/// Result of looking into a loss.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judgement {
    /// It is a cause.
    Cause(Finding),
    /// It is a slow link with a short queue, which passes so many datagrams a second.
    Queue(f64),
    /// It was there for a while only.
    Gone,
    /// It could not be looked into, or not enough.
    Unclear,
}

/// Sends volleys until they decide whether the path is bad, or enough of them.
pub(super) fn observe(
    reached: &mut Reached<'_>,
    connection: &mut Connection,
    is_challenged: bool,
) -> Option<Volley> {
    let is_quick = reached.options.is_quick;
    let ((first, more, most), pause) = match is_quick {
        true => (VOLLEY_QUICK, PAUSE_QUICK),
        false => (VOLLEY, PAUSE),
    };
    let mut volley = measure(reached, connection, first, pause, is_challenged)?;
    let is_open = |volley: &Volley| {
        let [up, down] = odds(volley);
        let is_clean = up <= SURE_NOT && down <= SURE_NOT;
        let has_lost = volley.up().lost + volley.down().unwrap_or_default().lost > 0;
        lossy(volley).is_none() && has_lost && !is_clean
    };
    while is_open(&volley) && volley.arrived.len() + more <= most && volley.took < TIME_MAX {
        volley.extend(measure(reached, connection, more, pause, is_challenged)?);
    }
    Some(volley)
}

/// Returns the logarithm of the odds that a share of these is lost, rather than a smaller one.
/// Losses that come in longer runs than chance makes them are fewer events than they look.
fn log_odds(losses: Losses, less: f64, share: f64, clumping: f64) -> f64 {
    let (lost, passed) = (losses.lost as f64, (losses.of - losses.lost) as f64);
    let odds = lost * (share / less).ln() + passed * ((1.0 - share) / (1.0 - less)).ln();
    odds / clumping
}

/// Returns the logarithms of the odds that the path is bad in each direction. Of one that is not
/// known they are even.
fn odds(volley: &Volley) -> [f64; 2] {
    let down = volley.down().unwrap_or_default();
    [volley.up(), down].map(|losses| {
        // A path without loss is no surer for the runs in which it loses nothing.
        let odds = log_odds(losses, USABLE, BAD, 1.0);
        odds.min(0.0) + odds.max(0.0) / losses.clumping()
    })
}

/// Returns the direction in which the path is bad, if it is.
pub(super) fn lossy(volley: &Volley) -> Option<Lossy> {
    let [up, down] = odds(volley);
    match (up, down) {
        _ if up.max(down).max(up + down) < SURE => None,
        _ if down < AGAIN => Some(Lossy::Up),
        _ if up < AGAIN => Some(Lossy::Down),
        _ => Some(Lossy::EachWay),
    }
}

impl Lossy {
    fn words(self) -> &'static str {
        match self {
            Self::Up => "on the way to the server",
            Self::Down => "on the way back from the server",
            Self::EachWay => "each way",
        }
    }

    /// Returns what was lost in this direction; of both directions the sum.
    fn losses(self, volley: &Volley) -> Losses {
        let (up, down) = (volley.up(), volley.down().unwrap_or_default());
        match self {
            Self::Up => up,
            Self::Down => down,
            Self::EachWay => Losses {
                lost: up.lost + down.lost,
                of: up.of + down.of,
                runs: up.runs + down.runs,
            },
        }
    }

    /// Returns how many datagrams pass in a second, once those that may go at once have gone.
    fn rate(self, volley: &Volley) -> f64 {
        let outcomes = match self {
            Self::Down => &volley.answered,
            Self::Up | Self::EachWay => &volley.arrived,
        };
        let later = &outcomes[outcomes.len() / 2..];
        let passed = later.iter().filter(|it| **it).count();
        passed.max(1) as f64 / (volley.took.as_secs_f64() / 2.0).max(0.001)
    }

    /// Returns the time between two datagrams at half the rate that passes.
    pub(super) fn pause(self, volley: &Volley) -> Duration {
        let pause = Duration::from_secs_f64(2.0 / self.rate(volley));
        pause.clamp(PAUSE_SLOW.0, PAUSE_SLOW.1)
    }

    /// Says what was lost.
    fn seen(self, volley: &Volley) -> String {
        let count = |losses: Losses| format!("{} of {}", losses.lost, losses.of);
        let losses = match self {
            Self::EachWay => format!(
                "{} datagrams lost on the way to the server, and {} answers on the way back",
                count(volley.up()),
                count(volley.down().unwrap_or_default()),
            ),
            _ => format!(
                "{} datagrams lost {}",
                count(self.losses(volley)),
                self.words()
            ),
        };
        let pause = volley.pause.as_millis();
        format!("{losses}: {DATAGRAM_SIZE} bytes each {pause} ms")
    }
}

/// Looks into a loss: at a slower pace, and again at the first if less is lost then.
pub(super) fn look_into(
    reached: &mut Reached<'_>,
    connection: &mut Connection,
    first: &Volley,
    lossy: Lossy,
) -> Judgement {
    let pause = lossy.pause(first);
    let (less, share) = shares(lossy, first);
    // So many decide if none of them is lost.
    let clumping = lossy.losses(first).clumping();
    let count = PASSES * clumping / ((1.0 - share) / (1.0 - less)).ln();
    let count = (count.ceil() as usize).clamp(OTHER.0, OTHER.1);
    let is_challenged = !first.answered.is_empty();
    let mut slow: Option<Volley> = None;
    for _ in 0..OTHER_VOLLEYS {
        let Some(volley) = measure(reached, connection, count, pause, is_challenged) else {
            return Judgement::Unclear;
        };
        let all = match slow.take() {
            Some(mut all) => {
                all.extend(volley);
                all
            }
            None => volley,
        };
        let is_over = slower(lossy, first, &all) != Slower::Unclear || all.took > TIME_MAX;
        slow = Some(all);
        if is_over {
            break;
        }
    }
    let Some(slow) = slow else {
        return Judgement::Unclear;
    };
    if slower(lossy, first, &slow) != Slower::Passes {
        return judge(lossy, first, &slow, None);
    }
    // How long an answer takes on the slowest link is not timed.
    if lossy == Lossy::Down {
        return Judgement::Unclear;
    }
    // A limit lets some pass at once before it drops any.
    let free = first.arrived.iter().take_while(|it| **it).count();
    let count = (2 * free)
        .max(count.max(2 * OTHER.0))
        .min(first.arrived.len());
    let again = measure(reached, connection, count, first.pause, is_challenged);
    match (again, service(connection, pause)) {
        (Some(again), Some(service)) => judge(lossy, first, &slow, Some((&again, service))),
        _ => Judgement::Unclear,
    }
}

/// Returns the time that a datagram takes on the slowest link: by so much later than a small one it
/// is acknowledged.
fn service(connection: &mut Connection, pause: Duration) -> Option<Duration> {
    let mut soonest = [None, None];
    for _ in 0..SERVICES {
        for (size, soonest) in [0, DATAGRAM_SIZE].into_iter().zip(&mut soonest) {
            connection.probe.settle(pause);
            let (at, wait) = (connection.now(), connection.patience);
            let number = connection.send(one_rtt([Frame::Ping]).pad_to(size));
            let is_answered = connection.awaits(number, wait.min(TIME_MAX / 8));
            let time = is_answered.then(|| connection.now() - at);
            *soonest = soonest.iter().copied().chain(time).min();
        }
    }
    let [small, large] = soonest;
    Some(large?.saturating_sub(small?))
}

/// Returns the shares that a volley of another pace is judged by: hardly any loss, and half as much
/// as in the first, which may have had bad luck.
fn shares(lossy: Lossy, first: &Volley) -> (f64, f64) {
    let share = lossy.losses(first).share().clamp(0.04, 0.98);
    ((share / 10.0).max(0.01), share / 2.0)
}

fn log_odds_again(lossy: Lossy, first: &Volley, other: &Volley) -> f64 {
    let (less, share) = shares(lossy, first);
    let (before, losses) = (lossy.losses(first), lossy.losses(other));
    log_odds(
        losses,
        less,
        share,
        before.clumping().max(losses.clumping()),
    )
}

fn slower(lossy: Lossy, first: &Volley, slow: &Volley) -> Slower {
    match log_odds_again(lossy, first, slow) {
        odds if odds >= AGAIN => Slower::Same,
        odds if odds <= PASSES => Slower::Passes,
        _ => Slower::Unclear,
    }
}

/// Judges volleys: the first, a slower one, and the first pace again if less was lost then, with
/// the time that a datagram takes on the slowest link.
fn judge(
    lossy: Lossy,
    first: &Volley,
    slow: &Volley,
    again: Option<(&Volley, Duration)>,
) -> Judgement {
    let odds = log_odds_again(lossy, first, slow);
    let Some((again, service)) = again else {
        let mut both = first.clone();
        both.extend(slow.clone());
        let all = lossy.losses(&both);
        let is_bad = log_odds(all, USABLE, BAD, all.clumping()) >= SURE;
        return match odds > 0.0 && is_bad {
            true => Judgement::Cause(loss(lossy, first, slow)),
            false => Judgement::Unclear,
        };
    };
    if log_odds_again(lossy, first, again) < AGAIN {
        return Judgement::Gone;
    }
    let rate = lossy.rate(first);
    // A link that is faster than the pace loses nothing of it. Where answers take long, less is sent
    // than the link carries.
    let slow_link = Duration::from_secs_f64(0.4 / rate).min(first.pause.mul_f64(0.9));
    if service >= slow_link {
        return Judgement::Queue(rate);
    }
    let words = lossy.words();
    Judgement::Cause(
        Finding::new(
            Cause::Policer,
            format!(
                "Datagrams are dropped {words} when more than some {rate:.0} are sent in a second."
            ),
            "Look for a limit of rate, and raise it, or let it queue rather than drop; senders can \
             be told to pace.",
        )
        .with_evidence([first, slow, again].map(|volley| lossy.seen(volley)))
        .with_evidence(["a large datagram takes no longer than a small one: it is no slow link"]),
    )
}

fn loss(lossy: Lossy, first: &Volley, slow: &Volley) -> Finding {
    let percent = |losses: Losses| format!("{:.0} %", 100.0 * losses.share());
    let words = lossy.words();
    let sentence = match lossy {
        Lossy::EachWay => format!(
            "{} of the datagrams are lost on the way to the server, and {} of the answers on the \
             way back.",
            percent(first.up()),
            percent(first.down().unwrap_or_default()),
        ),
        _ => format!(
            "{} of the datagrams are lost {words}.",
            percent(lossy.losses(first))
        ),
    };
    let there = match lossy {
        Lossy::Up => "there",
        Lossy::Down => "back",
        Lossy::EachWay => "there and back",
    };
    let finding = Finding::new(
        Cause::Loss,
        sentence,
        format!(
            "Look on the way {there} for a link, a radio or a cable that is overloaded or faulty."
        ),
    )
    .with_evidence([first, slow].map(|volley| lossy.seen(volley)));
    match 2.0 * lossy.losses(slow).share() < lossy.losses(first).share() {
        true => finding.or_else(
            Cause::Policer,
            "fewer are lost when they are sent more slowly, as where somebody limits their rate: \
             ask for such a limit",
        ),
        false => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::world::Dropped;

    /// A volley in which every so many datagrams one is lost on the way there, or back.
    fn volley(sent: usize, up: usize, down: usize) -> Volley {
        let each = |every: usize| (1..=sent).map(move |it| every == 0 || it % every != 0);
        let arrived: Vec<_> = each(up).collect();
        let answered: Vec<_> = each(down).collect();
        Volley {
            pause: PAUSE,
            took: PAUSE * sent as u32,
            gaps: answered.iter().filter(|it| !**it).count(),
            arrived,
            answered,
            ..Volley::default()
        }
    }

    #[test]
    fn a_path_is_bad_only_if_chance_does_not_explain_what_is_lost() {
        for (lossy_volley, expected) in [
            (volley(100, 0, 0), None),
            (volley(100, 50, 50), None),
            (volley(100, 25, 0), None),
            (volley(100, 10, 0), Some(Lossy::Up)),
            (volley(100, 0, 10), Some(Lossy::Down)),
            (volley(100, 14, 14), Some(Lossy::EachWay)),
            (volley(100, 3, 3), Some(Lossy::EachWay)),
        ] {
            assert_eq!(lossy(&lossy_volley), expected, "{lossy_volley:?}");
        }
        // All of them one after the other: one event.
        let mut row = volley(100, 0, 0);
        row.arrived[40..50].fill(false);
        assert_eq!(lossy(&row), None);
    }

    #[test]
    fn answers_that_were_never_sent_and_datagrams_that_this_host_dropped_are_not_lost() {
        let with = |change: fn(&mut Volley)| {
            let mut volley = volley(100, 3, 3);
            change(&mut volley);
            lossy(&volley)
        };
        assert_eq!(with(|it| it.gaps = 0), Some(Lossy::Up));
        // Seven datagrams with which the server looked for a larger size.
        assert_eq!(with(|it| it.gaps = 7), Some(Lossy::Up));
        assert_eq!(with(|it| it.answered.fill(false)), Some(Lossy::Up));
        let local = Dropped {
            sent: 33,
            received: 33,
        };
        let mut dropped = volley(100, 3, 3);
        dropped.local = local;
        assert_eq!(lossy(&dropped), None);
    }

    #[test]
    fn the_pace_decides_what_a_loss_is() {
        let cause = |slow: &Volley, again: Option<&Volley>| match judge(
            Lossy::Up,
            &volley(100, 2, 0),
            slow,
            again.map(|again| (again, Duration::from_millis(1))),
        ) {
            Judgement::Cause(finding) => Some((finding.cause, finding.or_else.map(|it| it.0))),
            _ => None,
        };
        let (bad, good) = (volley(20, 2, 0), volley(20, 0, 0));
        assert_eq!(cause(&bad, None), Some((Cause::Loss, None)));
        let fewer = volley(40, 5, 0);
        assert_eq!(
            cause(&fewer, None),
            Some((Cause::Loss, Some(Cause::Policer)))
        );
        assert_eq!(cause(&good, None), None);
        assert_eq!(cause(&good, Some(&bad)), Some((Cause::Policer, None)));
        assert_eq!(cause(&good, Some(&good)), None);
    }

    #[test]
    fn a_link_that_takes_as_long_for_a_datagram_is_slow_and_no_limit_of_rate() {
        let (bad, good) = (volley(20, 2, 0), volley(20, 0, 0));
        let service = Duration::from_millis(40);
        let judgement = judge(Lossy::Up, &volley(100, 2, 0), &good, Some((&bad, service)));
        assert!(matches!(judgement, Judgement::Queue(_)), "{judgement:?}");
    }
}
