//! Acknowledgements: what they may say, and when they come (RFC 9000 §13, §19.3).

use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use qecho_packet::{
    close::{FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION},
    wire::{Ack, Frame, frames, write_integer},
};
use qecho_peer::{
    endpoint::Endpoint,
    packet::{empty, handshake, one_rtt, raw},
    received::ReceivedPacket,
    tls::Level,
};

use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    attempts::ATTEMPTS,
    connection::{judge_wrong, not_applicable, not_reached},
    expected::SILENT,
    requirement::{
        Requirement,
        Side::{Client, Server},
        must, rfc, should,
    },
};

const FRAME_ENCODING: Expected = Expected::close(&[FRAME_ENCODING_ERROR]);
/// Packets between the last that came and one that was never sent.
const NEVER_SENT: u64 = 10_000;

pub(super) static ROWS: &[Requirement] = &[
    should("F29", Server, rfc(9000, "13.1"))
        .of_clients("C26")
        .text("An acknowledgement of a packet that was never sent closes the connection.")
        .stimulus("ACK of a packet that was never sent")
        .expected("PROTOCOL_VIOLATION")
        .script(an_acknowledgement_of_a_packet_never_sent),
    must("F30", Server, rfc(9000, "19.3.1"))
        .of_clients("C57")
        .text("An ACK range that goes below packet 0 closes the connection.")
        .stimulus("ACK whose first range goes below zero")
        .expected("FRAME_ENCODING_ERROR")
        .script(|run| below_zero(run, |largest| vec![0x02, largest, 0, 0, largest + 1])),
    must("F31", Server, rfc(9000, "19.3.1"))
        .of_clients("C58")
        .text("An ACK range that goes below packet 0 closes the connection.")
        .stimulus("ACK whose second range goes below zero")
        .expected("FRAME_ENCODING_ERROR")
        .script(|run| below_zero(run, |largest| vec![0x02, largest, 0, 1, 0, largest, 0])),
    must("K03", Server, rfc(9000, "13.2.1"))
        .of_clients("C78")
        .text("What elicits no acknowledgement gets no answer that elicits none either.")
        .stimulus("Five packets with nothing but ACK")
        .expected("no packet that is not ack-eliciting, and no PING for each")
        .script(answers_to_acknowledgements),
    must("K04", Server, rfc(9000, "13.2.1"))
        .of_clients("C79")
        .text("What elicits an acknowledgement gets it within the announced max_ack_delay.")
        .stimulus("PING, ten times")
        .expected("acknowledged within max_ack_delay, beside the time of path and host")
        .script(acknowledgement_times),
    must("K11", Server, rfc(9000, "13.2.1"))
        .of_clients("C84")
        .notes_times()
        .text("What elicits an acknowledgement during the handshake gets it at once.")
        .stimulus("PING in Handshake packets, ten times")
        .expected("acknowledged at once, but for the time of the path and of scheduling")
        .script(acknowledgement_times_of_the_handshake),
    must("C148", Client, rfc(9000, "13.2.1"))
        .also(&[rfc(9001, "4.9.2")])
        .text("Handshake packets are acknowledged until the handshake is confirmed.")
        .stimulus("PING in Handshake packets after the handshake, before any confirmation")
        .expected("acknowledged, as those in 1-RTT packets are")
        .script(acknowledgements_until_confirmation),
    should("K20", Server, rfc(9000, "13.2.1"))
        .notes_times()
        .text("What comes behind a gap in packet numbers is acknowledged without delay.")
        .stimulus("PING packets between which packet numbers are left out")
        .expected("acknowledged sooner than by half of max_ack_delay, beside the path's time")
        .script(acknowledgement_times_behind_gaps),
    must("V21", Server, rfc(9000, "17.1"))
        .text("A packet number is told in bytes for twice the numbers since the last acknowledged.")
        .stimulus("PING packets by twos, 300 at most, and no acknowledgement of what comes back")
        .expected("two bytes or more for numbers 129 above the last that was acknowledged")
        .script(lengths_of_packet_numbers),
    must("K12", Server, rfc(9002, "6.2.1"))
        .notes_times()
        .also(&[rfc(9002, "6.2.4")])
        .text("Without acknowledgements there are probes, each after twice the time.")
        .stimulus("Finished, and no acknowledgement of HANDSHAKE_DONE")
        .expected("one or two ack-eliciting packets at a time, at ever larger intervals")
        .script(probes),
];

