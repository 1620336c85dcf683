//! Reports as one page for a browser, which needs nothing else.

mod chart;
mod headline;
mod over_time;
mod selection;

use std::io::{self, Write};

use qecho_packet::text::counted;

use self::chart::{Chart, Scale, Series};
use super::text;
use crate::bench::{Interval, Report};

const STYLE: &str = include_str!("page/style.css");

/// A report and the name under which it is shown.
#[derive(Clone, Debug)]
pub struct NamedReport {
    /// That of its server, or of the file that it was kept in.
    pub name: String,
    /// Figures of the run.
    pub report: Report,
}

/// Writes a page about one run, or about several laid over each other; it loads nothing
/// from anywhere.
///
/// # Errors
/// Those of the writer.
pub fn page(runs: &[NamedReport], out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<_> = runs.iter().map(|run| run.name.as_str()).collect();
    let title = format!("qecho bench: {}", names.join(", "));
    let (rows, lines) = (selection::rows(runs), selection::lines(runs));
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{}</h1>",
        escaped(&title),
        escaped(&title),
    )?;
    if let [run] = runs {
        headline::write(&run.report, out)?;
    }
    results(&rows, out)?;
    for run in runs {
        beside(run, out)?;
    }
    charts(runs, &lines, rows.len() - lines.len(), out)?;
    for (place, run) in runs.iter().enumerate() {
        section(place, run, out)?;
    }
    writeln!(out, "</body>\n</html>")
}

/// Writes what was run, in the words of the terminal.
fn section(place: usize, run: &NamedReport, out: &mut dyn Write) -> io::Result<()> {
    let report = &run.report;
    let partial = match &report.partial {
        Some(reason) => format!(" <strong>partial: {}</strong>", escaped(reason)),
        None => String::new(),
    };
    let began = report.started_at.as_deref().unwrap_or("at an unknown time");
    // Words may be broken where it is narrow, but no table.
    let class = match report.steps.is_empty() && report.comparison.is_none() {
        true => "",
        false => " class=\"table\"",
    };
    let on = report.host.as_ref().map_or_else(String::new, |host| {
        let processors = counted(host.processors, "processor");
        escaped(&format!(
            ", on {} ({}, {processors})",
            host.name, host.system
        ))
    });
    let command = report.command_line.as_ref();
    let command = command.map_or_else(String::new, |command| {
        format!("<p><code>{}</code></p>\n", escaped(command))
    });
    writeln!(
        out,
        "<section><h2><span class=\"key s{}\"></span>{}{partial}</h2>\n\
         <p>{}, qecho {}{on}</p>\n{command}<pre{class}>{}</pre></section>",
        place % chart::COLOURS,
        escaped(&run.name),
        escaped(began),
        escaped(&report.version),
        escaped(&words(report)),
    )
}

fn words(report: &Report) -> String {
    let mut words = Vec::new();
    // Memory can be written to.
    let _ = text::text(report, &mut words);
    String::from_utf8_lossy(&words).into_owned()
}

/// Writes the figures of all runs side by side.
fn results(runs: &[NamedReport], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<h2>Results</h2>\n<div class=\"wide\"><table>\n<tr><th>run</th><th>rate /s</th>\
         <th>MB/s</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>p99.99</th>\
         <th>max</th><th>lost packets</th></tr>"
    )?;
    for run in runs {
        let report = &run.report;
        let partial = report.partial.as_ref().map_or("", |_| " (partial)");
        write!(out, "<tr><th>{}{partial}</th>", escaped(&run.name))?;
        let goodput = report.goodput_bytes_per_s.map(|bytes| bytes / 1e6);
        let rates = [report.rate_per_s, goodput];
        let rates = rates.map(|rate| rate.map_or("–".into(), text::decimal));
        for cell in rates.into_iter().chain(text::percentiles(&report.latency)) {
            write!(out, "<td>{cell}</td>")?;
        }
        writeln!(out, "<td>{}</td></tr>", report.transport.packets_lost)?;
    }
    writeln!(out, "</table></div>")
}

