//! Compares a load over QUIC with the same over a baseline.

use super::schema::{Comparison, Ratio, Report};

type Metric = fn(&Report) -> Option<f64>;

impl Comparison {
    /// Compares pairs of slices, of which there is one at least.
    pub(in crate::bench) fn of(pairs: Vec<(Report, Report)>) -> Option<(Report, Self)> {
        let (quic, other): (Vec<_>, Vec<_>) = pairs.iter().cloned().unzip();
        let (quic, other) = (Report::in_sequence(quic)?, Report::in_sequence(other)?);
        let figures: [(&str, Metric); 5] = [
            ("rate", |report| Some(report.rate_per_s)),
            ("goodput", |report| Some(report.goodput_bytes_per_s)),
            ("p50", |report| report.latency.p50_us),
            ("p99", |report| report.latency.p99_us),
            ("server_processor", |report| {
                report.server_process.as_ref()?.processor_us_per_message
            }),
        ];
        let ratio = |(name, of): (&str, Metric)| {
            let divide = |quic: &Report, other: &Report| {
                let (quic, other) = (of(quic)?, of(other)?);
                (other > 0.0).then_some((quic, other, quic / other))
            };
            let (quic, other, ratio) = divide(&quic, &other)?;
            let slices = pairs.iter().filter_map(|(quic, other)| divide(quic, other));
            let slices: Vec<f64> = slices.map(|(.., ratio)| ratio).collect();
            Some(Ratio {
                figure: name.into(),
                quic,
                other,
                ratio,
                least: slices
                    .iter()
                    .copied()
                    .fold(f64::INFINITY, f64::min)
                    .min(ratio),
                most: slices.iter().copied().fold(0.0, f64::max).max(ratio),
            })
        };
        let ratios = figures.into_iter().filter_map(ratio).collect();
        let comparison = Self {
            report: other,
            ratios,
        };
        Some((quic, comparison))
    }
}
