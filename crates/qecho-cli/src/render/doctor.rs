//! Words of the doctor: a line a rung, and a verdict.

mod html;
mod json;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use qecho_packet::text;
use qecho_probe::doctor::{
    Cause, FaultSide, Finding, Report, Rung, RungReport, RungResult, compare,
};

use super::Render;

pub(crate) use self::{
    html::{Origin, html},
    json::rung_line,
};

/// Columns of a rung's title, behind its mark.
const TITLE: usize = 12;
/// Columns of a terminal at which lines stand behind titles.
const WIDTH_MIN: usize = 60;

/// Signs before a rung and within words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signs {
    passed: &'static str,
    failed: &'static str,
    untold: &'static str,
}

impl Signs {
    /// Signs that any good terminal shows.
    pub(crate) const UNICODE: Self = Self {
        passed: "✔",
        failed: "✘",
        untold: "–",
    };

    /// Signs of ASCII, of the same width.
    pub(crate) const ASCII: Self = Self {
        passed: "+",
        failed: "x",
        untold: "-",
    };

    fn of(self, result: RungResult) -> &'static str {
        match result {
            RungResult::Passed => self.passed,
            RungResult::Failed => self.failed,
            _ => self.untold,
        }
    }
}

/// All that a run has come to, and for whom.
pub(crate) struct Diagnosis {
    /// The server as it was typed; `None` of this machine alone.
    pub(crate) target: Option<String>,
    pub(crate) report: Report,
    /// A server that is known to work, if it was asked for; without a report it was not tried.
    pub(crate) control: Option<Control>,
    /// Whether it was stopped before its end.
    pub(crate) is_partial: bool,
}

/// A server that is known to work.
pub(crate) struct Control {
    pub(crate) host: String,
    pub(crate) report: Option<Report>,
}

/// Outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is wrong with what was tried, and that was enough to say so.
    Well,
    /// A cause was found.
    Cause,
    /// No cause was found, and not enough was tried to say that it is well.
    Untold,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Cause => "cause",
            Self::Untold => "untold",
        }
    }
}

impl Diagnosis {
    pub(crate) fn outcome(&self) -> Outcome {
        // A handshake alone does not say that anything passes after it.
        let needed: &[Rung] = match self.target {
            Some(_) => &[Rung::Handshake, Rung::Path],
            None => &[Rung::Machine],
        };
        match self.report.verdict() {
            Some(_) => Outcome::Cause,
            None if needed.iter().all(|rung| self.has_passed(*rung)) => Outcome::Well,
            None => Outcome::Untold,
        }
    }

    fn has_passed(&self, rung: Rung) -> bool {
        with_result(&self.report, RungResult::Passed).any(|passed| passed == rung)
    }

    /// Returns on which side the cause lies, if a control was tried.
    fn side(&self) -> Option<FaultSide> {
        let control = self.control.as_ref()?.report.as_ref()?;
        Some(compare(&self.report, control))
    }

    /// Returns what a control tells, in a sentence.
    fn control_words(&self) -> Option<String> {
        let Control { host, report } = self.control.as_ref()?;
        let Some(control) = report else {
            return Some(match self.is_partial {
                true => format!("{host} was not tried."),
                false => format!("{host} was not tried, as no cause was found."),
            });
        };
        let other = control.cause().map(Cause::name);
        Some(match (compare(&self.report, control), other) {
            (FaultSide::Network, _) => {
                format!("It is this network, or this machine: {host} fails in the same way.")
            }
            (FaultSide::Server, _) => {
                format!("It is that server, or what stands before it: from here {host} answers.")
            }
            (_, Some(other)) => format!(
                "{host} fails too, but in another way ({other}): that does not tell whether it is \
                 this network or that server."
            ),
            (_, None) => format!(
                "{host} does not tell whether it is this network or that server: it was tried up \
                 to the handshake only, by its own name, port and addresses, or did not come to it."
            ),
        })
    }

    /// Says in a sentence what it comes to.
    fn conclusion(&self) -> String {
        if let Some(finding) = self.report.verdict() {
            return sentence(&finding.sentence);
        }
        let passed = with_result(&self.report, RungResult::Passed).map(title);
        let passed = passed.collect::<Vec<_>>().join(", ");
        match (self.outcome(), &self.target) {
            (Outcome::Well, Some(target)) => {
                format!("QUIC works from here to {target}. Found well: {passed}.")
            }
            (Outcome::Well, None) => "Nothing is wrong with this machine.".into(),
            (_, Some(target)) if passed.is_empty() => {
                format!("Nothing can be said of {target}.")
            }
            (_, Some(target)) if self.has_passed(Rung::Handshake) => format!(
                "A handshake with {target} completes, and nothing can be said of what comes after \
                 it. Found well: {passed}."
            ),
            (_, Some(target)) => format!(
                "No cause was found, but a handshake with {target} was not seen either. Found \
                 well: {passed}."
            ),
            (_, None) => "Nothing can be said of this machine.".into(),
        }
    }

