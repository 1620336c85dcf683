//! Volleys of datagrams: which came, which answers came back, and after what time.
//!
//! Each datagram has PATH_CHALLENGE: that it came, acknowledgements tell, and the answer has a
//! round trip of its own, which no acknowledgement delay blurs.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use qecho_packet::wire::Frame;
use qecho_peer::{endpoint::Endpoint, packet::one_rtt, tls::Level};

use super::{DATAGRAM_SIZE, hears_of};
use crate::doctor::{
    RungReport,
    reached::{Connection, is_over},
    world::Dropped,
};

/// Time after which a volley ends, if so many datagrams of it have gone: a slow link takes long.
pub(super) const TIME_MAX: Duration = Duration::from_secs(8);
const COUNT_MIN: usize = 20;
/// Datagrams that are sent beyond the last one that was acknowledged: they fit the queue of a slow
/// link, and leave it soon.
const UNACKNOWLEDGED_MAX: usize = 10;

/// Datagrams that were paced, or sent at once, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Volley {
    /// The least time between two.
    pub(super) pause: Duration,
    /// Time from the first to the last.
    pub(super) took: Duration,
    /// For each in turn whether the peer acknowledged it.
    pub(super) arrived: Vec<bool>,
    /// For each of those whether its answer came; empty if none asked for one.
    pub(super) answered: Vec<bool>,
    /// Packet numbers of the peer that did not come. It may have skipped some (RFC 9000 §21.4), or
    /// sent some that were too large.
    pub(super) gaps: usize,
    /// Packets of the peer that came twice.
    pub(super) duplicates: usize,
    pub(super) round_trips: Vec<Duration>,
    /// Packets that a later one has overtaken, up and down.
    pub(super) overtaken: [usize; 2],
    /// Datagrams that this host refused to send.
    pub(super) unsent: usize,
    /// Datagrams that this host has dropped itself meanwhile, of whatever program.
    pub(super) local: Dropped,
}

/// Datagrams of one direction, and the lost ones among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) lost: usize,
    pub(super) of: usize,
    /// Runs of datagrams that were lost one after the other.
    pub(super) runs: usize,
}

impl Losses {
    fn of(outcomes: &[bool], local: u64) -> Self {
        let lost = outcomes.iter().filter(|passed| !**passed).count();
        let starts = outcomes.windows(2).filter(|pair| pair[0] && !pair[1]);
        let runs = starts.count() + usize::from(outcomes.first() == Some(&false));
        Self {
            lost: lost.saturating_sub(usize::try_from(local).unwrap_or(usize::MAX)),
            of: outcomes.len(),
            runs,
        }
    }

    /// Returns the share that was lost.
    pub(super) fn share(self) -> f64 {
        self.lost as f64 / self.of.max(1) as f64
    }

    /// Returns how many times longer runs are than chance makes them.
    pub(super) fn clumping(self) -> f64 {
        let run = self.lost as f64 / self.runs.max(1) as f64;
        (run * (1.0 - self.share())).max(1.0)
    }
}

impl Volley {
    /// Returns how many the peer acknowledged.
    pub(super) fn passed(&self) -> usize {
        self.arrived.iter().filter(|it| **it).count()
    }

    /// Returns how many it did not.
    pub(super) fn lost(&self) -> usize {
        self.arrived.len() - self.passed()
    }

    /// Returns what was lost on the way to the server.
    pub(super) fn up(&self) -> Losses {
        Losses::of(&self.arrived, self.local.sent)
    }

    /// Returns what was lost of the answers, if it can be told: a server may leave some out, but
    /// then there is no gap in its numbers, and a gap may have other reasons, such as its own
    /// search for the largest datagram. So few gaps do not explain many missing answers.
    pub(super) fn down(&self) -> Option<Losses> {
        let mut losses = Losses::of(&self.answered, self.local.received);
        if losses.lost == losses.of {
            return None;
        }
        losses.lost = match 2 * self.gaps >= losses.lost {
            true => losses.lost.min(self.gaps),
            false => 0,
        };
        Some(losses)
    }