/// Sends packets that elicit no acknowledgement, once the connection is quiet, and looks for one
/// of them in a packet that elicits none either.
fn answers_to_acknowledgements(run: &mut Run<'_>) -> Judged {
    const PACKETS: usize = 5;
    let mut connection = run.open()?;
    let is_alive = connection.lives();
    let calm = connection.round_trip() + connection.max_ack_delay() * 2 + connection.quiet();
    let since = connection.now();
    connection.settle(calm);
    // All of them: who hears that an acknowledgement is lost may repeat it.
    let ranges = received_ranges(&connection, Level::OneRtt);
    if !is_alive || ranges.is_empty() {
        return Err(not_reached("no answer after the handshake"));
    }
    // From here on nothing that elicits an acknowledgement goes.
    connection.endpoint_mut().behaviour.resends = false;
    let first = connection.endpoint().next_number(Level::OneRtt);
    let mut numbers = Vec::new();
    for _ in 0..PACKETS {
        let ack = Ack {
            delay: 0,
            ranges: ranges.clone(),
            ecn: None,
        };
        numbers.push(connection.endpoint().next_number(Level::OneRtt));
        connection.send(one_rtt([Frame::Ack(ack)]));
        connection.settle(calm / PACKETS as u32);
    }
    if connection.endpoint().closed().is_some() || connection.endpoint().ended().is_some() {
        return Err(connection.not_reached_by_end());
    }
    let mut answers = connection.received_packets().filter(|packet| {
        let acknowledged = largest_acknowledged(&packet.frames());
        !packet.is_ack_eliciting() && acknowledged >= Some(first)
    });
    Ok(match answers.next() {
        // What was sent again during the calm may still have been on its way.
        Some(_) if has_asked(&connection, since) => {
            Finding::new(Verdict::NotReached, "something else had to be acknowledged")
        }
        None if are_answered_by_ping(&connection, &numbers) => Finding::new(
            Verdict::Note,
            "each is acknowledged, with a PING that elicits the next",
        ),
        None => Finding::new(Verdict::Pass, "no answer that is not ack-eliciting"),
        Some(packet) => {
            let seen = format!(
                "packet {} acknowledges them and is not ack-eliciting",
                packet.number
            );
            Finding::new(Verdict::Fail, seen)
        }
    })
}

/// Tells whether each of these packets is acknowledged by one of its own that is ack-eliciting for
/// nothing but PING: such answers to all packets never end (RFC 9000 §13.2.1).
fn are_answered_by_ping(connection: &Connection, numbers: &[u64]) -> bool {
    numbers.iter().all(|number| {
        connection.received_packets().any(|packet| {
            let frames = packet.frames();
            let mut others = frames
                .iter()
                .filter(|frame| !matches!(frame, Frame::Ack(_) | Frame::Padding { .. }));
            largest_acknowledged(&frames) == Some(*number)
                && packet.is_ack_eliciting()
                && others.all(|frame| *frame == Frame::Ping)
        })
    })
}

/// Returns the numbers of all packets of a level that have come, the highest range first.
pub(super) fn received_ranges(connection: &Connection, level: Level) -> Vec<RangeInclusive<u64>> {
    let packets = connection.endpoint().record().at_level(level);
    let numbers: BTreeSet<_> = packets.map(|packet| packet.number).collect();
    let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
    for number in numbers.into_iter().rev() {
        match ranges.last_mut() {
            Some(last) if number + 1 == *last.start() => *last = number..=*last.end(),
            _ => ranges.push(number..=number),
        }
    }
    ranges
}

/// Tells whether a packet that elicits an acknowledgement was sent since a time.
fn has_asked(connection: &Connection, since: Instant) -> bool {
    let record = connection.endpoint().record();
    let mut sent = record.sent.iter();
    sent.any(|packet| {
        let elicits = frames(&packet.payload)
            .any(|frame| !matches!(frame, Ok(Frame::Ack(_) | Frame::Padding { .. })));
        let is_since = record.datagrams[packet.datagram].at >= since;
        packet.level == Level::OneRtt && is_since && elicits
    })
}

/// Sends PING, one after the other, and compares the shortest time that one takes with what the
/// peer has announced: the path and this host may be late at any other time.
fn acknowledgement_times(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    if !connection.lives() {
        return Err(Finding::new(
            Verdict::NotReached,
            "no answer after the handshake",
        ));
    }
    let announced = connection.max_ack_delay();
    let allowed = announced + connection.round_trip() + SCHEDULING;
    let shortest = shortest_time(&mut connection, Level::OneRtt, allowed * 4);
    let announced = announced.as_millis();
    Ok(if shortest == Duration::MAX {
        let is_gone = !connection.lives();
        connection.accuse(match is_gone {
            true => SILENT,
            false => "none is acknowledged in time",
        })
    } else if shortest > allowed {
        let seen = format!(
            "acknowledged after {} ms, where {announced} ms are announced",
            shortest.as_millis()
        );
        connection.accuse(seen)
    } else {
        Finding::new(
            Verdict::Pass,
            format!("acknowledged within the announced {announced} ms"),
        )
    })
}

