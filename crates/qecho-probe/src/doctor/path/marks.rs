//! ECN marks: whether they arrive as they were sent (RFC 9000 §13.4).

use std::time::Duration;

use qecho_packet::{TransportParameters, wire::Frame};
use qecho_peer::{network::Ecn, packet::one_rtt, tls::Level};

use super::hears_of;
use crate::doctor::{Cause, Finding, RungReport, reached::Connection};

/// Time between two packets.
const PAUSE: Duration = Duration::from_millis(10);
/// Time after which marks are looked at again, and the time between two packets then: a queue that
/// was full may have become empty.
const LATER: Duration = Duration::from_secs(3);
const PAUSE_LATER: Duration = Duration::from_millis(100);
/// Packets of which something can be said.
const PACKETS_MIN: u64 = 10;

/// Marks of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Whether packets were sent with ECT(0).
    pub(super) is_marked: bool,
    /// Those that the peer acknowledged.
    pub(super) acknowledged: u64,
    /// Packets that it has counted, if it counts: ECT(0), ECT(1), CE.
    pub(super) counts: Option<[u64; 3]>,
    /// Whether it is known to count.
    pub(super) counts_for_sure: bool,
    /// Packets that came with ECT, with CE, and in all.
    pub(super) received: [u64; 3],
}

/// Sends some packets with ECT(0), or without.
pub(super) fn observe(connection: &mut Connection, count: usize, is_marked: bool) -> Option<Marks> {
    observe_each(connection, count, is_marked, PAUSE)
}

/// Sends some packets with ECT(0) once more, later and more slowly.
pub(super) fn observe_later(connection: &mut Connection, count: usize) -> Option<Marks> {
    connection.probe.settle(LATER);
    observe_each(connection, count, true, PAUSE_LATER)
}

fn observe_each(
    connection: &mut Connection,
    count: usize,
    is_marked: bool,
    pause: Duration,
) -> Option<Marks> {
    let mark = if is_marked { Ecn::Ect0 } else { Ecn::NotEct };
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(connection.send(one_rtt([Frame::Ping]).ecn(mark)));
        connection.probe.settle(pause);
    }
    if !hears_of(connection, &numbers) || connection.is_over() {
        return None;
    }
    let acknowledged = numbers
        .iter()
        .filter(|number| connection.is_acknowledged(**number));
    let mut marks = Marks {
        is_marked,
        acknowledged: acknowledged.count() as u64,
        counts_for_sure: connection
            .endpoint()
            .peer_parameters()
            .is_some_and(TransportParameters::counts_ecn),
        ..Marks::default()
    };
    let packets = connection.endpoint().received().iter();
    for packet in packets.filter(|packet| packet.level == Level::OneRtt) {
        marks.received[2] += 1;
        match packet.ecn {
            Ecn::NotEct => {}
            Ecn::Ce => marks.received[1] += 1,
            Ecn::Ect0 | Ecn::Ect1 => marks.received[0] += 1,
        }
        for frame in packet.frames() {
            if let Frame::Ack(ack) = frame
                && let Some(ecn) = ack.ecn
            {
                let [ect0, ect1, ce] = marks.counts.unwrap_or_default();
                marks.counts = Some([ect0.max(ecn.ect0), ect1.max(ecn.ect1), ce.max(ecn.ce)]);
            }
        }
    }
    Some(marks)
}

impl Marks {
    fn counted(&self) -> u64 {
        let counts = self.counts.unwrap_or_default().into_iter();
        counts.fold(0, u64::saturating_add)
    }

    fn has_arrived(&self) -> bool {
        self.acknowledged >= PACKETS_MIN
    }

    fn has_enough(&self) -> bool {
        self.is_marked && self.has_arrived()
    }

    /// Tells whether so few are counted that no order of acknowledgements explains it.
    fn is_bleached(&self) -> bool {
        let is_known = self.counts_for_sure || self.counts.is_some();
        // RFC 9000 §13.4.2.1: as many as are acknowledged, at least.
        let missing = self.acknowledged.saturating_sub(self.counted());
        self.has_enough() && is_known && 4 * missing >= self.acknowledged
    }

    fn is_all_ce_up(&self) -> bool {
        let [ect0, ect1, ce] = self.counts.unwrap_or_default();
        self.has_enough() && ect0 + ect1 == 0 && ce >= self.acknowledged
    }

    fn is_all_ce_down(&self) -> bool {
        let [_, ce, all] = self.received;
        ce == all && all >= PACKETS_MIN
    }

    /// Tells whether this is worth another look.
    pub(super) fn is_odd(&self) -> bool {
        self.is_bleached() || self.is_all_ce_up() || self.is_all_ce_down()
    }

    pub(super) fn report(&self, rung: &mut RungReport) {
        let of = self.acknowledged;
        rung.say(match self.counts {
            _ if of == 0 => "no datagram with ECT(0) was acknowledged".into(),
            Some([ect0, ect1, ce]) => format!(
                "of {of} datagrams with ECT(0) arrived {ect0} as such, {ce} with CE{}",
                match ect1 {
                    0 => String::new(),
                    ect1 => format!(", {ect1} with ECT(1)"),
                }
            ),
            None if self.counts_for_sure => {
                format!("of {of} datagrams with ECT(0) none arrived as such")
            }
            None => "the server counts no ECN marks, so nothing is known of them".into(),
        });
        let [ect, ce, all] = self.received;
        rung.say(match ect + ce {
            _ if all == 0 => "nothing came from the server to look for marks in".into(),
            0 => "the server marks nothing, or the marks are cleared on the way back".into(),
            _ => format!("of {all} datagrams from the server came {ect} with ECT, {ce} with CE"),
        });
        rung.fact("ecn_acknowledged", of);
        rung.fact("ecn_counts", self.counts.map(|counts| counts.to_vec()));
        rung.fact("ecn_received", self.received.to_vec());
    }
}

