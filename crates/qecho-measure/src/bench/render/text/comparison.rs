//! QUIC beside something else, for people.

use std::io::{self, Write};

use super::{decimal, microseconds_text};
use crate::bench::{Comparison, Ratio};

/// Returns what a transport is called.
pub(in crate::bench::render) fn transport_name(transport: &str) -> &str {
    match transport {
        "tls" => "TLS over TCP",
        "udp" => "bare UDP",
        "quic" => "QUIC",
        other => other,
    }
}

/// Writes a line for each figure, and what came of the other transport.
pub(super) fn text(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let report = &comparison.report;
    let other = transport_name(&report.run.transport);
    writeln!(
        out,
        "{:<12} {:>11} {other:>12} {:>7}  95 % interval",
        "beside", "QUIC", "ratio"
    )?;
    for ratio in &comparison.ratios {
        let [name, quic, other, times, interval] = cells(ratio);
        writeln!(
            out,
            "{name:<12} {quic:>11} {other:>12} {times:>7}  {interval}"
        )?;
    }
    let failed = report.errors.iter().map(|error| error.count).sum();
    for (count, what) in [
        (report.lost, "were lost"),
        (report.unanswered, "were never answered"),
        (failed, "connections failed"),
    ] {
        if count > 0 {
            writeln!(out, "{:<12} {count} {what} over {other}", "")?;
        }
    }
    if report.generator.is_bottleneck {
        let words = "the generator was busy all the time";
        writeln!(out, "warning: over {other} {words}: the ratios are its own")?;
    }
    Ok(())
}

/// Returns a figure's name, its value over QUIC and over the other transport, their
/// ratio, and the interval of that with what it says.
pub(in crate::bench::render) fn cells(ratio: &Ratio) -> [String; 5] {
    let (name, value): (_, fn(f64) -> String) = match ratio.figure.as_str() {
        "rate" => ("messages /s", decimal),
        "goodput" => ("MB/s", |bytes| decimal(bytes / 1e6)),
        "server_processor" => ("server CPU", microseconds_text),
        figure => (figure, microseconds_text),
    };
    let interval = match ratio.low.zip(ratio.high) {
        None => "too few slices".into(),
        Some((low, high)) => {
            let verdict = match ratio.shows_difference() {
                true => "",
                false => ", no difference seen",
            };
            format!("{} to {}{verdict}", decimal(low), decimal(high))
        }
    };
    let [quic, other] = [ratio.quic, ratio.other].map(value);
    [name.into(), quic, other, decimal(ratio.ratio), interval]
}
