//! Runs that followed one another, for people.

use std::io::{self, Write};

use super::{decimal, number, time};
use crate::bench::{MaxRate, Report};

/// Writes a line for each step, and what a search has found.
pub(super) fn steps(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.steps.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "{:<12} {:>9} {:>9} {:>9} {:>9} {:>9}  generator",
        "offered /s", "achieved", "p50", "p99", "p99.9", "max"
    )?;
    for step in &report.steps {
        let rate = step.run.offered_rate_per_s.unwrap_or_default();
        let achieved = step.rate_per_s.map_or("–".into(), decimal);
        let rate = decimal(rate);
        let latency = &step.latency;
        let times = [
            latency.p50_us,
            latency.p99_us,
            latency.p99_9_us,
            latency.max_us,
        ];
        let [p50, p99, p99_9, max] = times.map(time);
        let share = format!("{:.0} %", step.generator.busiest_share * 100.0);
        let flaws = flaws(step);
        writeln!(
            out,
            "{rate:<12} {achieved:>9} {p50:>9} {p99:>9} {p99_9:>9} {max:>9}  {share:>4}{flaws}"
        )?;
    }
    if let Some(limit) = &report.limit {
        writeln!(out, "{:<12} {}", "limit", words_of(limit))?;
    }
    Ok(())
}

/// Writes what a run in a series offered.
pub fn offered(report: &Report) -> String {
    match report.run.offered_rate_per_s {
        Some(rate) => format!("{} a second", decimal(rate)),
        None => report.run.over.clone(),
    }
}

/// Writes what speaks against a step, if anything does.
fn flaws(step: &Report) -> String {
    let mut words = String::new();
    for (count, what) in [
        (step.lost, "lost"),
        (step.unanswered, "unanswered"),
        (step.errors.iter().map(|error| error.count).sum(), "failed"),
    ] {
        if count > 0 {
            words += &format!(", {} {what}", number(count));
        }
    }
    let is_late = step.schedule.is_some_and(|schedule| !schedule.is_kept);
    if is_late {
        words += ", schedule NOT kept";
    }
    if let Some(reason) = &step.partial {
        words += &format!(", PARTIAL: {reason}");
    }
    words
}

fn words_of(limit: &MaxRate) -> String {
    let bound = &limit.bound;
    let a_second = |rate: f64| format!("{} a second", decimal(rate));
    let mut words = match (limit.rate_per_s, limit.broken_at_per_s) {
        (Some(kept), Some(broken)) => {
            format!(
                "{} keep {bound}; {} do not",
                a_second(kept),
                a_second(broken)
            )
        }
        (Some(kept), None) => format!("{} keep {bound}; more were not tried", a_second(kept)),
        (None, Some(broken)) => format!("none found: {} do not keep {bound}", a_second(broken)),
        (None, None) => format!("no rate was tried twice to keep {bound}"),
    };
    if limit.is_generators {
        words += "; this is the GENERATOR's limit, the server may do better: give it more --shards";
    }
    words
}
