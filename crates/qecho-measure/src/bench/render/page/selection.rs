//! The rows of a page's table, and the lines of its charts.

use super::{
    NamedReport,
    chart::{COLOURS, Chart, Scale, Series},
};
use crate::bench::{Report, render::text};

/// Returns what has a row of its own: each run; of a run in steps, each step by
/// its rate; and what a run was compared with.
pub(super) fn rows(runs: &[NamedReport]) -> Vec<NamedReport> {
    parts(runs, by_offer)
}

/// Returns what has a line of its own, which is the same, but of many steps some.
pub(super) fn lines(runs: &[NamedReport]) -> Vec<NamedReport> {
    parts(runs, some)
}

fn parts(runs: &[NamedReport], steps: fn(&Report) -> Vec<&Report>) -> Vec<NamedReport> {
    let mut parts = Vec::new();
    for run in runs {
        let name = |words: &str| match runs.len() {
            1 => words.to_owned(),
            _ => format!("{}, {words}", run.name),
        };
        for step in steps(&run.report) {
            let limit = run
                .report
                .limit_step()
                .filter(|limit| std::ptr::eq(*limit, step));
            let limit = limit.map_or("", |_| " (limit)");
            parts.push(named(name(&format!("{}/s{limit}", rate(step))), step));
        }
        match &run.report.comparison {
            _ if !run.report.steps.is_empty() => {}
            None => parts.push(named(run.name.clone(), &run.report)),
            Some(comparison) => {
                let other = text::transport_name(&comparison.report.run.transport);
                parts.push(named(name("QUIC"), &run.report));
                parts.push(named(name(other), &comparison.report));
            }
        }
    }
    parts
}

/// Returns the same for what is drawn over time, where steps follow one
/// another.
pub(super) fn over_time(runs: &[NamedReport]) -> Vec<NamedReport> {
    match runs.iter().any(|run| !run.report.steps.is_empty()) {
        true => runs
            .iter()
            .map(|run| named(run.name.clone(), &run.report))
            .collect(),
        false => lines(runs),
    }
}

/// Returns echo times against the rate that was offered, if there are steps.
pub(super) fn by_rate(runs: &[NamedReport]) -> Option<Chart<'_>> {
    let stepped = runs.iter().filter(|run| !run.report.steps.is_empty());
    let stepped: Vec<_> = stepped.collect();
    let line = |name, report: &Report, time: fn(&Report) -> Option<f64>| {
        let point = |step: &Report| Some((step.run.offered_rate_per_s?, time(step)?));
        let steps = once(report);
        Series::whole(name, steps.into_iter().filter_map(point).collect())
    };
    let series = match stepped.as_slice() {
        [] => return None,
        [run] => vec![
            line("median", &run.report, |step| step.latency.p50_us),
            line("99th percentile", &run.report, |step| step.latency.p99_us),
            line("99.9th percentile", &run.report, |step| {
                step.latency.p99_9_us
            }),
        ],
        several => several
            .iter()
            .map(|run| line(&run.name, &run.report, |step| step.latency.p99_us))
            .collect(),
    };
    Some(Chart {
        title: match stepped.len() {
            1 => "Echo time by offered rate",
            _ => "99th percentile by offered rate",
        },
        x: ("messages a second offered", Scale::Linear),
        y: ("echo time", Scale::Time),
        series,
        left_out: 0,
    })
}

fn named(name: String, report: &Report) -> NamedReport {
    NamedReport {
        name,
        report: report.clone(),
    }
}

fn rate(step: &Report) -> String {
    text::decimal(offered(step))
}

/// Returns the steps by what they offered; those that offered the same in the order
/// in which they were made.
fn by_offer(report: &Report) -> Vec<&Report> {
    let mut steps: Vec<_> = report.steps.iter().collect();
    steps.sort_by(|one, two| offered(one).total_cmp(&offered(two)));
    steps
}

/// Returns the same without those that were made again.
fn once(report: &Report) -> Vec<&Report> {
    let mut steps = by_offer(report);
    steps.reverse();
    steps.dedup_by(|one, two| offered(one) == offered(two));
    steps.reverse();
    steps
}

fn offered(step: &Report) -> f64 {
    step.run.offered_rate_per_s.unwrap_or_default()
}

/// Returns as many as there are colours, from the first to the last; the limit
/// that was found is one of them.
fn some(report: &Report) -> Vec<&Report> {
    let steps = once(report);
    if steps.len() <= COLOURS {
        return steps;
    }
    let place = |number: usize| number * (steps.len() - 1) / (COLOURS - 1);
    let mut places: Vec<_> = (0..COLOURS).map(place).collect();
    let limit = report.limit_step();
    let limit = limit.and_then(|limit| steps.iter().position(|step| std::ptr::eq(*step, limit)));
    if let Some(limit) = limit
        && let Some(nearest) = places.iter_mut().min_by_key(|place| place.abs_diff(limit))
    {
        *nearest = limit;
    }
    places.into_iter().map(|place| steps[place]).collect()
}
