//! The bar: how far ahead we want to be, and how far we are.

use serde_json::{Value, json};

use self::Against::{Best, EchoTime, EchoTimeOf, Nobody, Peer};
use crate::figures::three_digits;
use crate::record::{Figure, Record};

/// Differences below this share are ties on a noisy machine.
const TIE: f64 = 0.15;

/// Ratio of figures that we want to reach.
#[derive(Debug)]
struct Goal {
    what: &'static str,
    workload: &'static str,
    against: Against,
    /// Turns the ratio round: it is to be at least so much.
    is_inverse: bool,
    floor: f64,
    stretch: Option<f64>,
}

/// Figure that ours is divided by.
#[derive(Clone, Copy, Debug)]
enum Against {
    /// Median echo time of this server of ours over the best QUIC peer's.
    EchoTime(&'static str),
    /// Median echo time of the first server over that of one peer.
    EchoTimeOf(&'static str, &'static str),
    /// Our cost over the best QUIC peer's.
    Best,
    /// Our cost over that of one peer.
    Peer(&'static str),
    /// Our cost as it is.
    Nobody,
}

/// Goals, in the order of the table.
const GOALS: &[Goal] = &[
    Goal::of("a: p50 with spin", "a", EchoTime("qecho-spin"), 0.5, 0.3),
    Goal::of("a: p50 without", "a", EchoTime("qecho"), 1.0, 0.9),
    Goal::of("b", "b", Best, 0.95, 0.7),
    Goal::of("b1, one socket", "b1", Best, 0.95, 0.7),
    Goal::of("c", "c", Best, 0.65, 0.5),
    Goal::of("d", "d", Best, 0.95, 0.75),
    Goal::of("d, largest payloads", "d-largest", Best, 0.95, 0.75),
    Goal::of("e", "e", Best, 1.3, 1.0),
    Goal::of("f, kB a connection", "f", Nobody, 20.0, 10.5),
    Goal::of("g", "g", Best, 1.0, 0.85),
    Goal::floor("b: of TCP + TLS", "b", Peer("tcp-tls"), 1.0),
    Goal::floor("a: p50 with spin, of TCP + TLS", "a", SPIN_OF_TCP, 1.0),
    Goal::floor("d: of TCP + TLS", "d", Peer("tcp-tls"), 1.25),
    Goal::times_cheaper("b: aioquic over qecho", "b", 45.0),
    Goal::times_cheaper("c: aioquic over qecho", "c", 150.0),
    Goal::times_cheaper("d: aioquic over qecho", "d", 70.0),
];

const SPIN_OF_TCP: Against = EchoTimeOf("qecho-spin", "tcp-tls");

impl Goal {
    const fn of(
        what: &'static str,
        workload: &'static str,
        against: Against,
        floor: f64,
        stretch: f64,
    ) -> Self {
        Self {
            what,
            workload,
            against,
            is_inverse: false,
            floor,
            stretch: Some(stretch),
        }
    }

    const fn floor(what: &'static str, workload: &'static str, over: Against, floor: f64) -> Self {
        Self {
            stretch: None,
            ..Self::of(what, workload, over, floor, floor)
        }
    }

    const fn times_cheaper(what: &'static str, workload: &'static str, floor: f64) -> Self {
        Self {
            is_inverse: true,
            ..Self::floor(what, workload, Peer("aioquic"), floor)
        }
    }

    /// Returns what was measured, if all of it was.
    fn value(&self, record: &Record) -> Option<f64> {
        let cost: Figure = |sample| Some(sample.cost);
        let echo_time: Figure = |sample| sample.p50_us;
        let median = |peer: &str, figure: Figure| record.row(self.workload, peer)?.median(figure);
        let best = |figure: Figure| Some(record.best(self.workload, figure)?.1);
        let ratio = match self.against {
            EchoTime(ours) => median(ours, echo_time)? / best(echo_time)?,
            EchoTimeOf(ours, peer) => median(ours, echo_time)? / median(peer, echo_time)?,
            Best => median("qecho", cost)? / best(cost)?,
            Peer(peer) => median("qecho", cost)? / median(peer, cost)?,
            Nobody => median("qecho", cost)?,
        };
        Some(if self.is_inverse { 1.0 / ratio } else { ratio })
    }

    fn verdict(&self, value: f64) -> &'static str {
        let better = if self.is_inverse { 1.0 } else { -1.0 };
        let reserve = |limit: f64| better * (value - limit) / limit;
        match self.stretch {
            Some(stretch) if reserve(stretch) >= 0.0 => "stretch held",
            _ if reserve(self.floor) >= 0.0 => "floor held",
            _ if reserve(self.floor) > -TIE => "floor missed by less than 15 %: a tie",
            _ => "floor missed",
        }
    }
}

/// Returns each goal with what was measured and what is said of it.
fn results(record: &Record) -> impl Iterator<Item = (&'static Goal, Option<(f64, &'static str)>)> {
    let result = |goal: &Goal| goal.value(record).map(|value| (value, goal.verdict(value)));
    GOALS.iter().map(move |goal| (goal, result(goal)))
}

/// Returns the table of all goals for which there are figures.
pub(crate) fn table(record: &Record) -> String {
    let mut text = "\n### The bar\n\nRatios of medians, ours over the best QUIC peer's of this \
                    run where nobody else is named.\n\n\
                    | | measured | floor | stretch | |\n|---|---|---|---|---|\n"
        .to_owned();
    for (goal, result) in results(record) {
        let sign = if goal.is_inverse { "≥" } else { "≤" };
        let (measured, verdict) = match result {
            Some((value, verdict)) => (three_digits(value), verdict),
            None => (String::new(), "not measured"),
        };
        let stretch = goal.stretch.map(|it| format!("{sign} {it}"));
        let stretch = stretch.unwrap_or_default();
        let Goal { what, floor, .. } = goal;
        text += &format!("| {what} | {measured} | {sign} {floor} | {stretch} | {verdict} |\n");
    }
    text
}

/// Returns the same for programs.
pub(crate) fn json(record: &Record) -> Vec<Value> {
    let line = |(goal, result): (&Goal, Option<(f64, &str)>)| {
        json!({
            "what": goal.what,
            "workload": goal.workload,
            "measured": result.map(|(value, _)| value),
            "floor": goal.floor,
            "stretch": goal.stretch,
            "verdict": result.map(|(_, verdict)| verdict),
        })
    };
    results(record).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::PEERS;
    use crate::workload::named;

    #[test]
    fn a_verdict_knows_both_directions_and_ties() {
        let most = Goal::of("", "b", Best, 1.0, 0.8);
        assert_eq!(most.verdict(0.8), "stretch held");
        assert_eq!(most.verdict(0.9), "floor held");
        assert!(most.verdict(1.1).contains("a tie"));
        assert_eq!(most.verdict(1.2), "floor missed");
        let least = Goal::times_cheaper("", "b", 45.0);
        assert_eq!(least.verdict(50.0), "floor held");
        assert_eq!(least.verdict(20.0), "floor missed");
    }

    #[test]
    fn every_goal_is_about_a_workload_and_peers_that_exist() {
        for goal in GOALS {
            named(goal.workload);
            if let Peer(peer) | EchoTimeOf(_, peer) = goal.against {
                assert!(PEERS.iter().any(|it| it.name == peer), "{peer}");
            }
        }
    }
}