/// Leaves out a packet number before each PING, and compares the shortest time that one takes with
/// what the server may wait for others.
fn acknowledgement_times_behind_gaps(run: &mut Run<'_>) -> Judged {
    /// A delay that can be told from this host's own.
    const DELAY_MIN: Duration = Duration::from_millis(20);
    let mut connection = run.open()?;
    let announced = connection.max_ack_delay();
    if announced < DELAY_MIN {
        return Err(not_applicable("the server acknowledges as fast as can be"));
    }
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        let number = connection.endpoint().next_number(Level::OneRtt) + 1;
        let begin = connection.now();
        connection.send(one_rtt([Frame::Ping]).numbered(number));
        let patience = connection.patience / 4;
        if connection.wait_for(
            |endpoint| endpoint.is_acknowledged(Level::OneRtt, number),
            patience,
        ) {
            shortest = shortest.min(connection.now().saturating_duration_since(begin));
        }
    }
    let allowed = connection.round_trip() + announced / 2;
    Ok(match shortest {
        Duration::MAX => connection.accuse("none is acknowledged in time"),
        _ => {
            let seen = format!("acknowledged after {} ms", shortest.as_millis());
            judge_wrong((shortest > allowed).then(|| seen.clone()), &seen)
        }
    })
}

/// Has so many packets acknowledged, by twos, that the numbers of the acknowledgements need more
/// than a byte, as none of them is acknowledged itself.
fn lengths_of_packet_numbers(run: &mut Run<'_>) -> Judged {
    /// A byte is enough for so many, as Appendix A.2 of RFC 9000 reckons; §17.1 has one fewer.
    const ONE_BYTE: u64 = 128;
    const PAIRS: usize = 150;
    const PAUSE: Duration = Duration::from_millis(4);
    let mut connection = run.open()?;
    connection.lives();
    let behaviour = &mut connection.endpoint_mut().behaviour;
    (behaviour.acknowledges, behaviour.resends) = (false, false);
    let acknowledged = largest_told(&connection).unwrap_or(0);
    let is_far = |packet: &ReceivedPacket| packet.number > acknowledged + ONE_BYTE;
    for _ in 0..PAIRS {
        for _ in 0..2 {
            connection.send(one_rtt([Frame::Ping]).once());
        }
        connection.settle(PAUSE);
        if connection.endpoint().received().last().is_some_and(is_far) {
            break;
        }
    }
    connection.lives();
    let far: Vec<_> = connection
        .received_packets()
        .filter(|packet| is_far(packet))
        .collect();
    let wrong = far.iter().find(|packet| packet.number_length == 1);
    let wrong = wrong.map(|packet| {
        format!(
            "number {} in a byte, {acknowledged} acknowledged",
            packet.number
        )
    });
    match far.is_empty() {
        true => Err(not_reached("too few acknowledgements come")),
        false => Ok(judge_wrong(wrong, "two bytes or more")),
    }
}

/// Returns the largest number of a 1-RTT packet that this side has acknowledged.
pub(super) fn largest_told(connection: &Connection) -> Option<u64> {
    let sent = connection.endpoint().record().sent.iter();
    let sent = sent.filter(|sent| sent.level == Level::OneRtt);
    let acknowledged = sent.filter_map(|sent| {
        let frames: Vec<_> = frames(&sent.payload).map_while(Result::ok).collect();
        largest_acknowledged(&frames)
    });
    acknowledged.max()
}

/// Room for this host's own scheduling.
const SCHEDULING: Duration = Duration::from_millis(50);
/// Less than acknowledgements are mostly held back after the handshake, by 20 or 25 ms; the shortest
/// of some times has to be later for a reason.
const AT_ONCE: Duration = Duration::from_millis(15);

/// Sends PING, one after the other; returns the shortest time until one is acknowledged.
fn shortest_time(connection: &mut Connection, level: Level, timeout: Duration) -> Duration {
    const PINGS: usize = 10;
    let mut shortest = Duration::MAX;
    let mut is_alone = true;
    for _ in 0..PINGS {
        let time = time_of_acknowledgement(connection, level, timeout);
        // What is late for one that is still awaited may be early for the next.
        if is_alone {
            shortest = shortest.min(time);
        }
        is_alone = time < Duration::MAX;
    }
    shortest
}

