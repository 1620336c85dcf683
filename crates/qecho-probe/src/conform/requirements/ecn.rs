//! Explicit congestion notification (RFC 9000 §13.4, §19.3.2).

use qecho_packet::wire::{Ack, EcnCounts, Frame};
use qecho_peer::{network::Ecn, packet::one_rtt, received::ReceivedPacket, tls::Level};

use super::acknowledgements::largest_told;
use crate::conform::{
    Connection, Finding, Judged, Run, Verdict,
    connection::{judge_wrong, not_applicable, not_reached},
    requirement::{Requirement, Side::Server, must, rfc},
};

pub(super) static ROWS: &[Requirement] = &[
    must("K22", Server, rfc(9000, "13.4.1"))
        .also(&[rfc(9000, "19.3.2")])
        .text("Packets that come with ECT(0) are counted and told, if the bits can be read.")
        .stimulus("Ten PING packets with ECT(0)")
        .expected("ACK frames with an ECT(0) count of ten")
        .script(|run| counts(run, &[Ecn::Ect0; 10])),
    must("K23", Server, rfc(9000, "13.4.1"))
        .also(&[rfc(9000, "19.3.2")])
        .text("Packets that come with CE are counted as such and told, if the bits can be read.")
        .stimulus("Six PING packets with ECT(0) and four with CE")
        .expected("ACK frames with an ECT(0) count of six and an ECN-CE count of four")
        .script(|run| {
            let [six, four] = [Ecn::Ect0, Ecn::Ce];
            counts(run, &[six, six, four, six, four, six, four, six, four, six])
        }),
    must("K24", Server, rfc(9000, "13.4.2.2"))
        .also(&[rfc(9000, "13.4.2.1")])
        .text("Who gets no ECN counts for packets with ECT sends no more of them.")
        .stimulus("ACK frames without ECN counts, where packets come with ECT")
        .expected("no ECT, or not on all packets")
        .script(|run| {
            let mut connection = run.open_behaving(|behaviour| behaviour.reports_ecn = false)?;
            // The packets of the handshake were acknowledged without counts, too.
            stops_marking(&mut connection, |connection| {
                connection.lives().then_some(true)
            })
        }),
    must("K25", Server, rfc(9000, "13.4.2.2"))
        .also(&[rfc(9000, "13.4.2.1")])
        .text("Who gets ECN counts that are too low for packets with ECT sends no more of them.")
        .stimulus("ACK frames with ECN counts of 0, where packets come with ECT")
        .expected("no ECT, or not on all packets")
        .script(|run| {
            // What confirms the handshake is the first that is acknowledged with wrong counts.
            let mut connection = run.before_finished(|_| {})?;
            let behaviour = &mut connection.endpoint_mut().behaviour;
            (behaviour.acknowledges, behaviour.sends_crypto) = (false, true);
            stops_marking(&mut connection.confirmed()?, acknowledge_without_counting)
        }),
];

/// Acknowledges the newest packet with ECN counts of 0, and asks for more; tells, if the peer
/// answers, whether it had marked the packet, and had not heard of it, nor of one behind it: no
/// other acknowledgement need fail a validation (RFC 9000 §13.4.2.1).
fn acknowledge_without_counting(connection: &mut Connection) -> Option<bool> {
    // Some keep no record of packets that are nothing but acknowledgements.
    let newest = connection
        .received_packets()
        .filter(|packet| packet.is_ack_eliciting())
        .max_by_key(|packet| packet.number)?;
    let largest = newest.number;
    let is_new = is_marked(newest) && largest_told(connection) < Some(largest);
    let none = EcnCounts {
        ect0: 0,
        ect1: 0,
        ce: 0,
    };
    let (delay, ranges, ecn) = (0, vec![largest..=largest], Some(none));
    let ack = Frame::Ack(Ack { delay, ranges, ecn });
    let data = *b"qechoecn";
    connection.send(one_rtt([ack, Frame::PathChallenge { data }]).once());
    connection.lives().then_some(is_new)
}

fn is_marked(packet: &ReceivedPacket) -> bool {
    matches!(packet.ecn, Ecn::Ect0 | Ecn::Ect1)
}

