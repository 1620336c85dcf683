//! Results of checks, from which a table and an exit status are made.

use crate::Outcome;
use crate::process::Ended;

/// Result of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// Tests that passed, as the runners count them.
    pub passed: u64,
    /// Tests that did not.
    pub failed: u64,
    /// Reason of a failure, apart from tests.
    pub failure: Option<String>,
    /// Programs or figures that this platform lacks; everything else was done.
    pub not_here: Option<String>,
}

impl Report {
    /// Returns the report of a check that failed for a reason.
    pub fn failure(reason: impl Into<String>) -> Self {
        Self {
            failure: Some(reason.into()),
            ..Self::default()
        }
    }

    /// Returns the report of a check that this platform lacks something for.
    pub fn not_here(what: impl Into<String>) -> Self {
        Self {
            not_here: Some(what.into()),
            ..Self::default()
        }
    }

    /// Adds up every `test result: ok. N passed; M failed; …` of an output.
    pub fn count(mut self, output: &str) -> Self {
        let lines = output.lines();
        let results = lines.filter_map(|line| line.strip_prefix("test result: "));
        for (_, counts) in results.filter_map(|rest| rest.split_once(". ")) {
            for count in counts.split("; ") {
                match count.split_once(' ') {
                    Some((n, "passed")) => self.passed += n.parse().unwrap_or(0),
                    Some((n, "failed")) => self.failed += n.parse().unwrap_or(0),
                    _ => {}
                }
            }
        }
        self
    }

    /// Returns why the check fails, if it does; with `require_all` also for what is not here.
    pub fn reason(&self, require_all: bool) -> Option<&str> {
        let tests = (self.failed > 0).then_some("tests failed");
        let not_here = self.not_here.as_deref().filter(|_| require_all);
        self.failure.as_deref().or(tests).or(not_here)
    }

    /// Returns the exit status of a command that only makes this check.
    pub fn outcome(&self, require_all: bool) -> Outcome {
        match self.reason(require_all) {
            None => Outcome::Good,
            Some(_) => Outcome::Bad,
        }
    }
}

impl From<Ended> for Report {
    fn from(ended: Ended) -> Self {
        match ended.is_success() {
            true => Self::default(),
            false => Self::failure(ended.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_over_all_runners() {
        let output = "running 3 tests\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
            says test result: ok. 100 passed; 0 failed;\n\
            test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured\n";
        let report = Report::default().count(output);
        assert_eq!((report.passed, report.failed), (7, 2));
    }
}