    /// Adds what became of later datagrams of the same pace.
    pub(super) fn extend(&mut self, later: Self) {
        self.took += later.took;
        self.arrived.extend(later.arrived);
        self.answered.extend(later.answered);
        self.gaps += later.gaps;
        self.duplicates += later.duplicates;
        self.round_trips.extend(later.round_trips);
        for (all, more) in self.overtaken.iter_mut().zip(later.overtaken) {
            *all += more;
        }
        self.unsent += later.unsent;
        self.local.sent += later.local.sent;
        self.local.received += later.local.received;
    }

    /// Says what was seen.
    pub(super) fn report(&self, rung: &mut RungReport) {
        let (up, down) = (self.up(), self.down());
        let back = match down {
            // The server may have left one out, and skipped a number (RFC 9000 §21.4).
            Some(down) if down.lost > 0 => {
                format!("at most {} of {} answers lost", down.lost, down.of)
            }
            Some(down) => format!("{} of {} answers lost", down.lost, down.of),
            None => "answers lost are not known, as the server answers no PATH_CHALLENGE".into(),
        };
        rung.say(format!("{} of {} datagrams lost, {back}", up.lost, up.of));
        if self.unsent > 0 {
            rung.say(format!("{} of them this host did not send", self.unsent));
        }
        rung.fact("sent", up.of);
        rung.fact("unsent", self.unsent);
        rung.fact("lost_up", up.lost);
        rung.fact("lost_down", down.map(|down| down.lost));
        self.report_times(rung);
        let [up, down] = self.overtaken;
        if up + down > 0 {
            rung.say(format!(
                "{up} datagrams overtaken on the way there, {down} on the way back"
            ));
        }
        if self.duplicates > 0 {
            rung.say(format!("{} answers came twice", self.duplicates));
        }
        rung.fact("overtaken_up", up);
        rung.fact("overtaken_down", down);
        rung.fact("duplicates_down", self.duplicates);
    }

