//! Whether a load went well, and in one line why not.

use anyhow::anyhow;
use qecho_measure::bench::{Report, render};

use crate::exit::{ExitStatus, Failure};

/// Returns how a load ended, which a signal may have ended.
pub(super) fn verdict(report: &Report, signal: Option<ExitStatus>) -> Result<ExitStatus, Failure> {
    let interrupted = signal.filter(|_| report.partial.is_some());
    let words = match interrupted {
        // Whoever interrupts knows why the run is partial.
        Some(_) => None,
        None => went_wrong(report),
    };
    let words: Vec<String> = words.into_iter().chain(failed(report)).collect();
    match (interrupted, words.is_empty()) {
        (None, true) => Ok(ExitStatus::Done),
        (Some(ending), true) => Err(Failure::silent(ending)),
        (interrupted, false) => Err(Failure {
            exit: interrupted.unwrap_or(ExitStatus::Negative),
            ..Failure::negative(anyhow!(words.join("; ")))
        }),
    }
}

/// Says what went wrong, if anything did.
fn went_wrong(report: &Report) -> Option<String> {
    if report.is_flawless() {
        return None;
    }
    let words = report.errors.first().map(|error| &error.example);
    if let (None, Some(limit)) = (&report.partial, &report.limit) {
        let bound = &limit.bound;
        return Some(match limit.is_generators {
            true => format!("no rate keeps {bound}; the generator itself is too late for it"),
            false => format!("no rate keeps {bound}"),
        });
    }
    Some(match (&report.partial, words) {
        (Some(reason), Some(words)) => format!("the run ended early: {reason} ({words})"),
        (Some(reason), None) => format!("the run ended early: {reason}"),
        (None, Some(words)) => {
            let count: u64 = report.errors.iter().map(|error| error.count).sum();
            match count {
                1 => format!("a connection failed: {words}"),
                _ => format!("{count} connections failed, the first because: {words}"),
            }
        }
        (None, None) => "nothing came back".into(),
    })
}

/// Says which bounds of `--fail-if` the report fails by, or which of its steps.
fn failed(report: &Report) -> Vec<String> {
    let words = |report: &Report, at: &str| -> Vec<String> {
        let failed = report.fail_if.iter().filter(|judged| judged.fails);
        let words = failed.map(|judged| {
            let (value, bound) = (render::compared(judged), &judged.bound);
            format!("{value}{at}, failed by '{bound}'")
        });
        words.collect()
    };
    let steps = report.steps.iter().flat_map(|step| {
        let at = format!(" at {}", render::offered(step));
        words(step, &at)
    });
    words(report, "").into_iter().chain(steps).collect()
}
