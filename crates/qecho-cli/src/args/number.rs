//! Numbers as people write them.

use std::{ops::RangeInclusive, str::FromStr};

/// Reads a whole number within a range.
pub(super) fn whole<T: FromStr + PartialOrd>(text: &str, range: &RangeInclusive<T>) -> Option<T> {
    text.parse().ok().filter(|number| range.contains(number))
}

/// Reads a whole number that is not 0.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    whole(text, &(1..=usize::MAX)).ok_or_else(|| "it must be a whole number from 1 on".into())
}

/// Reads digits, perhaps with a point among them, and nothing else.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let digit = |char: char| char.is_ascii_digit() || char == '.';
    text.chars().all(digit).then(|| text.parse().ok()).flatten()
}