/// Judges two connections with marks, and one without between them: that one shows that it is the
/// marks that make the difference, or that even what bears none is marked.
pub(super) fn judge(marked: &[Marks], unmarked: Option<&Marks>) -> Option<Finding> {
    let all = |is_so: fn(&Marks) -> bool| marked.len() >= 2 && marked.iter().all(is_so);
    let counts = |marks: &Marks| {
        format!(
            "with ECT(0): {} datagrams acknowledged, {} counted, {} of these with CE",
            marks.acknowledged,
            marks.counted(),
            marks.counts.unwrap_or_default()[2]
        )
    };
    let without = unmarked.map(|marks| {
        format!(
            "without ECT: {} datagrams acknowledged, {} counted with CE",
            marks.acknowledged,
            marks.counts.unwrap_or_default()[2]
        )
    });
    let evidence = marked.iter().map(counts).chain(without);
    let is_up = all(Marks::is_all_ce_up) && unmarked.is_some_and(Marks::has_arrived);
    if is_up || all(Marks::is_all_ce_down) {
        let way = if is_up { "to" } else { "from" };
        let finding = Finding::new(
            Cause::EcnAllCe,
            format!(
                "All datagrams on the way {way} the server arrive marked as having met congestion."
            ),
            "Look for a router or tunnel that sets the ECN bits to CE; senders slow down for it.",
        );
        let down = marked.iter().map(|marks| {
            let [_, ce, all] = marks.received;
            format!("{ce} of {all} datagrams from the server came with CE")
        });
        let control = unmarked.map(|marks| match marks.counts.unwrap_or_default()[2] {
            0 => "datagrams without ECT arrive without CE",
            _ => "even datagrams without ECT arrive with CE, which no queue may do to them",
        });
        let alike = "a queue that is full all the time, and marks whatever passes, looks alike";
        return Some(
            finding
                .with_evidence(evidence)
                .with_evidence(down)
                .with_evidence(control.filter(|_| is_up))
                .with_evidence([alike]),
        );
    }
    if !all(Marks::is_bleached) {
        return None;
    }
    let is_known = marked.iter().all(|marks| marks.counts_for_sure);
    let doubt = match is_known {
        true => "the server says that it counts marks (transport parameter qecho)",
        false => "a server that miscounts looks alike",
    };
    let finding = Finding::new(
        Cause::EcnBleached,
        "ECN marks are cleared on the way to the server.",
        "Look for a router or tunnel that clears the ECN bits, mostly by rewriting all of the \
         traffic class; congestion is seen by loss alone.",
    );
    Some(finding.with_evidence(evidence).with_evidence([doubt]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(acknowledged: u64, counts: Option<[u64; 3]>, counts_for_sure: bool) -> Marks {
        Marks {
            is_marked: true,
            acknowledged,
            counts,
            counts_for_sure,
            received: [0, 0, 20],
        }
    }

    fn unmarked(ce: u64) -> Marks {
        Marks {
            is_marked: false,
            ..marks(20, (ce > 0).then_some([0, 0, ce]), false)
        }
    }

    #[test]
    fn all_ce_needs_datagrams_without_marks_that_arrive_and_says_how() {
        let twice = [(); 2].map(|()| marks(20, Some([0, 0, 20]), false));
        assert_eq!(judge(&twice, None), None);
        let few = Marks {
            acknowledged: 3,
            ..unmarked(0)
        };
        assert_eq!(judge(&twice, Some(&few)), None);
        for (ce, words) in [
            (0, "without ECT arrive without CE"),
            (20, "even datagrams without"),
        ] {
            let finding = judge(&twice, Some(&unmarked(ce)));
            let evidence = finding.map(|it| it.evidence.join("\n"));
            let is_said = evidence.as_ref().is_some_and(|it| it.contains(words));
            assert!(is_said, "{evidence:?}");
        }
    }

    #[test]
    fn bleaching_is_said_only_of_a_server_that_counts() {
        for (marks, expected) in [
            (marks(20, Some([20, 0, 0]), false), None),
            (marks(20, Some([18, 0, 2]), false), None),
            (marks(20, Some([19, 0, 0]), false), None),
            (marks(20, None, false), None),
            (marks(20, None, true), Some(Cause::EcnBleached)),
            (marks(20, Some([8, 0, 0]), false), Some(Cause::EcnBleached)),
            (marks(20, Some([0, 20, 0]), false), None),
            (marks(20, Some([0, 0, 20]), false), Some(Cause::EcnAllCe)),
            (marks(4, None, true), None),
        ] {
            let twice = [marks.clone(), marks.clone()];
            let finding = judge(&twice, Some(&unmarked(0)));
            assert_eq!(finding.map(|it| it.cause), expected, "{marks:?}");
            assert_eq!(judge(&[marks], None), None, "once is not enough");
        }
        let mut received = marks(20, Some([20, 0, 0]), false);
        received.received = [0, 20, 20];
        let finding = judge(&[received.clone(), received], None);
        assert_eq!(finding.map(|it| it.cause), Some(Cause::EcnAllCe));
    }
}
