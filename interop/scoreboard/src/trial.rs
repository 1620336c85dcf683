//! One run of `qecho conform` against a stack.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use qecho_probe::conform::{Need, Requirement, Side, Verdict, requirements};
use serde_json::Value;
use xtask::process;

use crate::catalogue::Stack;
use crate::ground::Ground;

/// Time for all requirements, however busy the machine and bad the path.
const LIMIT: Duration = Duration::from_secs(2_400);

/// Verdicts on a stack.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) findings: Vec<Finding>,
    /// Version of the requirements.
    pub(crate) suite: u64,
    /// Day of the run.
    pub(crate) day: String,
}

/// Verdict on a requirement.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) id: String,
    pub(crate) verdict: Verdict,
    pub(crate) seen: String,
}

/// The way between the program and a server, and the name of the run.
#[derive(Clone, Debug)]
pub(crate) struct Course<'a> {
    /// Arguments of `qecho relay`; none: nothing lies between.
    pub(crate) relay: Vec<&'a str>,
    pub(crate) name: String,
}

/// Tries all requirements on a stack.
///
/// # Errors
/// It takes no handshake, or the program says nothing that can be read.
pub(crate) fn run(ground: &Ground, stack: &Stack, course: &Course<'_>) -> Result<Trial> {
    let report = report(ground, &course.name);
    let mut command = ground.command(ground.qecho());
    command.args(["conform", "--alpn", stack.alpn, "--format", "json"]);
    command.arg("--output").arg(&report);
    let left_out = left_out(stack.side);
    if !left_out.is_empty() {
        command.args(["--except", &left_out]);
    }
    match stack.side {
        Side::Server => {
            let server = ground.serve(stack, &course.relay, &course.name)?;
            command.arg("--ca").arg(ground.ca()).arg(&server.address);
            finish(ground, command, &course.name)
        }
        Side::Client => {
            command.args(["--client", "--"]);
            command.args(stack.client(ground));
            finish(ground, command, &course.name)
        }
    }
}

/// Returns the page for browsers that a run leaves behind, with the packets.
pub(crate) fn report(ground: &Ground, name: &str) -> PathBuf {
    ground.folder().join(format!("{name}.html"))
}

/// Returns the requirements of a side that are tried: all but those that have crashed somebody.
pub(crate) fn tried(side: Side) -> impl Iterator<Item = &'static Requirement> {
    requirements::all()
        .filter(move |requirement| requirement.side == side && !crashes_others(requirement))
}

fn left_out(side: Side) -> String {
    let crashing = requirements::all()
        .filter(|requirement| requirement.side == side && crashes_others(requirement));
    let ids: Vec<&str> = crashing.map(|requirement| requirement.id).collect();
    ids.join(",")
}

fn crashes_others(requirement: &Requirement) -> bool {
    requirement.needs.contains(&Need::CrashesOthers)
}

fn finish(ground: &Ground, command: Command, name: &str) -> Result<Trial> {
    let (ended, lines, said) = process::capture(command, LIMIT)?;
    keep(&ground.folder().join(format!("{name}.json")), &lines)?;
    let complaint = said.lines().last().unwrap_or_default().trim();
    read(&lines).with_context(|| format!("qecho conform: {ended}: {complaint}"))
}

fn keep(file: &Path, lines: &str) -> Result<()> {
    fs::write(file, lines).with_context(|| format!("cannot write {}", file.display()))
}

/// Reads the lines of `--format json`.
fn read(lines: &str) -> Result<Trial> {
    let mut findings = Vec::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line)?;
        match line["event"].as_str() {
            Some("requirement") => findings.push(finding(&line)?),
            Some("summary") => {
                let time = text(&line, "time")?;
                let day = time.split('T').next().unwrap_or_default().to_owned();
                let suite = line["suite"].as_u64().context("it names no suite")?;
                return Ok(Trial {
                    findings,
                    suite,
                    day,
                });
            }
            _ => {}
        }
    }
    bail!("it gave no summary")
}

fn finding(line: &Value) -> Result<Finding> {
    let word = text(line, "verdict")?;
    Ok(Finding {
        id: text(line, "id")?.to_owned(),
        verdict: Verdict::from_word(word).with_context(|| format!("there is no verdict {word}"))?,
        seen: text(line, "seen")?.to_owned(),
    })
}

fn text<'a>(line: &'a Value, member: &str) -> Result<&'a str> {
    let text = line[member].as_str();
    text.with_context(|| format!("a line has no {member}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read_up_to_the_summary_and_nothing_without_one() {
        let row = r#"{"event":"requirement","id":"F12","verdict":"pass","seen":"closed","rfc":"9000 §19.5"}"#;
        let summary = r#"{"event":"summary","time":"2026-01-02T03:04:05Z","suite":1}"#;
        let trial = read(&format!("{row}\n{summary}\n")).expect("both are there");
        assert_eq!((trial.suite, trial.day.as_str()), (1, "2026-01-02"));
        assert_eq!(trial.findings[0].id, "F12");
        assert!(read(row).is_err());
    }

    #[test]
    fn what_has_crashed_somebody_is_not_tried() {
        assert!(left_out(Side::Server).split(',').any(|id| id == "F39"));
        assert!(tried(Side::Server).all(|requirement| requirement.id != "F39"));
    }
}
