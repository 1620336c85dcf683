//! Loss, jitter and reordering.
//!
//! First large packets follow each other soon. Each has PATH_CHALLENGE: that it came,
//! acknowledgements tell, and the answer has a round trip of its own, which no acknowledgement
//! delay blurs. Where some are lost, small ones follow, each after the answer to the one before:
//! what is lost then, no queue and no limit of rate has taken.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use qecho_packet::wire::Frame;
use qecho_peer::{endpoint::Endpoint, packet::one_rtt, tls::Level};

use super::DATAGRAM_SIZE;
use crate::doctor::{
    Cause, Finding, RungReport,
    reached::{Connection, is_over, lower_bound},
    world::Dropped,
};

/// Share of lost datagrams that is called a cause, at the lower end of what it may be.
const SHARE_MIN: f64 = 0.03;
/// Datagrams that are sent beyond the last one that was acknowledged: they fit the queue of a slow
/// link, and leave it soon.
const UNACKNOWLEDGED_MAX: usize = 10;
/// Small datagrams that are sent one after the answer to the other, the least time between two, and
/// the most for all: where a round trip takes long, fewer do.
const SMALL: (usize, Duration) = (60, Duration::from_millis(60));
const SMALL_TIME: Duration = Duration::from_secs(15);

/// Packets that were sent one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Volley {
    pub(super) sent: usize,
    /// Those that the peer acknowledged.
    pub(super) arrived: usize,
    /// Answers that came: PATH_RESPONSE frames, or acknowledgements of small ones in time.
    pub(super) answered: usize,
    /// Whether each asked for an answer of its own.
    pub(super) is_challenged: bool,
    /// Whether they were small, and each waited for the answer to the one before.
    pub(super) is_small: bool,
    /// Packet numbers of the peer that did not come. It may have skipped some (RFC 9000 §21.4), or
    /// sent some that were too large.
    pub(super) gaps: usize,
    pub(super) round_trips: Vec<Duration>,
    /// Packets that a later one has overtaken, up and down.
    pub(super) overtaken: [usize; 2],
    /// Datagrams that this host has dropped itself meanwhile, of whatever program.
    pub(super) local: Dropped,
    /// The time between two.
    pub(super) pause: Duration,
}

impl Volley {
    /// Returns the datagrams that were lost on the way to the server.
    pub(super) fn lost_up(&self) -> usize {
        let local = usize::try_from(self.local.sent).unwrap_or(usize::MAX);
        (self.sent - self.arrived).saturating_sub(local)
    }

    /// Returns the answers that were lost on the way back, if they can be told: a server may leave
    /// some out, but then there is no gap in its numbers, and a gap may have other reasons, such as
    /// its own search for the largest datagram. So few gaps do not explain many missing answers.
    pub(super) fn lost_down(&self) -> Option<usize> {
        let local = usize::try_from(self.local.received).unwrap_or(usize::MAX);
        let missing = self.arrived.saturating_sub(self.answered);
        let missing = match 2 * self.gaps >= missing {
            true => missing.min(self.gaps),
            false => 0,
        };
        (self.is_challenged && self.answered > 0).then(|| missing.saturating_sub(local))
    }

    fn shares(&self) -> [(usize, usize); 2] {
        let down = self.lost_down().map(|lost| (lost, self.arrived));
        [(self.lost_up(), self.sent), down.unwrap_or_default()]
    }

    /// Tells for each direction whether more is lost than chance explains.
    pub(super) fn is_lossy(&self) -> [bool; 2] {
        self.shares()
            .map(|(lost, of)| lower_bound(lost, of) > SHARE_MIN)
    }

    /// Returns the smallest and the median round-trip time, and the mean difference of one to the
    /// next.
    fn times(&self) -> Option<[Duration; 3]> {
        let mut sorted = self.round_trips.clone();
        sorted.sort_unstable();
        let median = *sorted.get(sorted.len() / 2)?;
        let pairs = self.round_trips.windows(2);
        let differences: Duration = pairs.map(|pair| pair[0].abs_diff(pair[1])).sum();
        let jitter = differences / u32::try_from(sorted.len().max(2) - 1).unwrap_or(u32::MAX);
        Some([*sorted.first()?, median, jitter])
    }

