//! Packet numbers that have arrived.

use std::ops::RangeInclusive;

/// Gaps that are remembered; beyond, the oldest numbers count as arrived.
const RANGES_MAX: usize = 1_000;

/// A set of numbers that mostly follow one another.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<RangeInclusive<u64>>);

impl Ranges {
    /// Adds a number; tells whether it was new.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        let after = self.0.partition_point(|range| *range.start() <= number);
        let before = after.checked_sub(1);
        if before.is_some_and(|at| self.0[at].contains(&number)) {
            return false;
        }
        let joins_before = before.filter(|at| *self.0[*at].end() + 1 == number);
        let joins_after = self
            .0
            .get(after)
            .is_some_and(|range| *range.start() == number + 1);
        match (joins_before, joins_after) {
            (Some(at), true) => {
                self.0[at] = *self.0[at].start()..=*self.0[after].end();
                self.0.remove(after);
            }
            (Some(at), false) => self.0[at] = *self.0[at].start()..=number,
            (None, true) => self.0[after] = number..=*self.0[after].end(),
            (None, false) => self.0.insert(after, number..=number),
        }
        if self.0.len() > RANGES_MAX {
            let joined = *self.0[0].start()..=*self.0[1].end();
            self.0.splice(..2, [joined]);
        }
        true
    }

    /// Returns the highest.
    pub(super) fn largest(&self) -> Option<u64> {
        self.0.last().map(|range| *range.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_new_once_in_whatever_order_they_come() {
        let mut ranges = Ranges::default();
        for number in [5, 3, 4, 0, 9, 1, 2] {
            assert!(ranges.insert(number), "{number}");
            assert!(!ranges.insert(number), "{number}");
        }
        assert_eq!(ranges.0, [0..=5, 9..=9]);
        assert_eq!(ranges.largest(), Some(9));
    }

    #[test]
    fn gaps_without_end_are_forgotten() {
        let mut ranges = Ranges::default();
        for number in 0..10_000 {
            assert!(ranges.insert(number * 2));
        }
        assert_eq!(ranges.0.len(), RANGES_MAX);
        assert!(!ranges.insert(1));
    }
}
