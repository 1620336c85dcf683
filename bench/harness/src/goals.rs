//! The bar: how far ahead we want to be, and how far we are.

use serde_json::{Value, json};

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
    direction: Direction,
    floor: f64,
    stretch: Option<f64>,
}

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    AtMost,
    /// The ratio is the other way round.
    AtLeast,
}

/// Goal and the measured value, if there is one.
#[derive(Debug)]
pub(crate) struct Line {
    goal: &'static Goal,
    value: Option<f64>,
}

const GOALS: &[Goal] = &[
    Goal::of(
        "a: p50 with spin",
        "a",
        Against::EchoTime("qecho-spin"),
        0.5,
        0.3,
    ),
    Goal::of("a: p50 without", "a", Against::EchoTime("qecho"), 1.0, 0.9),
    Goal::of("b", "b", Against::Best, 0.95, 0.7),
    Goal::of("b1, one socket", "b1", Against::Best, 0.95, 0.7),
    Goal::of("c", "c", Against::Best, 0.65, 0.5),
    Goal::of("d", "d", Against::Best, 0.95, 0.75),
    Goal::of(
        "d, largest payloads",
        "d-largest",
        Against::Best,
        0.95,
        0.75,
    ),
    Goal::of("e", "e", Against::Best, 1.3, 1.0),
    Goal::of("f, kB a connection", "f", Against::Nobody, 20.0, 10.5),
    Goal::of("g", "g", Against::Best, 1.0, 0.85),
    Goal::floor("b: of TCP + TLS", "b", Against::Peer("tcp-tls"), 1.0),
    Goal::floor(
        "a: p50 with spin, of TCP + TLS",
        "a",
        Against::EchoTimeOf("qecho-spin", "tcp-tls"),
        1.0,
    ),
    Goal::floor("d: of TCP + TLS", "d", Against::Peer("tcp-tls"), 1.25),
    Goal::times_cheaper("b: aioquic over qecho", "b", 45.0),
    Goal::times_cheaper("c: aioquic over qecho", "c", 150.0),
    Goal::times_cheaper("d: aioquic over qecho", "d", 70.0),
];

impl Goal {
    const fn of(
        what: &'static str,
        workload: &'static str,
        against: Against,
        floor: f64,
        stretch: f64,
    ) -> Self {
        Self {
            stretch: Some(stretch),
            ..Self::floor(what, workload, against, floor)
        }
    }

    const fn floor(
        what: &'static str,
        workload: &'static str,
        against: Against,
        floor: f64,
    ) -> Self {
        Self {
            what,
            workload,
            against,
            direction: Direction::AtMost,
            floor,
            stretch: None,
        }
    }

    const fn times_cheaper(what: &'static str, workload: &'static str, floor: f64) -> Self {
        Self {
            direction: Direction::AtLeast,
            ..Self::floor(what, workload, Against::Peer("aioquic"), floor)
        }
    }

    /// Returns what was measured, if all of it was.
    fn value(&self, record: &Record) -> Option<f64> {
        let cost: Figure = |sample| sample.cost;
        let echo_time: Figure = |sample| sample.p50_us;
        let median = |peer: &str, figure: Figure| record.row(self.workload, peer)?.median(figure);
        let best = |figure: Figure| Some(record.best(self.workload, figure)?.1);
        let ratio = match self.against {
            Against::EchoTime(ours) => median(ours, echo_time)? / best(echo_time)?,
            Against::EchoTimeOf(ours, peer) => median(ours, echo_time)? / median(peer, echo_time)?,
            Against::Best => median("qecho", cost)? / best(cost)?,
            Against::Peer(peer) => median("qecho", cost)? / median(peer, cost)?,
            Against::Nobody => median("qecho", cost)?,
        };
        Some(match self.direction {
            Direction::AtMost => ratio,
            Direction::AtLeast => 1.0 / ratio,
        })
    }

    fn verdict(&self, value: f64) -> &'static str {
        // Positive is good.
        let reserve = |limit: f64| match self.direction {
            Direction::AtMost => (limit - value) / limit,
            Direction::AtLeast => (value - limit) / limit,
        };
        match self.stretch {
            Some(stretch) if reserve(stretch) >= 0.0 => "stretch held",
            _ if reserve(self.floor) >= 0.0 => "floor held",
            _ if reserve(self.floor) > -TIE => "floor missed by less than 15 %: a tie",
            _ => "floor missed",
        }
    }
}

/// Compares what was measured with what is wanted.
pub(crate) fn lines(record: &Record) -> Vec<Line> {
    let line = |goal: &'static Goal| Line {
        goal,
        value: goal.value(record),
    };
    GOALS.iter().map(line).collect()
}

/// Returns the table of all goals for which there are figures.
pub(crate) fn table(record: &Record) -> String {
    let mut text = "\n### The bar\n\nRatios of medians, ours over the best QUIC peer's of this \
                    run where nobody else is named.\n\n\
                    | | measured | floor | stretch | |\n|---|---|---|---|---|\n"
        .to_owned();
    for Line { goal, value } in lines(record) {
        let sign = match goal.direction {
            Direction::AtMost => "≤",
            Direction::AtLeast => "≥",
        };
        let (measured, verdict) = match value {
            Some(value) => (three_digits(value), goal.verdict(value)),
            None => (String::new(), "not measured"),
        };
        let stretch = goal
            .stretch
            .map_or(String::new(), |it| format!("{sign} {it}"));
        let floor = format!("{sign} {}", goal.floor);
        text += &format!(
            "| {} | {measured} | {floor} | {stretch} | {verdict} |\n",
            goal.what
        );
    }
    text
}

impl Line {
    pub(crate) fn json(&self) -> Value {
        json!({
            "what": self.goal.what,
            "workload": self.goal.workload,
            "measured": self.value,
            "floor": self.goal.floor,
            "stretch": self.goal.stretch,
            "verdict": self.value.map(|value| self.goal.verdict(value)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::PEERS;
    use crate::workload::named;

    #[test]
    fn a_verdict_knows_both_directions_and_ties() {
        let most = Goal::of("", "b", Against::Best, 1.0, 0.8);
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
            if let Against::Peer(peer) | Against::EchoTimeOf(_, peer) = goal.against {
                assert!(PEERS.iter().any(|it| it.name == peer), "{peer}");
            }
        }
    }
}
