//! Runs requirements against a peer and watches whether it lives.

use std::time::Duration;

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

/// Whether a peer takes handshakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It does.
    Alive,
    /// It does not; in words, as `no answer within 3 s`.
    Gone(String),
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
    gone: Option<String>,
}

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
        if let Liveness::Gone(why) = target.look() {
            lose(&mut report, why, rows, events);
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
            if let Some(why) = trial.gone {
                let why = format!("after {}: {why}", requirement.id);
                lose(&mut report, why, rows, events);
                break;
            }
        }
        report
    }

    /// Makes a note of what breaks nothing that is asked for.
    fn tempered(&self, requirement: &Requirement, mut finding: Finding) -> Finding {
        let fails = requirement.level == Level::Must
            || requirement.level == Level::Should && self.level >= Level::Should;
        if finding.verdict == Verdict::Fail && !fails {
            finding.verdict = Verdict::Note;
        }
        finding
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
    let speaks_against = matches!(
        first.finding.verdict,
        Verdict::Note | Verdict::Fail | Verdict::Crashed
    );
    if !speaks_against || first.gone.is_some() {
        return first;
    }
    events(Event::Repeated(requirement, &first.finding));
    let second = attempt(requirement, target, stop);
    if second.gone.is_some() {
        return second;
    }
    match second.finding.verdict == first.finding.verdict {
        true => first,
        false => Trial {
            finding: unsteady(first.finding, &second.finding),
            gone: None,
        },
    }
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
    let Liveness::Gone(why) = target.look() else {
        return Trial {
            finding,
            gone: None,
        };
    };
    let revived_after = revival(target, stop);
    // Where the requirement was never tried, it is no cause.
    if finding.verdict != Verdict::NotReached {
        finding.verdict = Verdict::Crashed;
        finding.seen += &format!("; then no further handshake: {why}");
        if let Some(time) = revived_after {
            finding.seen += &format!(", but another one {} ms later", time.as_millis());
        }
    }
    let gone = revived_after.is_none().then_some(why);
    Trial { finding, gone }
}

/// Waits for a peer that is started again; returns how long that took.
fn revival(target: &mut dyn Target, stop: &dyn Fn() -> bool) -> Option<Duration> {
    let mut waited = Duration::ZERO;
    for time in REVIVAL_PAUSES {
        if stop() {
            break;
        }
        target.pause(time);
        waited += time;
        if target.look() == Liveness::Alive {
            return Some(waited);
        }
    }
    None
}

/// Says once that nothing more can be reached, and why, and of no requirement more than that.
fn lose(
    report: &mut Report,
    why: String,
    rows: impl ExactSizeIterator<Item = &'static Requirement>,
    events: &mut dyn FnMut(Event<'_>),
) {
    let remaining = rows.len();
    if remaining > 0 {
        let why = &why;
        events(Event::Lost { why, remaining });
    }
    for requirement in rows {
        let finding = Finding::new(Verdict::NotReached, "the peer takes no handshakes");
        finish(report, requirement, finding, events);
    }
    report.lost = Some(why);
}

fn finish(
    report: &mut Report,
    requirement: &'static Requirement,
    finding: Finding,
    events: &mut dyn FnMut(Event<'_>),
) {
    let row = Row {
        requirement,
        finding,
    };
    events(Event::Finished(&row));
    report.rows.push(row);
}

#[cfg(test)]
mod tests;
