//! A load's figures as comma-separated values (RFC 4180): one row for each run.

use std::io::{self, Write};

use qecho_packet::text::csv_field;

use crate::bench::Report;

type Column = (&'static str, fn(&Report) -> String);

/// Every column of a run by itself, in its order; new ones stand last of these.
/// Whether it is the limit that a search has found follows them.
const COLUMNS: &[Column] = &[
    ("server", |report| report.server.name.clone()),
    ("over", |report| report.run.over.clone()),
    ("size_bytes", |report| report.run.size_bytes.to_string()),
    ("size_max_bytes", |report| {
        let run = &report.run;
        run.size_max_bytes.unwrap_or(run.size_bytes).to_string()
    }),
    ("connections", |report| report.run.connections.to_string()),
    ("streams", |report| report.run.streams.to_string()),
    ("in_flight", |report| report.run.in_flight.to_string()),
    ("arrival", |report| report.run.arrival.clone()),
    ("offered_rate_per_s", |report| {
        number(report.run.offered_rate_per_s)
    }),
    ("elapsed_s", |report| report.elapsed_s.to_string()),
    ("offered", |report| report.offered.to_string()),
    ("messages", |report| report.messages.to_string()),
    ("bytes", |report| report.bytes.to_string()),
    ("rate_per_s", |report| number(report.rate_per_s)),
    ("goodput_bytes_per_s", |report| {
        number(report.goodput_bytes_per_s)
    }),
    ("min_us", |report| number(report.latency.min_us)),
    ("mean_us", |report| number(report.latency.mean_us)),
    ("p50_us", |report| number(report.latency.p50_us)),
    ("p90_us", |report| number(report.latency.p90_us)),
    ("p99_us", |report| number(report.latency.p99_us)),
    ("p99_9_us", |report| number(report.latency.p99_9_us)),
    ("p99_99_us", |report| number(report.latency.p99_99_us)),
    ("max_us", |report| number(report.latency.max_us)),
    ("lost", |report| report.lost.to_string()),
    ("unanswered", |report| report.unanswered.to_string()),
    ("errors", |report| {
        let counts = report.errors.iter().map(|error| error.count);
        counts.sum::<u64>().to_string()
    }),
    ("packets_lost", |report| {
        report.transport.packets_lost.to_string()
    }),
    ("generator_busiest_share", |report| {
        report.generator.busiest_share.to_string()
    }),
    ("server_processor_us_per_message", |report| {
        let cost = report.server_process.as_ref();
        number(cost.and_then(|cost| cost.processor_us_per_message))
    }),
    ("verified", |report| report.run.verified.to_string()),
    ("idle_connections", |report| {
        report.run.idle_connections.unwrap_or_default().to_string()
    }),
    ("partial", |report| {
        report.partial.clone().unwrap_or_default()
    }),
    ("transport", |report| report.run.transport.clone()),
    ("messages_after_end", |report| {
        report.messages_after_end().to_string()
    }),
];

/// Writes a header, and a row for the report, or one for each of its steps, and
/// one for what it is compared with.
///
/// # Errors
/// Those of the writer.
pub fn csv(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
    writeln!(out, "{},is_limit", names.join(","))?;
    let limit = report.limit_step();
    let is_limit = |row: &Report| match &report.limit {
        Some(_) => limit
            .is_some_and(|step| std::ptr::eq(step, row))
            .to_string(),
        None => String::new(),
    };
    let mut rows: Vec<_> = match report.steps.is_empty() {
        true => vec![report],
        false => report.steps.iter().collect(),
    };
    let comparison = report.comparison.as_ref();
    rows.extend(comparison.map(|comparison| &comparison.report));
    for report in rows {
        let fields: Vec<_> = COLUMNS
            .iter()
            .map(|(_, of)| csv_field(&of(report)))
            .collect();
        writeln!(out, "{},{}", fields.join(","), is_limit(report))?;
    }
    Ok(())
}

/// Writes a number; there may be none.
fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
