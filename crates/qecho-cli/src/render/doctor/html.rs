//! Findings of the doctor, as a page to send to whoever runs the network or the server.

use std::io::{self, Write};

use qecho_probe::{
    doctor::{Finding, Report, RungReport, RungResult},
    page::{self, escaped},
};
use serde_json::Value;

use super::{Diagnosis, Outcome, sentence, title, untold};

/// Making of a page, as it is said there.
pub(crate) struct Origin {
    pub(crate) command: String,
    /// When the run began (RFC 3339).
    pub(crate) began: String,
    pub(crate) version: &'static str,
}

/// Writes the page.
pub(crate) fn html(diagnosis: &Diagnosis, origin: &Origin, out: &mut dyn Write) -> io::Result<()> {
    let target = diagnosis.target.as_deref().unwrap_or("this machine");
    let heading = format!("qecho doctor: {target}");
    let making = format!("{}, qecho {}", origin.began, origin.version);
    page::begin(&heading, &making, &origin.command, out)?;
    if diagnosis.is_partial {
        writeln!(out, "<p>It was stopped before its end.</p>")?;
    }
    verdict(diagnosis, out)?;
    writeln!(out, "<h2>What was seen</h2>")?;
    ladder(&diagnosis.report, out)?;
    let control = diagnosis.control.as_ref();
    let control = control.and_then(|control| Some((&control.host, control.report.as_ref()?)));
    if let Some((host, report)) = control {
        writeln!(out, "<h2 class=\"peer\">Control: {}</h2>", escaped(host))?;
        if let Some(finding) = report.verdict() {
            cause(finding, out)?;
        }
        ladder(report, out)?;
    }
    page::end(out)
}

/// Writes what it comes to.
fn verdict(diagnosis: &Diagnosis, out: &mut dyn Write) -> io::Result<()> {
    let conclusion = escaped(&diagnosis.conclusion());
    writeln!(out, "<p class=\"conclusion\">{conclusion}</p>")?;
    let first = diagnosis.report.verdict();
    match (first, diagnosis.outcome()) {
        (Some(finding), _) => cause(finding, out)?,
        (None, Outcome::Well) => writeln!(out, "<p>{}</p>", badge("pass", "well"))?,
        (None, _) => writeln!(out, "<p>{}</p>", badge("", "untold"))?,
    }
    for other in diagnosis.others() {
        writeln!(out, "<h3>{}</h3>", escaped(&sentence(&other.sentence)))?;
        cause(other, out)?;
    }
    if let Some(words) = diagnosis.control_words() {
        writeln!(out, "<p><b>Control:</b> {}</p>", escaped(&words))?;
    }
    match diagnosis.untried() {
        untried if untried.is_empty() => Ok(()),
        untried => {
            let untried = escaped(&untried.join(", "));
            writeln!(out, "<p><b>Not tried:</b> {untried}</p>")
        }
    }
}

/// Writes a cause with what speaks for it.
fn cause(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let (name, advice) = (finding.cause.name(), escaped(&finding.advice));
    writeln!(out, "<article class=\"fail\">\n<dl>")?;
    writeln!(out, "<dt>cause</dt><dd>{}</dd>", badge("fail", name))?;
    for seen in &finding.evidence {
        writeln!(out, "<dt>seen</dt><dd>{}</dd>", escaped(seen))?;
    }
    if let Some((other, apart)) = &finding.or_else {
        let apart = escaped(&sentence(apart));
        writeln!(out, "<dt>or</dt><dd>{}: {apart}</dd>", other.name())?;
    }
    writeln!(out, "<dt>to do</dt><dd>{advice}</dd>\n</dl>\n</article>")
}

/// Writes the rungs with what was seen on them.
fn ladder(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    report.rungs.iter().try_for_each(|report| rung(report, out))
}

fn rung(report: &RungReport, out: &mut dyn Write) -> io::Result<()> {
    let (class, sign) = match report.result {
        RungResult::Passed => ("pass", "✔ well"),
        RungResult::Failed => ("fail", "✘ failed"),
        _ => ("", "– not told"),
    };
    let (badge, title) = (badge(class, sign), title(report.rung));
    writeln!(out, "<article class=\"{class}\">\n<h3>{badge} {title}</h3>")?;
    match report.lines.is_empty() {
        true => writeln!(out, "<p>{}</p>", untold(report.result))?,
        false => {
            let mut lines = report.lines.iter();
            lines.try_for_each(|line| writeln!(out, "<p>{}</p>", escaped(line)))?;
        }
    }
    if !report.facts.is_empty() {
        writeln!(out, "<details><summary>facts</summary>\n<dl>")?;
        for (key, value) in &report.facts {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let (key, value) = (escaped(key), escaped(&value));
            writeln!(out, "<dt>{key}</dt><dd>{value}</dd>")?;
        }
        writeln!(out, "</dl></details>")?;
    }
    writeln!(out, "</article>")
}

fn badge(class: &str, words: &str) -> String {
    format!("<span class=\"badge {class}\">{words}</span>")
}
