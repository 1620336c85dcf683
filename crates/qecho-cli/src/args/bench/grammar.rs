//! The numbers of a load, as people write them.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use qecho_measure::bench::{
    CONNECTIONS_MAX, IN_FLIGHT_MAX, RATE_MAX, SHARDS_MAX, SIZE_MAX, Sizes, Sockets,
};

use crate::args::number::{self, decimal};

/// Reads the size of messages such as `64` or `1MiB`, or `64..1k`.
pub(super) fn sizes(text: &str) -> Result<Sizes, String> {
    let Some((least, most)) = text.split_once("..") else {
        return size(text).map(Sizes::fixed);
    };
    let (least, most) = (size(least)?, size(most)?);
    match least <= most {
        true => Ok(Sizes { least, most }),
        false => Err("the lesser size stands first, as in 64..1k".into()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    let size: ByteSize = text
        .parse()
        .map_err(|_| "it is no size; write for instance 64, 1k or 1MiB")?;
    match usize::try_from(size.0) {
        Ok(0) => Err("it must be at least 1 byte".into()),
        Ok(size) if size <= SIZE_MAX => Ok(size),
        _ => Err("it must be at most 1GiB".into()),
    }
}

/// Reads `500` or `20k` as messages a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let (digits, scale) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1e3),
        None => match text.strip_suffix('M') {
            Some(digits) => (digits, 1e6),
            None => (text, 1.0),
        },
    };
    match decimal(digits).map(|number| number * scale) {
        None => Err("it is no rate; write for instance 500, 0.5 or 20k".into()),
        Some(rate) if rate > RATE_MAX => Err("it must be at most 100M".into()),
        // Less than one message in a day is no load.
        Some(rate) if rate < 1e-5 => Err("it must be more than 0.00001".into()),
        Some(rate) => Ok(rate),
    }
}

/// Reads the name of a file whose ending says what is written to it.
pub(in crate::args) fn output(text: &str) -> Result<PathBuf, String> {
    match Path::new(text).extension() {
        Some(ending) if ending == "json" || ending == "html" => Ok(text.into()),
        _ => Err("name a file that ends in .html or .json".into()),
    }
}

/// Reads how many sockets there are.
pub(super) fn sockets(text: &str) -> Result<Sockets, String> {
    match text {
        "one" => Ok(Sockets::One),
        "per-connection" => Ok(Sockets::PerConnection),
        number => match whole(number, CONNECTIONS_MAX) {
            Ok(number) => Ok(Sockets::Number(number)),
            Err(_) => Err("write one, per-connection or a number".into()),
        },
    }
}

pub(super) fn connections(text: &str) -> Result<usize, String> {
    whole(text, CONNECTIONS_MAX)
}

pub(super) fn in_flight(text: &str) -> Result<usize, String> {
    whole(text, IN_FLIGHT_MAX)
}

pub(super) fn shards(text: &str) -> Result<usize, String> {
    whole(text, SHARDS_MAX)
}

fn whole(text: &str, most: usize) -> Result<usize, String> {
    let number = number::whole(text, &(1..=most));
    number.ok_or_else(|| format!("it is no whole number from 1 to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, messages) in [("500", 500.0), ("0.5", 0.5), ("20k", 2e4), ("1M", 1e6)] {
            assert_eq!(rate(text), Ok(messages), "{text}");
        }
        for text in ["", "-1", "k", "1e3", "inf", "nan", "5/s"] {
            let error = rate(text).expect_err(text);
            assert!(error.contains("is no rate"), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_one_or_a_range() {
        assert_eq!(sizes("1k"), Ok(Sizes::fixed(1_000)));
        let range = Sizes {
            least: 64,
            most: 1_024,
        };
        assert_eq!(sizes("64..1KiB"), Ok(range));
        for (text, reason) in [
            ("1k..64", "stands first"),
            ("0..5", "at least 1"),
            ("5..", "is no size"),
            ("..5", "is no size"),
            ("1..2GiB", "at most 1GiB"),
            ("1...5", "is no size"),
        ] {
            let error = sizes(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn sockets_are_a_word_or_a_number() {
        assert_eq!(sockets("one"), Ok(Sockets::One));
        assert_eq!(sockets("per-connection"), Ok(Sockets::PerConnection));
        assert_eq!(sockets("16"), Ok(Sockets::Number(16)));
        assert!(sockets("all").is_err());
    }
}