    /// Returns what nobody has tried: the doctor never says "well" of it.
    fn untried(&self) -> Vec<String> {
        let rungs = with_result(&self.report, RungResult::Untold);
        // Without a server there is but one rung, which everybody knows.
        let rungs = rungs.filter(|rung| self.target.is_some() || *rung == Rung::Machine);
        let rungs = rungs.map(|rung| title(rung).to_owned());
        rungs.chain(self.report.untried.iter().cloned()).collect()
    }

    /// Returns the causes beside that of the verdict.
    fn others(&self) -> impl Iterator<Item = &Finding> {
        let first = self.report.verdict();
        let findings = self.report.findings.iter();
        findings.filter(move |finding| first.is_none_or(|first| !std::ptr::eq(first, *finding)))
    }
}

/// Writes what was seen on a rung, for people: behind its title, or below it where there is no room.
pub(crate) fn rung(
    report: &RungReport,
    signs: Signs,
    width: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (sign, title) = (signs.of(report.result), title(report.rung));
    let mut lines: Vec<_> = report.lines.iter().map(|line| shown(line)).collect();
    if lines.is_empty() {
        lines.push(untold(report.result).into());
    }
    if width.is_some_and(|width| width < WIDTH_MIN) {
        writeln!(out, "{sign} {title}")?;
        return lines.iter().try_for_each(|line| writeln!(out, "  {line}"));
    }
    writeln!(out, "{sign} {title:<TITLE$}  {}", lines[0])?;
    let mut others = lines.iter().skip(1);
    others.try_for_each(|line| writeln!(out, "  {:<TITLE$}  {line}", ""))
}

impl Render for Diagnosis {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        verdict(self, out)
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        json::summary_line(self, out)
    }
}

/// Writes what it comes to, for people: the verdict, then what was not tried.
fn verdict(diagnosis: &Diagnosis, out: &mut dyn Write) -> io::Result<()> {
    if diagnosis.is_partial {
        writeln!(out, "It was stopped before its end.")?;
    }
    writeln!(out, "{}", shown(&diagnosis.conclusion()))?;
    if let Some(finding) = diagnosis.report.verdict() {
        for seen in &finding.evidence {
            writeln!(out, "seen: {}", shown(seen))?;
        }
        writeln!(out, "cause: {}", finding.cause)?;
        if let Some((cause, apart)) = &finding.or_else {
            let apart = shown(apart);
            writeln!(out, "or: {cause} ({})", apart.trim_end_matches('.'))?;
        }
        writeln!(out, "hint: {}", shown(&finding.advice))?;
    }
    for other in diagnosis.others() {
        let words = sentence(&shown(&other.sentence));
        writeln!(out, "also: {}. {words}", other.cause)?;
    }
    if let Some(words) = diagnosis.control_words() {
        writeln!(out, "control: {}", shown(&words))?;
    }
    match diagnosis.untried() {
        untried if untried.is_empty() => Ok(()),
        untried => writeln!(out, "untried: {}", shown(&untried.join(", "))),
    }
}

/// Returns the rungs that have a result.
fn with_result(report: &Report, result: RungResult) -> impl Iterator<Item = Rung> + '_ {
    let rungs = report.rungs.iter();
    rungs
        .filter(move |rung| rung.result == result)
        .map(|rung| rung.rung)
}

/// Returns the words by which people know a rung.
pub(crate) fn title(rung: Rung) -> &'static str {
    match rung {
        Rung::Machine => "this machine",
        Rung::Names => "names",
        Rung::Udp => "UDP",
        Rung::Handshake => "handshake",
        Rung::Path => "path",
        Rung::Staying => "staying",
        other => other.name(),
    }
}

/// Returns what is said of a rung of which there is no line.
fn untold(result: RungResult) -> &'static str {
    match result {
        RungResult::Passed => "well",
        RungResult::Failed => "a cause was found",
        _ => "not tried",
    }
}

/// Ends a sentence that has no end.
fn sentence(words: &str) -> String {
    match words.ends_with(['.', '!', '?', '…']) {
        true => words.into(),
        false => format!("{words}."),
    }
}

/// Makes what somebody may have said one line that is safe to show.
fn shown(words: &str) -> String {
    text::shown_lines(words).replace('\n', " ")
}
