//! How many tests ran, read from the closing lines of the runners.

use std::ops::AddAssign;

/// Tests that passed and that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Totals {
    /// Adds up every `test result: ok. N passed; M failed; …` of an output.
    pub(crate) fn read(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines() {
            let Some((_, counts)) = line
                .strip_prefix("test result: ")
                .and_then(|rest| rest.split_once(". "))
            else {
                continue;
            };
            for count in counts.split("; ") {
                match count.split_once(' ') {
                    Some((n, "passed")) => sum.passed += n.parse().unwrap_or(0),
                    Some((n, "failed")) => sum.failed += n.parse().unwrap_or(0),
                    _ => {}
                }
            }
        }
        sum
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_over_all_runners() {
        let output = "running 3 tests\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
            says test result: ok. 100 passed; 0 failed;\n\
            test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured\n";
        assert_eq!(
            Totals::read(output),
            Totals {
                passed: 7,
                failed: 2
            }
        );
    }
}