    /// Says what was seen.
    pub(super) fn report(&self, rung: &mut RungReport) {
        let [(up, sent), (down, answers)] = self.shares();
        let back = match self.lost_down() {
            Some(_) => format!(", {down} of {answers} answers lost"),
            None => String::new(),
        };
        rung.say(format!("{up} of {sent} datagrams lost{back}"));
        rung.fact("sent", sent);
        rung.fact("lost_up", up);
        rung.fact("lost_down", self.lost_down());
        if let Some(times) = self.times() {
            let [least, median, jitter] = times.map(|time| time.as_secs_f64() * 1e3);
            rung.say(format!(
                "round trip {least:.1} ms at least, {median:.1} ms in the middle, jitter {jitter:.1} ms"
            ));
            let names = ["round_trip_min_us", "round_trip_median_us", "jitter_us"];
            for (name, time) in names.into_iter().zip(times) {
                rung.fact(name, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
            }
        }
        let [up, down] = self.overtaken;
        if up + down > 0 {
            rung.say(format!(
                "{up} datagrams overtaken on the way there, {down} on the way back"
            ));
        }
        rung.fact("overtaken_up", up);
        rung.fact("overtaken_down", down);
    }
}

/// Sends large packets one by one, and waits where too many of them are not acknowledged.
pub(super) fn observe(
    connection: &mut Connection,
    count: usize,
    pause: Duration,
    is_challenged: bool,
) -> Option<Volley> {
    let begin = Begin::of(connection);
    let mut sent: Vec<(u64, Instant)> = Vec::new();
    let mut wait = connection.usual_wait();
    for index in 0..count {
        let ping = one_rtt([Frame::Ping]);
        let packet = match is_challenged {
            true => ping.with([Frame::PathChallenge { data: data(index) }]),
            false => ping,
        };
        let at = connection.now();
        sent.push((connection.send(packet.pad_to(DATAGRAM_SIZE)), at));
        connection.probe.settle(pause);
        if !awaits_room(connection, &sent, &mut wait) {
            return None;
        }
    }
    let mut volley = begin.volley(connection, &sent, pause)?;
    volley.is_challenged = is_challenged;
    Some(volley)
}

/// Waits while too many packets are not acknowledged. One more goes all the same after a while, a
/// longer one each time, as all may be lost. Returns whether the peer has not fallen silent.
fn awaits_room(connection: &mut Connection, sent: &[(u64, Instant)], wait: &mut Duration) -> bool {
    let has_room = |endpoint: &Endpoint| {
        let last = sent.iter().rev();
        let under_way =
            last.take_while(|(number, _)| !endpoint.is_acknowledged(Level::OneRtt, *number));
        under_way.count() < UNACKNOWLEDGED_MAX || is_over(endpoint)
    };
    if connection.probe.wait_for(has_room, *wait) {
        return true;
    }
    *wait = (*wait * 2).min(connection.patience);
    !connection.is_silent()
}

/// Sends small packets, each after the answer to the one before.
pub(super) fn observe_small(connection: &mut Connection) -> Option<Volley> {
    let begin = Begin::of(connection);
    let (count, pause) = SMALL;
    let (first, wait) = (connection.now(), connection.usual_wait());
    let mut sent: Vec<(u64, Instant)> = Vec::new();
    let mut answered = 0;
    while sent.len() < count && connection.now().duration_since(first) < SMALL_TIME {
        let at = connection.now();
        let number = connection.send(one_rtt([Frame::Ping]));
        sent.push((number, at));
        answered += usize::from(connection.awaits(number, wait));
        let spent = connection.now().duration_since(at);
        connection.probe.settle(pause.saturating_sub(spent));
    }
    let mut volley = begin.volley(connection, &sent, pause)?;
    (volley.answered, volley.is_challenged, volley.is_small) = (answered, true, true);
    Some(volley)
}

/// What there was before a volley.
struct Begin {
    notes: usize,
    packets: usize,
}

impl Begin {
    fn of(connection: &Connection) -> Self {
        Self {
            notes: connection.notes.len(),
            packets: connection.endpoint().received().len(),
        }
    }