    fn report_times(&self, rung: &mut RungReport) {
        let mut sorted = self.round_trips.clone();
        sorted.sort_unstable();
        let (Some(least), Some(median)) = (sorted.first(), sorted.get(sorted.len() / 2)) else {
            return;
        };
        let pairs = self.round_trips.windows(2);
        let differences: Duration = pairs.map(|pair| pair[0].abs_diff(pair[1])).sum();
        let pairs = self.round_trips.len().max(2) - 1;
        let jitter = differences / u32::try_from(pairs).unwrap_or(u32::MAX);
        let times = [*least, *median, jitter];
        let [least, median, jitter] = times.map(|time| time.as_secs_f64() * 1e3);
        rung.say(format!(
            "round trip {least:.1} ms at least, {median:.1} ms in the middle, jitter {jitter:.1} ms"
        ));
        let names = ["round_trip_min_us", "round_trip_median_us", "jitter_us"];
        for (name, time) in names.into_iter().zip(times) {
            rung.fact(name, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

/// Sends datagrams, with a pause after each unless it is zero, and waits where too many paced ones
/// are not acknowledged; none if the peer does not tell which came.
pub(super) fn send(
    connection: &mut Connection,
    count: usize,
    pause: Duration,
    is_challenged: bool,
) -> Option<Volley> {
    let notes = connection.notes.len();
    let first = connection.endpoint().received().len();
    let mut sent: Vec<(u64, Instant)> = Vec::new();
    let mut wait = connection.usual_wait();
    for _ in 0..count {
        let ping = one_rtt([Frame::Ping]);
        let packet = match is_challenged {
            true => ping.with([Frame::PathChallenge {
                data: data(connection.next_number()),
            }]),
            false => ping,
        };
        let at = connection.now();
        sent.push((connection.send(packet.pad_to(DATAGRAM_SIZE)), at));
        if pause.is_zero() {
            continue;
        }
        connection.probe.settle(pause);
        if !awaits_room(connection, &sent, &mut wait) {
            return None;
        }
        let first = sent.first().map_or(at, |(_, first)| *first);
        if sent.len() >= COUNT_MIN && connection.now() - first > TIME_MAX {
            break;
        }
    }
    let took = sent.first().map(|(_, at)| connection.now() - *at);
    let numbers: Vec<_> = sent.iter().map(|(number, _)| *number).collect();
    // A close may have come before all were sent: nothing is known then.
    if !hears_of(connection, &numbers) || connection.is_over() {
        return None;
    }
    let mut volley = Volley {
        pause,
        took: took.unwrap_or_default(),
        ..Volley::default()
    };
    let unsent = connection.unsent_since(notes);
    volley.local.sent = unsent as u64;
    if is_challenged {
        await_answers(connection, first, &sent);
    }
    read(connection, first, &sent, &mut volley);
    // Acknowledgements may be among them.
    volley.unsent = unsent.min(volley.lost());
    if !is_challenged {
        volley.answered.clear();
    }
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
        *wait = connection.usual_wait();
        return true;
    }
    *wait = (*wait * 2).min(connection.patience);
    // What limits their number may have dropped all of them.
    !connection.is_silent() || connection.answers()
}

/// Waits for the answers that may still be on their way, unless the peer gives none.
fn await_answers(connection: &mut Connection, first: usize, sent: &[(u64, Instant)]) {
    let challenges: BTreeSet<_> = sent.iter().map(|(number, _)| data(*number)).collect();
    let answered = |endpoint: &Endpoint| {
        let packets = endpoint.received().iter().skip(first);
        let frames = packets.flat_map(|packet| packet.frames());
        let answers: BTreeSet<_> = frames
            .filter_map(|frame| match frame {
                Frame::PathResponse { data } => Some(data),
                _ => None,
            })
            .collect();
        answers.intersection(&challenges).count()
    };
    if answered(connection.endpoint()) == 0 {
        return;
    }
    let arrived = sent.iter().filter(|it| connection.is_acknowledged(it.0));
    let arrived = arrived.count();
    let wait = connection.usual_wait() + super::LATENESS;
    let is_whole = |endpoint: &Endpoint| answered(endpoint) >= arrived;
    connection.probe.wait_for(is_whole, wait);
}

/// Reads the peer's packets from one on.
fn read(connection: &Connection, first: usize, sent: &[(u64, Instant)], volley: &mut Volley) {
    let times: HashMap<_, _> = sent
        .iter()
        .map(|(number, at)| (data(*number), *at))
        .collect();
    let mut answered = BTreeSet::new();
    let (mut told, mut missing) = (BTreeSet::new(), BTreeSet::new());
    let mut numbers = BTreeSet::new();
    let packets = connection.endpoint().received().iter().skip(first);
    for packet in packets.filter(|packet| packet.level == Level::OneRtt) {
        let is_overtaken = numbers.last() > Some(&packet.number);
        if !numbers.insert(packet.number) {
            volley.duplicates += 1;
            continue;
        }
        volley.overtaken[1] += usize::from(is_overtaken);
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
    for (number, _) in sent {
        let has_arrived = connection.is_acknowledged(*number);
        volley.arrived.push(has_arrived);
        if has_arrived {
            volley.answered.push(answered.contains(&data(*number)));
        }
    }
    if let (Some(least), Some(most)) = (numbers.first(), numbers.last()) {
        volley.gaps = usize::try_from(most - least + 1).unwrap_or(usize::MAX) - numbers.len();
    }
}

/// Returns the data of a PATH_CHALLENGE in a packet of this number.
fn data(number: u64) -> [u8; 8] {
    let mut data = *b"loss....";
    data[4..].copy_from_slice(&(number as u32).to_be_bytes());
    data
}