/// Sends packets with marks, and compares what is told of them.
fn counts(run: &mut Run<'_>, marks: &[Ecn]) -> Judged {
    let mut connection = run.open()?;
    let first = connection.endpoint().next_number(Level::OneRtt);
    for mark in marks {
        connection.send(one_rtt([Frame::Ping]).ecn(*mark).once());
    }
    let last = connection.endpoint().next_number(Level::OneRtt) - 1;
    let patience = connection.patience / 2;
    connection.wait_for(
        |endpoint| endpoint.is_acknowledged(Level::OneRtt, last),
        patience,
    );
    connection.lives();
    let numbers = (first..).zip(marks).collect::<Vec<_>>();
    let is_acknowledged = |number| connection.endpoint().is_acknowledged(Level::OneRtt, number);
    let acknowledged = numbers
        .iter()
        .filter(|(number, _)| is_acknowledged(*number));
    let acknowledged = [Ecn::Ect0, Ecn::Ce]
        .map(|of| acknowledged.clone().filter(|one| *one.1 == of).count() as u64);
    let sent =
        [Ecn::Ect0, Ecn::Ce].map(|of| marks.iter().filter(|mark| **mark == of).count() as u64);
    if acknowledged == [0; 2] {
        return Err(not_reached("nothing is acknowledged"));
    }
    let told = connection.received_packets().flat_map(told_counts);
    let Some(told) = told.reduce(|one, other| [0, 1, 2].map(|place| one[place].max(other[place])))
    else {
        let seen = "no ECN counts: perhaps the server cannot read the bits";
        return Ok(Finding::new(Verdict::Note, seen));
    };
    let [ect0, ect1, ce] = told;
    let seen = format!("ECT(0) {ect0}, ECT(1) {ect1}, CE {ce}");
    // Something on the way may change the bits, of all packets, but makes no more of them.
    let record = connection.endpoint().record();
    let packets = record.sent.iter().filter(|one| one.level == Level::OneRtt);
    let is_too_few = ect0 < acknowledged[0] || ce < acknowledged[1];
    let verdict = if ect0.saturating_add(ect1).saturating_add(ce) > packets.count() as u64 {
        Verdict::Fail
    } else if is_too_few || ect0 > sent[0] || ce > sent[1] || ect1 > 0 {
        Verdict::Note
    } else {
        Verdict::Pass
    };
    Ok(Finding::new(verdict, seen))
}

/// Returns the ECN counts that a packet tells.
fn told_counts(packet: &ReceivedPacket) -> Option<[u64; 3]> {
    packet.frames().iter().find_map(|frame| match frame {
        Frame::Ack(Ack {
            ecn: Some(counts), ..
        }) => Some([counts.ect0, counts.ect1, counts.ce]),
        _ => None,
    })
}

/// Acknowledges marked packets in a way that must make an end of them; whether a peer that tries
/// again later does so is its own affair. Each acknowledgement tells, if there is an answer, whether
/// it had to.
fn stops_marking(
    connection: &mut Connection,
    acknowledge: fn(&mut Connection) -> Option<bool>,
) -> Judged {
    const ROUNDS: usize = 12;
    let is_tracked = |packet: &ReceivedPacket| is_marked(packet) && packet.is_ack_eliciting();
    if !connection.endpoint().received().iter().any(is_tracked) {
        return Err(not_applicable(
            "no packets that are acknowledged come with ECT",
        ));
    }
    let (mut before, mut had_to) = (0, false);
    for round in 0..2 * ROUNDS {
        if round == ROUNDS {
            before = connection.received_packets().count();
        }
        let Some(has_to) = acknowledge(connection) else {
            return Err(not_reached("no answer any more"));
        };
        had_to |= has_to && round < ROUNDS;
    }
    let later = connection.received_packets().skip(before);
    // What asks a path, or answers it, may go unmarked whatever the counts are.
    let is_of_a_path = |frame: &Frame<'_>| matches!(frame, Frame::PathResponse { .. });
    let later = later.filter(|packet| !packet.frames().iter().any(is_of_a_path));
    let later: Vec<_> = later.collect();
    if later.is_empty() {
        return Err(not_reached("nothing but answers to PATH_CHALLENGE"));
    }
    let marked = later.iter().filter(|packet| is_marked(packet)).count();
    if marked == later.len() && !had_to {
        return Err(not_reached("no marked packet was acknowledged"));
    }
    let wrong =
        (marked == later.len()).then(|| format!("{marked} of {marked} later packets have ECT"));
    Ok(judge_wrong(
        wrong,
        &format!("{marked} of {} later packets have ECT", later.len()),
    ))
}
