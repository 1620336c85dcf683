//! Runs requirements against a peer and watches whether it lives.

use std::time::Duration;

use qecho_packet::Direction;

use super::{Finding, Level, Report, Requirement, Row, Verdict};

/// Pauses between looks for a peer that no longer takes handshakes: one that is started again by
/// then has crashed, too, but the others can be tried.
pub const REVIVAL_PAUSES: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The peer that is tested, with the network and clock in between.
pub trait Target {
    /// Tries a requirement on fresh connections. What breaks a SHOULD or MAY is a
    /// [`Verdict::Fail`] here like any other.
    fn run(&mut self, requirement: &'static Requirement) -> Finding;

    /// Tries a fresh handshake.
    fn look(&mut self) -> Liveness;

    /// Waits.
    fn pause(&mut self, time: Duration);
}

/// Whether a peer takes handshakes; if not, why, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It does.
    Alive,
    /// It answers, but no handshake comes about: it lives, and may be busy.
    Refusing(String),
    /// Nothing comes back, for which a network that lets few new flows through is enough.
    Silent(String),
    /// The system says that nobody is there.
    Gone(String),
    /// This host can reach nobody, which says nothing of the peer.
    Unable(String),
}

/// A peer that cannot be reached, for this reason.
#[derive(Clone, Debug)]
pub struct Unreachable(pub String);

impl Target for Unreachable {
    fn run(&mut self, _: &'static Requirement) -> Finding {
        Finding::new(Verdict::NotReached, &self.0)
    }

    fn look(&mut self) -> Liveness {
        Liveness::Gone(self.0.clone())
    }

    fn pause(&mut self, _: Duration) {}
}

/// What happens in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A requirement is tried.
    Started(&'static Requirement),
    /// It is tried a second time, for this speaks against the peer.
    Repeated(&'static Requirement, &'a Finding),
    /// The peer takes no handshakes: nothing more can be reached.
    Lost {
        /// In words.
        why: &'a str,
        /// How many requirements remain.
        remaining: usize,
    },
    /// There is a verdict.
    Finished(&'a Row),
}

/// Runs requirements one after the other.
#[derive(Clone, Debug)]
pub struct Runner {
    target: String,
    level: Level,
}

/// One run of a requirement, and what became of the peer.
struct Trial {
    finding: Finding,
    /// Why no more handshakes can be hoped for.
    lost: Option<Liveness>,
}

/// Datagrams that go unanswered at the end of a run whose peer is silent: with fewer, it may have
/// had nothing to answer.
const UNANSWERED_MIN: usize = 3;

/// Time to a first answer from which on the peer is not on this host.
const FAR: Duration = Duration::from_millis(20);

impl Runner {
    /// Makes a runner for a peer of this name, by which what breaks a MUST fails.
    pub fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            level: Level::Must,
        }
    }

    /// Lets what breaks a SHOULD fail, too, if it is [`Level::Should`]; nothing fails for a MAY.
    pub fn with_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Tries requirements until there are no more, or `stop` says so before one; then the report
    /// is partial. Tells `events` what happens.
    pub fn run(
        &self,
        rows: &[&'static Requirement],
        target: &mut dyn Target,
        events: &mut dyn FnMut(Event<'_>),
        stop: &dyn Fn() -> bool,
    ) -> Report {
        let mut report = Report::new(&self.target);
        let mut rows = rows.iter().copied();
        let look = target.look();
        // A look that was cut off says nothing.
        if stop() {
            report.is_partial = true;
            return report;
        }
        if let Some(why) = look.why() {
            lose(&mut report, why.to_owned(), &look, rows, events);
            return report;
        }
        while let Some(requirement) = rows.next() {
            if stop() {
                report.is_partial = true;
                break;
            }
            events(Event::Started(requirement));
            let trial = settle(requirement, target, events, stop);
            // What was cut off says nothing.
            if stop() {
                report.is_partial = true;
                break;
            }
            let finding = self.tempered(requirement, trial.finding);
            finish(&mut report, requirement, finding, events);
            if let Some(look) = trial.lost {
                let why = look.why().unwrap_or_default();
                let why = format!("after {}: {why}", requirement.id);
                lose(&mut report, why, &look, rows, events);
                break;
            }
        }
        report
    }

    /// Makes a note of what breaks nothing that is asked for.
    pub(crate) fn tempered(&self, requirement: &Requirement, mut finding: Finding) -> Finding {
        let fails = requirement.level == Level::Must
            || requirement.level == Level::Should && self.level >= Level::Should;
        if finding.verdict == Verdict::Fail && !fails {
            finding.verdict = Verdict::Note;
        }
        finding
    }
}

impl Liveness {
    /// Returns why there was no handshake, unless there was one.
    fn why(&self) -> Option<&str> {
        match self {
            Self::Alive => None,
            Self::Refusing(why) | Self::Silent(why) | Self::Gone(why) | Self::Unable(why) => {
                Some(why)
            }
        }
    }

    /// Returns what is to be said of requirements that are not tried for this.
    fn words(&self) -> &'static str {
        match self {
            Self::Unable(_) => "this host can make no connection",
            _ => "the peer takes no handshakes",
        }
    }
}

