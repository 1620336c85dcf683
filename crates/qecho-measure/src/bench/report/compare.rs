//! Compares a load over QUIC with the same over a baseline.

use super::{
    latency::Interval,
    schema::{Comparison, Ratio, Report},
};

type Metric = fn(&Report) -> Option<f64>;

/// Student's t for a confidence of 95 %, by the degrees of freedom from 1 on: one fewer
/// than pairs of slices.
const STUDENT_T: [f64; 4] = [12.706, 4.303, 3.182, 2.776];

impl Comparison {
    /// Compares pairs of slices, if there is one at least. A slice over QUIC that was cut short
    /// after them is in the report of QUIC, but not compared.
    pub(in crate::bench) fn of(
        pairs: Vec<(Report, Report)>,
        cut_short: Option<Report>,
    ) -> Option<(Report, Self)> {
        let (quic, other): (Vec<_>, Vec<_>) = pairs.iter().cloned().unzip();
        let (quic, mut other) = (Report::in_sequence(quic)?, Report::in_sequence(other)?);
        let figures: [(&str, Metric); 5] = [
            ("rate", |report| report.rate_per_s),
            ("goodput", |report| report.goodput_bytes_per_s),
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
            let interval = interval(&slices);
            let least = slices.iter().copied().fold(ratio, f64::min);
            let most = slices.iter().copied().fold(ratio, f64::max);
            Some(Ratio {
                figure: name.into(),
                quic,
                other,
                ratio,
                low: interval.map(|(low, _)| low.min(ratio)),
                high: interval.map(|(_, high)| high.max(ratio)),
                least,
                most,
            })
        };
        let ratios = figures.into_iter().filter_map(ratio).collect();
        let turns = pairs.iter().flat_map(|(quic, other)| [quic, other]);
        let turns = turns.chain(&cut_short);
        let intervals = in_turns(turns.map(|slice| (&slice.intervals[..], slice.elapsed_s)));
        let mut whole = Report::in_sequence([quic].into_iter().chain(cut_short).collect())?;
        [whole.intervals, other.intervals] = intervals;
        let comparison = Self {
            report: other,
            ratios,
        };
        Some((whole, comparison))
    }
}

/// Returns the 95 % confidence interval of the ratio that slices are samples of: Student's,
/// of their logarithms, for a half is as far from 1 as a double.
fn interval(slices: &[f64]) -> Option<(f64, f64)> {
    let t = STUDENT_T.get(slices.len().checked_sub(2)?)?;
    if slices.iter().any(|ratio| *ratio <= 0.0) {
        return None;
    }
    let count = slices.len() as f64;
    let mean = slices.iter().map(|ratio| ratio.ln()).sum::<f64>() / count;
    let squares = slices.iter().map(|ratio| (ratio.ln() - mean).powi(2));
    let half = t * (squares.sum::<f64>() / (count - 1.0) / count).sqrt();
    Some(((mean - half).exp(), (mean + half).exp()))
}

/// Returns the intervals of both, each slice at the time of its turn. A slice is its intervals and
/// the seconds that it took without them; those over QUIC and the others take turns.
fn in_turns<'a>(slices: impl Iterator<Item = (&'a [Interval], f64)>) -> [Vec<Interval>; 2] {
    let mut both = [Vec::new(), Vec::new()];
    let mut begin_s = 0.0;
    for (turn, (intervals, elapsed_s)) in slices.enumerate() {
        both[turn % 2].extend(intervals.iter().map(|row| Interval {
            at_s: begin_s + row.at_s,
            ..*row
        }));
        let end = intervals.last();
        begin_s += end.map_or(elapsed_s, |row| row.at_s + row.length_s);
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_take_turns_also_the_last_one_that_was_cut_short() {
        let row = |at_s| Interval {
            at_s,
            length_s: 1.0,
            ..Interval::default()
        };
        let (whole, cut) = ([row(0.0), row(1.0)], [row(0.0)]);
        let slices: [(&[Interval], f64); 5] = [
            (&whole, 2.0),
            (&[], 3.0),
            (&whole, 2.0),
            (&cut, 1.0),
            (&cut, 0.5),
        ];
        let begins = |rows: Vec<Interval>| rows.iter().map(|row| row.at_s).collect::<Vec<_>>();
        let [quic, other] = in_turns(slices.into_iter());
        assert_eq!(begins(quic), [0.0, 1.0, 5.0, 6.0, 8.0]);
        assert_eq!(begins(other), [7.0]);
    }

    #[test]
    fn an_interval_is_as_wide_as_its_slices_differ() {
        let (low, high) = interval(&[1.0, 1.0, 1.0, 1.0, 1.0]).expect("there are five");
        assert_eq!((low, high), (1.0, 1.0));
        let (low, high) = interval(&[0.86, 1.28, 0.95, 1.1, 1.02]).expect("there are five");
        assert!(
            (0.8..0.95).contains(&low) && (1.1..1.3).contains(&high),
            "{low} {high}"
        );
        let (low, high) = interval(&[1.9, 2.0, 2.1]).expect("there are three");
        assert!(
            1.0 < low && low < 2.0 && 2.0 < high && high < 3.0,
            "{low} {high}"
        );
        assert_eq!(interval(&[1.5]), None);
        assert_eq!(interval(&[1.5, 0.0]), None);
    }
}
