//! Which lines a page draws of its reports.

use qecho_tools::bench::Report;

use super::{
    Named, bench,
    chart::{COLOURS, Chart, Scale, Series},
};

/// Returns what has a line of its own: each run; of a run in steps, each step
/// (of many, some); and what a run was compared with.
pub(super) fn lines(runs: &[Named]) -> Vec<Named> {
    let mut lines = Vec::new();
    for run in runs {
        let name = |words: &str| match runs.len() {
            1 => words.to_owned(),
            _ => format!("{}, {words}", run.name),
        };
        for step in some(&by_offer(&run.report)) {
            lines.push(named(name(&format!("{}/s", rate(step))), step));
        }
        match &run.report.comparison {
            _ if !run.report.steps.is_empty() => {}
            None => lines.push(named(run.name.clone(), &run.report)),
            Some(comparison) => {
                let other = bench::transport_name(&comparison.report.run.transport);
                lines.push(named(name("QUIC"), &run.report));
                lines.push(named(name(other), &comparison.report));
            }
        }
    }
    lines
}

/// Returns the same for what is drawn over time, where steps follow one
/// another.
pub(super) fn over_time(runs: &[Named]) -> Vec<Named> {
    match runs.iter().any(|run| !run.report.steps.is_empty()) {
        true => runs
            .iter()
            .map(|run| named(run.name.clone(), &run.report))
            .collect(),
        false => lines(runs),
    }
}

/// Returns echo times against the rate that was offered, if there are steps.
pub(super) fn by_rate(runs: &[Named]) -> Option<Chart<'_>> {
    let stepped = runs.iter().filter(|run| !run.report.steps.is_empty());
    let stepped: Vec<_> = stepped.collect();
    let line = |name, report: &Report, time: fn(&Report) -> Option<f64>| {
        let point = |step: &Report| Some((step.run.offered_rate_per_s?, time(step)?));
        let steps = by_offer(report);
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
    })
}

fn named(name: String, report: &Report) -> Named {
    Named {
        name,
        report: report.clone(),
    }
}

fn rate(step: &Report) -> String {
    bench::decimal(step.run.offered_rate_per_s.unwrap_or_default())
}

/// Returns the steps by what they offered; of several that offered the same,
/// the last.
fn by_offer(report: &Report) -> Vec<&Report> {
    let mut steps: Vec<_> = report.steps.iter().rev().collect();
    let offered = |step: &&Report| step.run.offered_rate_per_s.unwrap_or_default();
    steps.sort_by(|one, two| offered(one).total_cmp(&offered(two)));
    steps.dedup_by(|one, two| offered(one) == offered(two));
    steps
}

/// Returns as many as there are colours, from the first to the last.
fn some<'a>(steps: &[&'a Report]) -> Vec<&'a Report> {
    if steps.len() <= COLOURS {
        return steps.to_vec();
    }
    let place = |number: usize| number * (steps.len() - 1) / (COLOURS - 1);
    (0..COLOURS).map(|number| steps[place(number)]).collect()
}