/// Sends one PING; returns the time until it is acknowledged, or all that there is.
fn time_of_acknowledgement(
    connection: &mut Connection,
    level: Level,
    timeout: Duration,
) -> Duration {
    let number = connection.endpoint().next_number(level);
    let begin = connection.now();
    connection.send(empty(level).with([Frame::Ping]).once());
    let is_acknowledged =
        connection.wait_for(|endpoint| endpoint.is_acknowledged(level, number), timeout);
    match is_acknowledged {
        true => connection.now().saturating_duration_since(begin),
        false => Duration::MAX,
    }
}

/// Returns the largest packet number that frames acknowledge.
pub(super) fn largest_acknowledged(frames: &[Frame<'_>]) -> Option<u64> {
    let acknowledgements = frames.iter().filter_map(|frame| match frame {
        Frame::Ack(ack) => ack.ranges.iter().map(|range| *range.end()).max(),
        _ => None,
    });
    acknowledgements.max()
}

fn an_acknowledgement_of_a_packet_never_sent(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let number = largest(&connection) + NEVER_SENT;
    let ack = Ack {
        delay: 0,
        ranges: vec![number..=number],
        ecn: None,
    };
    let expected = Expected::close(&[PROTOCOL_VIOLATION]);
    connection.expect(one_rtt([Frame::Ack(ack)]), expected)
}

/// Sends an ACK frame, whose integers are given, of the largest packet that has come.
fn below_zero(run: &mut Run<'_>, integers: fn(u64) -> Vec<u64>) -> Judged {
    let mut connection = run.open()?;
    let mut frame = Vec::new();
    for integer in integers(largest(&connection)) {
        write_integer(&mut frame, integer);
    }
    connection.expect(one_rtt([raw(frame)]), FRAME_ENCODING)
}

/// Returns the largest number of the packets that have come.
fn largest(connection: &Connection) -> u64 {
    let numbers = connection.received_packets().map(|packet| packet.number);
    numbers.max().unwrap_or(0)
}

/// Asks a client for acknowledgements at two levels, again and again: those of 1-RTT show that
/// datagrams come and that it lives.
fn acknowledgements_until_confirmation(run: &mut Run<'_>) -> Judged {
    let mut connection = run.unconfirmed()?;
    connection.prepared();
    let [handshakes, first] =
        [Level::Handshake, Level::OneRtt].map(|level| connection.endpoint().next_number(level));
    let is_acknowledged = |endpoint: &Endpoint| {
        let mut numbers = handshakes..endpoint.next_number(Level::Handshake);
        numbers.any(|number| endpoint.is_acknowledged(Level::Handshake, number))
    };
    let quiet = connection.quiet();
    for _ in 0..ATTEMPTS {
        connection.send(handshake([Frame::Ping]).once());
        connection.send(one_rtt([Frame::Ping]).once());
        let is_over = |endpoint: &Endpoint| endpoint.ended().is_some();
        if connection.wait_for(|it| is_acknowledged(it) || is_over(it), quiet) {
            break;
        }
    }
    let endpoint = connection.endpoint();
    let mut numbers = first..endpoint.next_number(Level::OneRtt);
    if is_acknowledged(endpoint) {
        Ok(Finding::new(Verdict::Pass, "acknowledged"))
    } else if endpoint.ended().is_some() {
        Err(connection.not_reached_by_end())
    } else if numbers.all(|number| endpoint.is_acknowledged(Level::OneRtt, number)) {
        let seen = "1-RTT packets are acknowledged, and no Handshake packet";
        Ok(Finding::new(Verdict::Fail, seen))
    } else {
        Err(not_reached("not all 1-RTT packets are acknowledged"))
    }
}

/// Sends PING in Handshake packets, one after the other.
fn acknowledgement_times_of_the_handshake(run: &mut Run<'_>) -> Judged {
    // A client that is late would be late with the first answer, too, but for its Finished.
    let known = match run.is_of_client() {
        true => Some(run.open()?.round_trip()),
        false => None,
    };
    let mut connection = run.before_finished(|_| {})?;
    let round_trip = known.unwrap_or(connection.round_trip());
    let allowed = round_trip + SCHEDULING;
    let shortest = shortest_time(&mut connection, Level::Handshake, allowed * 4);
    Ok(if shortest == Duration::MAX {
        connection.accuse("none is acknowledged in time")
    } else if shortest > allowed {
        connection.accuse(format!("acknowledged after {} ms", shortest.as_millis()))
    } else if shortest > round_trip + AT_ONCE {
        let seen = format!("acknowledged after {} ms", shortest.as_millis());
        Finding::new(Verdict::Note, seen)
    } else {
        Finding::new(Verdict::Pass, "acknowledged at once")
    })
}

/// Lets the server wait for an acknowledgement of HANDSHAKE_DONE, and looks at what it does
/// meanwhile.
fn probes(run: &mut Run<'_>) -> Judged {
    let mut connection = run.before_finished(|_| {})?;
    let behaviour = &mut connection.endpoint_mut().behaviour;
    behaviour.acknowledges = false;
    behaviour.sends_crypto = true;
    let patience = connection.patience;
    if !connection.receives(|frame| *frame == Frame::HandshakeDone, patience) {
        return Err(Finding::new(Verdict::NotReached, "no HANDSHAKE_DONE"));
    }
    connection.endpoint_mut().behaviour.resends = false;
    // Once the intervals have grown, nothing that comes later could say something else.
    let until = connection.now() + patience * 4 / 3;
    let mut probes = Vec::new();
    let is_over = |connection: &Connection| connection.endpoint().ended().is_some();
    while !has_grown(&probes) && !is_over(&connection) && connection.now() < until {
        connection.settle(patience / 16);
        probes = probes_of(&connection);
    }
    let finding = judge_probes(&probes);
    Ok(match finding.verdict {
        Verdict::Fail => connection.accuse(finding.seen),
        _ => finding,
    })
}

/// Returns the time and size of groups of probes, behind HANDSHAKE_DONE, which is not acknowledged.
fn probes_of(connection: &Connection) -> Vec<(Instant, usize)> {
    let packets = connection.received_packets();
    let packets = packets.skip_while(|packet| !packet.frames().contains(&Frame::HandshakeDone));
    let eliciting = packets.filter(|packet| packet.is_ack_eliciting() && !is_for_the_mtu(packet));
    groups(eliciting.map(|packet| packet.at))
}

/// Tells whether a packet looks how large datagrams may be (RFC 9000 §14.4).
pub(super) fn is_for_the_mtu(packet: &ReceivedPacket) -> bool {
    let frames = packet.frames();
    let mut frames = frames.iter();
    packet.datagram_size > 1_200
        && frames.all(|frame| matches!(frame, Frame::Ping | Frame::Padding { .. }))
}

/// Returns the time and size of groups of packets that come together.
fn groups(times: impl Iterator<Item = Instant>) -> Vec<(Instant, usize)> {
    /// Shorter than any probe timeout (RFC 9002 §6.2.1), and longer than one burst takes.
    const TOGETHER: Duration = Duration::from_millis(10);
    let mut groups: Vec<(Instant, usize)> = Vec::new();
    for time in times {
        match groups.last_mut() {
            Some((at, count)) if time.saturating_duration_since(*at) < TOGETHER => *count += 1,
            _ => groups.push((time, 1)),
        }
    }
    groups
}

/// Intervals that are enough to see a period double: then one is four times the first.
const INTERVALS_MIN: usize = 3;

/// Returns the time from each group of packets to the next.
fn intervals(groups: &[(Instant, usize)]) -> Vec<Duration> {
    let pairs = groups.windows(2);
    pairs
        .map(|pair| pair[1].0.saturating_duration_since(pair[0].0))
        .collect()
}

/// Tells whether enough intervals were seen, and one that is twice the first.
fn has_grown(groups: &[(Instant, usize)]) -> bool {
    let intervals = intervals(groups);
    let is_longer = |interval: &Duration| *interval >= intervals[0] * 2;
    intervals.len() >= INTERVALS_MIN && intervals.iter().any(is_longer)
}

/// Judges groups of packets: the first is what is not acknowledged, the others are probes.
fn judge_probes(groups: &[(Instant, usize)]) -> Finding {
    /// Packets of one probe (RFC 9002 §6.2.4).
    const PACKETS_MAX: usize = 2;
    let intervals = intervals(groups);
    let words: Vec<_> = intervals
        .iter()
        .map(|interval| format!("{} ms", interval.as_millis()))
        .collect();
    let seen = format!("probes after {}", words.join(", "));
    if intervals.is_empty() {
        return Finding::new(Verdict::Fail, "no probe");
    }
    if intervals.len() >= INTERVALS_MIN && !has_grown(groups) {
        return Finding::new(Verdict::Fail, seen);
    }
    match groups
        .iter()
        .skip(1)
        .all(|(_, count)| *count <= PACKETS_MAX)
    {
        true => Finding::new(Verdict::Pass, seen),
        false => Finding::new(Verdict::Note, format!("{seen}, of more than two packets")),
    }
}
