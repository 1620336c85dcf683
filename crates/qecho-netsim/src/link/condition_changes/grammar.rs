//! Shares, rates, times and their like, as people write them.

use std::{fmt::Display, num::NonZeroU64, ops::RangeInclusive, str::FromStr, time::Duration};

use crate::link::{Blackhole, Marking, Police};

/// Longest time that a condition may have: far beyond any use, and far from where clocks
/// overflow.
pub const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Bits per second that a rate may have: more than any host passes on.
pub const RATE_MAX: u64 = 1_000_000_000_000;

/// Datagrams that may vanish in a row.
pub const BURST_MAX: u32 = 1_000_000;

/// Datagrams that may wait, if so many are wanted.
pub const QUEUE_MAX: usize = 1_000_000;

/// Datagrams that a policer may let pass at once.
pub const POLICE_MAX: u32 = 1_000_000;

/// Bytes of the largest UDP payload over IPv4.
pub const MTU_MAX: usize = 65_507;

/// Reads `2%` or `0.5%`, as the number before the sign.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let example = "write for instance 2% or 0.5%";
    let Some(number) = text.strip_suffix('%') else {
        return Err(format!("`{text}` has no percent sign; {example}"));
    };
    match decimal(number) {
        None => Err(format!("`{text}` is no share; {example}")),
        Some(percent) if percent > 100.0 => Err("there is no more than 100%".into()),
        // Where digits without end make 100 of it, it was less.
        Some(100.0) if !number.trim_start_matches('0').starts_with("100") => {
            Ok(100_f64.next_down())
        }
        Some(percent) => Ok(percent),
    }
}

/// Reads `500kbit`, `10mbit` or `1gbit` as bits per second; `10M`, too, as iperf3 has it.
pub(super) fn rate(text: &str) -> Result<NonZeroU64, String> {
    let unknown = || format!("`{text}` is no rate; write for instance 500kbit, 10mbit or 1gbit");
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
    if bits > RATE_MAX as f64 {
        return Err("it must be at most 1000gbit".into());
    }
    NonZeroU64::new(bits as u64).ok_or_else(|| "it must be more than 0".into())
}

/// Reads how many datagrams vanish in a row.
pub(super) fn burst(text: &str) -> Result<u32, String> {
    whole(text, 1..=BURST_MAX)
}

/// Reads how many datagrams may wait.
pub(super) fn queue(text: &str) -> Result<usize, String> {
    whole(text, 0..=QUEUE_MAX)
}

/// Reads `5/100ms`: five datagrams in each 100 ms.
pub(super) fn police(text: &str) -> Result<Police, String> {
    let (datagrams, per) = text.split_once('/').ok_or_else(|| {
        format!("`{text}` has no `/`; write for instance 5/100ms: five datagrams in each 100ms")
    })?;
    let police = Police {
        datagrams: whole(datagrams.trim(), 1..=POLICE_MAX)?,
        per: positive(per)?,
    };
    Ok(police)
}

/// Reads what becomes of ECN bits.
pub(super) fn marking(text: &str) -> Result<Marking, String> {
    let mut all = Marking::ALL.into_iter();
    let found = all.find(|marking| marking.name() == text);
    found.ok_or_else(|| format!("`{text}` is no change of ECN bits; write clear, ce or ect1"))
}

/// Reads how long a datagram may be.
pub(super) fn mtu(text: &str) -> Result<usize, String> {
    whole(text, 1..=MTU_MAX)
}

/// Reads `2-7` or `2` as numbers of datagrams.
pub(super) fn numbers(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (whole(first, 1..=u64::MAX)?, whole(last, 1..=u64::MAX)?);
    match first <= last {
        true => Ok(first..=last),
        false => Err(format!("`{text}` ends before it begins")),
    }
}

/// Reads `5s/2s`: open for five seconds, then closed for two.
pub(super) fn blackhole(text: &str) -> Result<Blackhole, String> {
    let (open, closed) = text.split_once('/').ok_or_else(|| {
        format!("`{text}` has no `/`; write for instance 5s/2s: pass 5s, then nothing for 2s")
    })?;
    let (open, closed) = (positive(open)?, positive(closed)?);
    Ok(Blackhole { open, closed })
}