/// Writes how QUIC compares with something else, if it was.
fn beside(run: &NamedReport, out: &mut dyn Write) -> io::Result<()> {
    let Some(comparison) = &run.report.comparison else {
        return Ok(());
    };
    let other = text::transport_name(&comparison.report.run.transport);
    writeln!(
        out,
        "<h2>QUIC beside {other}</h2>\n<div class=\"wide\"><table>\n<tr><th>{}</th>\
         <th>QUIC</th><th>{other}</th><th>ratio</th><th>95 % interval</th>\
         <th>each slice</th></tr>",
        escaped(&run.name)
    )?;
    for ratio in &comparison.ratios {
        let [name, quic, other, times, interval] = text::cells(ratio);
        // What may be chance is not made to look like a result.
        let times = match ratio.shows_difference() {
            true => format!("<b>{times}</b>"),
            false => times,
        };
        let [least, most] = [ratio.least, ratio.most].map(text::decimal);
        writeln!(
            out,
            "<tr><th>{name}</th><td>{quic}</td><td>{other}</td><td>{times}</td>\
             <td>{interval}</td><td>{least} to {most}</td></tr>"
        )?;
    }
    writeln!(out, "</table></div>")
}

fn charts(
    runs: &[NamedReport],
    parts: &[NamedReport],
    left_out: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let whole = selection::over_time(runs);
    let over_time = |figure: fn(&Interval) -> Option<f64>| -> Vec<_> {
        let runs = whole.iter();
        runs.map(|run| over_time::series(&run.name, &run.report, figure))
            .collect()
    };
    let time = |title, series| Chart {
        title,
        x: ("seconds", Scale::Linear),
        y: ("echo time", Scale::Time),
        series,
        left_out: 0,
    };
    let charts = [
        Chart {
            title: "Rate over time",
            x: ("seconds", Scale::Linear),
            y: ("messages a second", Scale::FromZero),
            series: over_time(|row| Some(row.rate_per_s)),
            left_out: 0,
        },
        time("Median echo time over time", over_time(|row| row.p50_us)),
        time("99th percentile over time", over_time(|row| row.p99_us)),
        Chart {
            title: "Echo time by percentile",
            x: ("percentile", Scale::Percentile),
            y: ("echo time", Scale::Time),
            series: lines(parts, &percentiles),
            left_out,
        },
        Chart {
            title: "Distribution of echo times",
            x: ("echo time", Scale::Time),
            y: ("% of messages", Scale::FromZero),
            series: lines(parts, &distribution),
            left_out,
        },
    ];
    if let Some(chart) = selection::by_rate(runs) {
        chart.write(out)?;
    }
    for chart in charts {
        chart.write(out)?;
    }
    Ok(())
}

/// Makes a line of each run.
fn lines<'a>(
    runs: &'a [NamedReport],
    points: &dyn Fn(&Report) -> Vec<(f64, f64)>,
) -> Vec<Series<'a>> {
    let line = |run: &'a NamedReport| Series::whole(&run.name, points(&run.report));
    runs.iter().map(line).collect()
}

/// Returns for each time the share of the messages that took longer, as how
/// many tenfolds of patience that takes.
fn percentiles(report: &Report) -> Vec<(f64, f64)> {
    let counts = report.distribution();
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let mut sum = 0;
    let mut points = Vec::new();
    for (time, count) in counts {
        // The percentile up to which nothing took longer than this.
        let slower = total - sum;
        points.push(((total as f64 / slower as f64).log10(), time));
        sum += count;
    }
    points
}

/// Steps of the distribution in each tenfold of time.
const STEPS: f64 = 20.0;

fn distribution(report: &Report) -> Vec<(f64, f64)> {
    let counts = report.distribution();
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let step = |time: f64| (time.max(1e-3).log10() * STEPS).floor() as i64;
    let mut steps = std::collections::BTreeMap::<i64, u64>::new();
    for (time, count) in &counts {
        *steps.entry(step(*time)).or_default() += count;
    }
    let (Some(first), Some(last)) = (
        steps.first_key_value().map(|(step, _)| *step),
        steps.last_key_value().map(|(step, _)| *step),
    ) else {
        return Vec::new();
    };
    let share = |step: i64| {
        let count = steps.get(&step).copied().unwrap_or_default();
        let time = 10_f64.powf((step as f64 + 0.5) / STEPS);
        (time, count as f64 / total as f64 * 100.0)
    };
    (first - 1..=last + 1).map(share).collect()
}

/// Makes text harmless inside HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