    /// Returns what is known of the packets that were sent, once the peer has told of them.
    fn volley(
        self,
        connection: &mut Connection,
        sent: &[(u64, Instant)],
        pause: Duration,
    ) -> Option<Volley> {
        let numbers: Vec<_> = sent.iter().map(|(number, _)| *number).collect();
        // A close may have come before all were sent: nothing is known then.
        if !connection.hears_of(&numbers) || connection.is_over() {
            return None;
        }
        let arrived = numbers
            .iter()
            .filter(|number| connection.is_acknowledged(**number));
        let mut volley = Volley {
            sent: numbers.len(),
            arrived: arrived.count(),
            pause,
            ..Volley::default()
        };
        volley.local.sent = connection.unsent_since(self.notes) as u64;
        read(connection, self.packets, sent, &mut volley);
        Some(volley)
    }
}

/// Reads the peer's packets from one on.
fn read(connection: &Connection, first: usize, sent: &[(u64, Instant)], volley: &mut Volley) {
    let times: HashMap<[u8; 8], Instant> = sent
        .iter()
        .enumerate()
        .map(|(index, (_, at))| (data(index), *at))
        .collect();
    let mut answered = BTreeSet::new();
    let (mut told, mut missing) = (BTreeSet::new(), BTreeSet::new());
    let mut numbers = BTreeSet::new();
    let packets = connection.endpoint().received().iter().skip(first);
    for packet in packets.filter(|packet| packet.level == Level::OneRtt) {
        volley.overtaken[1] += usize::from(numbers.last() > Some(&packet.number));
        numbers.insert(packet.number);
        for frame in packet.frames() {
            match frame {
                Frame::PathResponse { data } => {
                    if let Some(at) = times.get(&data)
                        && answered.insert(data)
                    {
                        volley.round_trips.push(packet.at.duration_since(*at));
                    }
                }
                Frame::Ack(ack) => {
                    let is_told = |number| ack.ranges.iter().any(|range| range.contains(&number));
                    let before = sent.iter().map(|(number, _)| *number);
                    for number in before.take_while(|number| *number <= ack.largest()) {
                        if is_told(number) {
                            told.insert(number);
                        } else if !told.contains(&number) {
                            // Old ranges are left out of later acknowledgements.
                            missing.insert(number);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    volley.overtaken[0] = missing.intersection(&told).count();
    volley.answered = answered.len();
    if let (Some(least), Some(most)) = (numbers.first(), numbers.last()) {
        volley.gaps = usize::try_from(most - least + 1).unwrap_or(usize::MAX) - numbers.len();
    }
}

/// Returns the data of a PATH_CHALLENGE.
fn data(index: usize) -> [u8; 8] {
    let mut data = *b"loss....";
    data[4..].copy_from_slice(&(index as u32).to_be_bytes());
    data
}

/// Judges volleys of different pace: loss is a cause if it is there in all of them.
pub(super) fn judge(volleys: &[Volley]) -> Option<Finding> {
    let way = [0, 1].into_iter().find(|way| {
        let lossy = volleys.iter().filter(|volley| volley.is_lossy()[*way]);
        volleys.len() >= 2 && lossy.count() == volleys.len()
    })?;
    let (lost, of) = volleys
        .iter()
        .map(|volley| volley.shares()[way])
        .reduce(|one, other| (one.0 + other.0, one.1 + other.1))?;
    let words = ["to the server", "back from the server"][way];
    let share = 100 * lost / of.max(1);
    let there = ["there", "back"][way];
    let mut finding = Finding::new(
        Cause::Loss,
        format!("{share} % of the datagrams are lost on the way {words}."),
        format!(
            "Look on the way {there} for a link, a radio or a cable that is overloaded or faulty."
        ),
    );
    if let [fast, .., slow] = volleys
        && is_much_less(slow.shares()[way], fast.shares()[way])
    {
        finding = finding.or_else(
            Cause::Policer,
            "fewer are lost when they are sent more slowly, as where somebody limits their rate: \
             ask for such a limit",
        );
    }
    let seen = volleys.iter().map(|volley| {
        let (lost, of) = volley.shares()[way];
        let pause = volley.pause.as_millis();
        let least = 100.0 * lower_bound(lost, of);
        let pace = match volley.is_small {
            true => "small ones, each after the answer to the one before".to_owned(),
            false => format!("{DATAGRAM_SIZE} bytes each {pause} ms"),
        };
        format!(
            "{lost} of {of} datagrams lost {words}, {pace}: at least {least:.0} % with 95 % \
             confidence"
        )
    });
    Some(finding.with_evidence(seen))
}

/// Tells whether one share is less than half of another.
fn is_much_less(one: (usize, usize), other: (usize, usize)) -> bool {
    2 * one.0 * other.1 < other.0 * one.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volley(sent: usize, arrived: usize, answered: usize, gaps: usize) -> Volley {
        Volley {
            sent,
            arrived,
            answered,
            gaps,
            is_challenged: true,
            ..Volley::default()
        }
    }

    #[test]
    fn loss_is_a_cause_only_where_it_is_large_in_each_volley_and_not_by_chance() {
        let heavy = volley(100, 70, 70, 0);
        let back = volley(100, 100, 70, 40);
        let local = Volley {
            local: Dropped {
                sent: 30,
                received: 0,
            },
            ..heavy.clone()
        };
        for (volleys, is_cause) in [
            (vec![heavy.clone(), heavy.clone()], true),
            (vec![heavy.clone()], false),
            (vec![heavy.clone(), volley(60, 60, 60, 0)], false),
            // 3 % may be 1 %.
            (vec![volley(100, 97, 97, 0), volley(60, 58, 58, 0)], false),
            (vec![back.clone(), back.clone()], true),
            // Numbers that were skipped, or large datagrams.
            (vec![volley(100, 100, 100, 40); 2], false),
            // Answers that were never sent.
            (vec![volley(100, 100, 50, 0); 2], false),
            // The same, and seven datagrams with which the server looked for a larger size.
            (vec![volley(100, 100, 50, 7); 2], false),
            (vec![volley(100, 100, 0, 100); 2], false),
            (vec![local.clone(), local], false),
            (vec![heavy, back], false),
        ] {
            assert_eq!(judge(&volleys).is_some(), is_cause, "{volleys:?}");
        }
    }

    #[test]
    fn loss_that_falls_with_the_pace_may_be_a_limit() {
        for (slow, expected) in [
            (volley(60, 50, 50, 0), Some(Cause::Policer)),
            (volley(60, 33, 33, 0), None),
        ] {
            let finding = judge(&[volley(100, 46, 46, 0), slow]).expect("much is lost");
            assert_eq!(finding.or_else.map(|(cause, _)| cause), expected);
            assert!(finding.advice.contains("on the way there"));
        }
    }
}
