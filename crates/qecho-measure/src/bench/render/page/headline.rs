//! The figures that matter most of a run, large.

use std::io::{self, Write};

use super::escaped;
use crate::bench::{Report, render::text};

/// Writes the figures that one looks for first.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut figures = Vec::new();
    if let Some(limit) = &report.limit {
        let rate = limit.rate_per_s.map_or("none".into(), text::decimal);
        let whose = match limit.is_generators {
            true => " (the generator's limit)",
            false => "",
        };
        figures.push((rate, format!("a second keep {}{whose}", limit.bound)));
    } else if report.steps.is_empty() && report.latency.count > 0 {
        let unit = match report.run.over.as_str() {
            "handshake" => "connections a second",
            _ => "messages a second",
        };
        let goodput = report.goodput_bytes_per_s.map(|bytes| bytes / 1e6);
        for (rate, name) in [(report.rate_per_s, unit), (goodput, "MB/s each way")] {
            figures.extend(rate.map(|rate| (text::decimal(rate), name.into())));
        }
        let latency = &report.latency;
        for (time, name) in [
            (latency.p50_us, "median echo time"),
            (latency.p99_us, "99th percentile"),
            (latency.p99_9_us, "99.9th percentile"),
        ] {
            figures.extend(time.map(|time| (text::time(Some(time)), name.into())));
        }
    }
    if figures.is_empty() {
        return Ok(());
    }
    writeln!(out, "<ul class=\"headline\">")?;
    for (figure, name) in figures {
        let (figure, name) = (escaped(&figure), escaped(&name));
        writeln!(out, "<li><b>{figure}</b> {name}</li>")?;
    }
    writeln!(out, "</ul>")
}