/// Tries a requirement, twice if the first run speaks against the peer.
fn settle(
    requirement: &'static Requirement,
    target: &mut dyn Target,
    events: &mut dyn FnMut(Event<'_>),
    stop: &dyn Fn() -> bool,
) -> Trial {
    let first = attempt(requirement, target, stop);
    if !first.finding.verdict.speaks_against() {
        return first;
    }
    if let Some(look) = &first.lost {
        // The system's word is enough, but a run is not.
        if first.finding.verdict == Verdict::Crashed {
            return first;
        }
        let second = Finding::new(Verdict::NotReached, look.words());
        return Trial {
            finding: unsteady(first.finding, &second),
            lost: first.lost,
        };
    }
    events(Event::Repeated(requirement, &first.finding));
    let second = attempt(requirement, target, stop);
    if second.lost.is_some() && second.finding.verdict == Verdict::Crashed {
        return second;
    }
    let finding = match (first.finding.verdict, second.finding.verdict) {
        (Verdict::Note, Verdict::Note) if second.lost.is_none() && may_be_loss(&first, &second) => {
            let third = attempt(requirement, target, stop);
            return match third.finding.verdict {
                Verdict::Pass => third,
                _ => Trial {
                    finding: first.finding,
                    ..third
                },
            };
        }
        // What it said the first time was lost.
        (Verdict::Note, Verdict::Pass) => second.finding,
        (first_verdict, verdict) if verdict == first_verdict => first.finding,
        _ => unsteady(first.finding, &second.finding),
    };
    let lost = second.lost;
    Trial { finding, lost }
}

/// Tells whether a peer may have closed the connection each time, and its word been lost: on a way
/// as long as that of a network, which loses more than this host does.
fn may_be_loss(first: &Trial, second: &Trial) -> bool {
    [first, second].iter().all(|trial| {
        let packets = &trial.finding.packets;
        let answer = packets
            .iter()
            .find(|it| it.direction == Direction::Received);
        let is_far = answer.is_some_and(|answer| answer.time >= FAR);
        is_far && ends_in_silence(&trial.finding)
    })
}

/// Makes one of two runs that differ; the packets are those of the first, which spoke against the
/// peer.
fn unsteady(first: Finding, second: &Finding) -> Finding {
    let seen = format!(
        "{} at first ({}), then {} ({})",
        first.verdict, first.seen, second.verdict, second.seen
    );
    Finding {
        verdict: Verdict::Unsteady,
        seen,
        took: first.took + second.took,
        ..first
    }
}

/// Tries a requirement once, and looks whether the peer lives.
fn attempt(
    requirement: &'static Requirement,
    target: &mut dyn Target,
    stop: &dyn Fn() -> bool,
) -> Trial {
    let mut finding = target.run(requirement);
    let look = target.look();
    let Some(why) = look.why() else {
        return Trial {
            finding,
            lost: None,
        };
    };
    let revived = revival(&look, target, stop);
    // Where the requirement was never tried, it is no cause.
    let is_tried = !matches!(
        finding.verdict,
        Verdict::NotReached | Verdict::NotApplicable
    );
    let has_crashed = match look {
        Liveness::Gone(_) => true,
        // A second run has to agree.
        Liveness::Silent(_) => revived.is_ok() && ends_in_silence(&finding),
        _ => false,
    };
    if is_tried && has_crashed {
        finding.verdict = Verdict::Crashed;
        finding.seen += &format!("; then no further handshake: {why}");
        if let Ok(time) = revived {
            finding.seen += &format!(", but another one {} ms later", time.as_millis());
        }
    }
    let lost = revived.err();
    Trial { finding, lost }
}

/// Tells whether a run speaks against a peer that did not answer any more at its end.
fn ends_in_silence(finding: &Finding) -> bool {
    let last = finding.packets.iter().rev();
    let unanswered = last.take_while(|packet| packet.direction == Direction::Sent);
    finding.verdict.speaks_against() && unanswered.count() >= UNANSWERED_MIN
}

/// Waits for a peer that is started again; returns how long that took.
///
/// # Errors
/// What the last look has shown, if it does not come back.
fn revival(
    look: &Liveness,
    target: &mut dyn Target,
    stop: &dyn Fn() -> bool,
) -> Result<Duration, Liveness> {
    let mut last = look.clone();
    let mut waited = Duration::ZERO;
    for time in REVIVAL_PAUSES {
        // This host does not get better by waiting.
        if stop() || matches!(last, Liveness::Unable(_)) {
            break;
        }
        target.pause(time);
        waited += time;
        last = target.look();
        if last == Liveness::Alive {
            return Ok(waited);
        }
    }
    Err(last)
}

/// Says once that nothing more can be reached, and why, and of no requirement more than that.
fn lose(
    report: &mut Report,
    why: String,
    look: &Liveness,
    rows: impl ExactSizeIterator<Item = &'static Requirement>,
    events: &mut dyn FnMut(Event<'_>),
) {
    let remaining = rows.len();
    if remaining > 0 {
        let why = &why;
        events(Event::Lost { why, remaining });
    }
    for requirement in rows {
        let finding = Finding::new(Verdict::NotReached, look.words());
        finish(report, requirement, finding, events);
    }
    report.lost = Some(why);
}

fn finish(
    report: &mut Report,
    requirement: &'static Requirement,
    mut finding: Finding,
    events: &mut dyn FnMut(Event<'_>),
) {
    // Nobody looks into the bytes of what is as it should be.
    if finding.verdict == Verdict::Pass {
        for packet in &mut finding.packets {
            packet.datagram = Vec::new();
        }
    }
    let row = Row {
        requirement,
        finding,
    };
    events(Event::Finished(&row));
    report.rows.push(row);
}

#[cfg(test)]
mod tests;
