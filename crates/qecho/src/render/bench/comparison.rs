//! QUIC beside something else, for people.

use std::io::{self, Write};

use qecho_measure::bench::{Comparison, Ratio};

use super::{decimal, microseconds_text};

/// Returns what a transport is called.
pub(crate) fn transport_name(transport: &str) -> &str {
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
        "{:<12} {:>12} {other:>12} {:>7}  each slice",
        "beside", "QUIC", "ratio"
    )?;
    for ratio in &comparison.ratios {
        let name = ratio_name(ratio);
        let [quic, other] = [ratio.quic, ratio.other].map(|value| ratio_value(ratio, value));
        let [times, least, most] = [ratio.ratio, ratio.least, ratio.most].map(decimal);
        writeln!(
            out,
            "{name:<12} {quic:>12} {other:>12} {times:>7}  {least} to {most}"
        )?;
    }
    for (count, what) in [
        (report.lost, "were lost"),
        (report.unanswered, "were never answered"),
        (
            report.errors.iter().map(|error| error.count).sum(),
            "connections failed",
        ),
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

/// Returns what a figure of a comparison is called.
pub(crate) fn ratio_name(ratio: &Ratio) -> &str {
    match ratio.figure.as_str() {
        "rate" => "messages /s",
        "goodput" => "MB/s",
        "server_processor" => "server CPU",
        figure => figure,
    }
}

/// Writes a value of a figure of a comparison.
pub(crate) fn ratio_value(ratio: &Ratio, value: f64) -> String {
    match ratio.figure.as_str() {
        "rate" => decimal(value),
        "goodput" => decimal(value / 1e6),
        _ => microseconds_text(value),
    }
}
