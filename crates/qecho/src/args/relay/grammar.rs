//! Shares, rates and their like, as people write them.

use std::{num::NonZeroU64, ops::RangeInclusive};

use qecho_netsim::link::Blackhole;

use crate::args::{
    number::{decimal, whole_of},
    positive_duration,
};

/// A value, or the word `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OrNone<T>(pub(super) Option<T>);

/// Bits per second that a rate may have: more than any host passes on.
const RATE_MAX: f64 = 1e12;

/// Datagrams that may wait, if so many are wanted.
const QUEUE_MAX: usize = 1_000_000;

/// Bytes of the largest UDP payload over IPv4.
const MTU_MAX: usize = 65_507;

fn or_none<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<OrNone<T>, String> {
    match text {
        "none" => Ok(OrNone(None)),
        _ => Ok(OrNone(Some(read(text)?))),
    }
}

/// Reads `2%` or `0.5%` as a share of one.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let example = "write for instance 2% or 0.5%";
    let Some(number) = text.strip_suffix('%') else {
        return Err(format!("`{text}` has no percent sign; {example}"));
    };
    match decimal(number) {
        None => Err(format!("`{text}` is no share; {example}")),
        Some(percent) if percent > 100.0 => Err("there is no more than 100%".into()),
        Some(percent) => Ok(percent / 100.0),
    }
}

/// Reads `500kbit`, `10mbit` or `1gbit` as bits per second; `10M`, too, as iperf3 has it.
pub(super) fn rate(text: &str) -> Result<OrNone<NonZeroU64>, String> {
    or_none(text, |text| {
        let unknown =
            || format!("`{text}` is no rate; write for instance 500kbit, 10mbit or 1gbit");
        let digits = text.find(|char: char| char.is_ascii_alphabetic());
        let (number, unit) = text.split_at(digits.ok_or_else(unknown)?);
        let unit = unit.to_ascii_lowercase();
        let scale = match unit.strip_suffix("/s").unwrap_or(&unit) {
            "bit" => 1.0,
            "k" | "kbit" => 1e3,
            "m" | "mbit" => 1e6,
            "g" | "gbit" => 1e9,
            _ => return Err(unknown()),
        };
        let bits = decimal(number).ok_or_else(unknown)? * scale;
        if bits > RATE_MAX {
            return Err("it must be at most 1000gbit".into());
        }
        NonZeroU64::new(bits as u64).ok_or_else(|| "it must be more than 0".into())
    })
}

/// Reads how many datagrams vanish in a row.
pub(super) fn bursts(text: &str) -> Result<u32, String> {
    whole_of(text, 1..=1_000_000)
}

/// Reads how many datagrams may wait.
pub(super) fn queue(text: &str) -> Result<usize, String> {
    whole_of(text, 0..=QUEUE_MAX)
}

/// Reads how long a datagram may be.
pub(super) fn mtu(text: &str) -> Result<OrNone<usize>, String> {
    or_none(text, |text| whole_of(text, 1..=MTU_MAX))
}

/// Reads `2-7` or `2` as numbers of datagrams.
pub(super) fn numbers(text: &str) -> Result<OrNone<RangeInclusive<u64>>, String> {
    or_none(text, |text| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (
            whole_of(first, 1..=u64::MAX)?,
            whole_of(last, 1..=u64::MAX)?,
        );
        match first <= last {
            true => Ok(first..=last),
            false => Err(format!("`{text}` ends before it begins")),
        }
    })
}

/// Reads `5s/2s`: open for five seconds, then closed for two.
pub(super) fn blackhole(text: &str) -> Result<OrNone<Blackhole>, String> {
    or_none(text, |text| {
        let (open, closed) = text.split_once('/').ok_or_else(|| {
            format!("`{text}` has no `/`; write for instance 5s/2s: pass 5s, then nothing for 2s")
        })?;
        let open = positive_duration(open)?;
        let closed = positive_duration(closed)?;
        Ok(Blackhole { open, closed })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_need_their_sign() {
        for (text, share) in [("0%", 0.0), ("2%", 0.02), ("0.5%", 0.005), ("100%", 1.0)] {
            assert_eq!(percent(text), Ok(share), "{text}");
        }
        for (text, reason) in [
            (
                "2",
                "`2` has no percent sign; write for instance 2% or 0.5%",
            ),
            ("", "`` has no percent sign; write for instance 2% or 0.5%"),
            ("%", "`%` is no share; write for instance 2% or 0.5%"),
            ("-1%", "`-1%` is no share; write for instance 2% or 0.5%"),
            ("nan%", "`nan%` is no share; write for instance 2% or 0.5%"),
            ("1e1%", "`1e1%` is no share; write for instance 2% or 0.5%"),
            ("100.1%", "there is no more than 100%"),
        ] {
            assert_eq!(percent(text), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn rates_are_in_bits() {
        for (text, bits) in [
            ("8bit", 8),
            ("500kbit", 500_000),
            ("1.5mbit", 1_500_000),
            ("1gbit", 1_000_000_000),
        ] {
            assert_eq!(rate(text), Ok(OrNone(NonZeroU64::new(bits))), "{text}");
        }
        assert_eq!(rate("none"), Ok(OrNone(None)));
        for text in ["10", "mbit", "10mbps", "10 mbit/s", "-1mbit", "infbit", ""] {
            let error = rate(text).expect_err(text);
            assert!(error.contains("is no rate; write"), "{error}");
        }
        assert_eq!(rate("0bit"), Err("it must be more than 0".into()));
        assert_eq!(rate("0.4bit"), Err("it must be more than 0".into()));
        assert_eq!(
            rate("1001gbit"),
            Err("it must be at most 1000gbit".to_owned())
        );
    }

    #[test]
    fn numbers_have_their_limits() {
        assert_eq!(bursts("3"), Ok(3));
        assert!(bursts("0").is_err());
        assert_eq!(queue("0"), Ok(0));
        assert_eq!(
            mtu("70000"),
            Err("`70000` is no whole number from 1 to 65507".into())
        );
        assert_eq!(mtu("1280"), Ok(OrNone(Some(1_280))));
    }

    #[test]
    fn a_blackhole_has_two_times() {
        let expected = Blackhole {
            open: std::time::Duration::from_secs(5),
            closed: std::time::Duration::from_millis(1_500),
        };
        assert_eq!(blackhole("5s/1s 500ms"), Ok(OrNone(Some(expected))));
        for text in ["5s", "5s/", "/2s", "0s/2s", "5s/0s", "5/0"] {
            assert!(blackhole(text).is_err(), "{text}");
        }
    }
}