fn positive(text: &str) -> Result<Duration, String> {
    match read_time(text)? {
        Duration::ZERO => Err("it must be more than 0".to_owned()),
        time => Ok(time),
    }
}

/// Reads a time such as `10s`, `500ms` or `1m30s`; a number alone is seconds, as with pings and
/// iperf3.
///
/// It is public, since a program reads the times of its other options by it: a time that is
/// written in two places of one command line is to mean the same in both.
///
/// # Errors
/// Words for whoever wrote it, if it is no time or one of more than [`TIME_MAX`].
pub fn read_time(text: &str) -> Result<Duration, String> {
    let too_long = || "it must be at most 365 days".to_owned();
    if let Some(seconds) = decimal(text) {
        let is_possible = seconds <= TIME_MAX.as_secs_f64();
        let time = is_possible.then(|| Duration::from_secs_f64(seconds));
        return time.ok_or_else(too_long);
    }
    // The Greek letter (U+03BC) looks like the micro sign (U+00B5), and Unicode prefers it.
    let time = humantime::parse_duration(&text.replace('\u{3bc}', "\u{b5}"))
        .map_err(|error| format!("{error}; write for instance 10s, 500ms or 1m30s"))?;
    match time <= TIME_MAX {
        true => Ok(time),
        false => Err(too_long()),
    }
}

/// Reads digits, perhaps with a point among them, and nothing else.
fn decimal(text: &str) -> Option<f64> {
    let digit = |char: char| char.is_ascii_digit() || char == '.';
    text.chars().all(digit).then(|| text.parse().ok()).flatten()
}

/// Reads a whole number within a range, or says what is wrong with it.
fn whole<T: FromStr + PartialOrd + Display>(
    text: &str,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        format!("`{text}` is no whole number from {least} to {most}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_need_their_sign() {
        for (text, share) in [("0%", 0.0), ("2%", 2.0), ("0.5%", 0.5), ("100%", 100.0)] {
            assert_eq!(percent(text), Ok(share), "{text}");
        }
        let nearly = percent("99.99999999999999999%").expect("it is a share");
        assert!(nearly < 100.0 && nearly / 100.0 < 1.0);
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
            assert_eq!(rate(text).map(u64::from), Ok(bits), "{text}");
        }
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
        assert_eq!(burst("3"), Ok(3));
        assert!(burst("0").is_err());
        assert_eq!(queue("0"), Ok(0));
        assert_eq!(
            mtu("70000"),
            Err("`70000` is no whole number from 1 to 65507".into())
        );
        assert_eq!(mtu("1280"), Ok(1_280));
    }

    #[test]
    fn a_policer_has_datagrams_and_a_time_and_ecn_bits_a_change() {
        let expected = Police {
            datagrams: 5,
            per: Duration::from_millis(100),
        };
        assert_eq!(police("5/100ms"), Ok(expected));
        for text in ["5", "5/", "/100ms", "0/1s", "5/0s", "1000001/1s", "-1/1s"] {
            assert!(police(text).is_err(), "{text}");
        }
        assert_eq!(marking("ce"), Ok(Marking::Ce));
        let reason = "`bleach` is no change of ECN bits; write clear, ce or ect1";
        assert_eq!(marking("bleach"), Err(reason.into()));
    }

    #[test]
    fn times_are_read_as_pings_and_iperf3_take_them_and_with_units() {
        for (text, milliseconds) in [
            ("0", 0),
            ("1", 1_000),
            ("0.2", 200),
            (".5", 500),
            ("200ms", 200),
            ("1m30s", 90_000),
            ("5000µs", 5),
            ("5000\u{3bc}s", 5),
        ] {
            assert_eq!(
                read_time(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        let texts = "-1 1e3 inf nan . 1.2.3 soon 999999999999";
        for text in texts.split(' ').chain([""]) {
            assert!(read_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_blackhole_has_two_times() {
        let expected = Blackhole {
            open: Duration::from_secs(5),
            closed: Duration::from_millis(1_500),
        };
        assert_eq!(blackhole("5s/1s 500ms"), Ok(expected));
        for text in ["5s", "5s/", "/2s", "0s/2s", "5s/0s", "5/0"] {
            assert!(blackhole(text).is_err(), "{text}");
        }
    }
}
