//! What a run came to.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{Finding, Requirement, Rfc, Verdict};

/// Verdicts on one peer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Name of the peer, as it was typed.
    pub target: String,
    /// A row for each requirement that was to be tried, in that order.
    pub rows: Vec<Row>,
    /// Whether it was stopped before all had been tried.
    pub is_partial: bool,
    /// Why nothing more could be reached, if so, in words.
    pub lost: Option<String>,
}

/// Verdict on one requirement.
#[derive(Clone, Debug)]
pub struct Row {
    /// The requirement.
    pub requirement: &'static Requirement,
    /// What its run came to.
    pub finding: Finding,
}

/// What all verdicts together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is broken.
    Kept,
    /// A requirement is broken, or got worse than was expected.
    Broken,
    /// Nothing was reached: there is nothing to judge.
    NothingReached,
}

/// How often there was each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; Verdict::ALL.len()]);

impl Report {
    pub(super) fn new(target: &str) -> Self {
        Self {
            target: target.into(),
            rows: Vec::new(),
            is_partial: false,
            lost: None,
        }
    }

    /// Counts the verdicts.
    pub fn counts(&self) -> Counts {
        self.rows.iter().map(Row::verdict).collect()
    }

    /// Counts the verdicts of each RFC.
    pub fn counts_by_rfc(&self) -> BTreeMap<Rfc, Counts> {
        let mut counts = BTreeMap::<Rfc, Counts>::new();
        for row in &self.rows {
            let rfc = row.requirement.section.rfc;
            counts.entry(rfc).or_default().add(row.verdict());
        }
        counts
    }

    /// Returns the rows of one verdict.
    pub fn having(&self, verdict: Verdict) -> impl Iterator<Item = &Row> {
        let rows = self.rows.iter();
        rows.filter(move |row| row.verdict() == verdict)
    }

    /// Returns the row of a requirement.
    pub fn row(&self, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.requirement.id == id)
    }

    /// Tells what all verdicts together say.
    pub fn outcome(&self) -> Outcome {
        let is_reached = |row: &Row| row.verdict() != Verdict::NotReached;
        match self.counts().broken() {
            0 if !self.rows.iter().any(is_reached) => Outcome::NothingReached,
            0 => Outcome::Kept,
            _ => Outcome::Broken,
        }
    }
}

impl Row {
    /// Returns the verdict.
    pub fn verdict(&self) -> Verdict {
        self.finding.verdict
    }
}

impl Counts {
    /// Returns how often there was a verdict.
    pub fn of(&self, verdict: Verdict) -> usize {
        self.0[verdict as usize]
    }

    /// Returns how many verdicts there were.
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// Returns how many requirements were broken.
    pub fn broken(&self) -> usize {
        self.of(Verdict::Fail) + self.of(Verdict::Crashed)
    }

    /// Returns each verdict that there was, and how often.
    pub fn nonzero(&self) -> impl Iterator<Item = (Verdict, usize)> {
        let all = Verdict::ALL.map(|verdict| (verdict, self.of(verdict)));
        all.into_iter().filter(|(_, count)| *count > 0)
    }

    fn add(&mut self, verdict: Verdict) {
        self.0[verdict as usize] += 1;
    }
}

impl FromIterator<Verdict> for Counts {
    fn from_iter<I: IntoIterator<Item = Verdict>>(verdicts: I) -> Self {
        let mut counts = Self::default();
        verdicts.into_iter().for_each(|verdict| counts.add(verdict));
        counts
    }
}

/// A member for each verdict, those that there were not, too.
impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = Verdict::ALL.into_iter();
        serializer.collect_map(all.map(|verdict| (verdict.as_str(), self.of(verdict))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conform::testing::report;

    #[test]
    fn counts_are_those_of_all_rows_and_of_each_rfc() {
        let report = report(&[
            ("F12", Verdict::Fail),
            ("F13", Verdict::Pass),
            ("T01", Verdict::Crashed),
            ("F48", Verdict::NotApplicable),
        ]);
        let counts = report.counts();
        assert_eq!((counts.total(), counts.broken()), (4, 2));
        let by_rfc = report.counts_by_rfc();
        let totals: Vec<_> = by_rfc.iter().map(|(rfc, of)| (rfc.0, of.total())).collect();
        assert_eq!(totals, [(9000, 2), (9001, 1), (9221, 1)]);
    }

    #[test]
    fn the_outcome_is_broken_only_by_fails_and_crashes() {
        let outcome = |verdict| report(&[("F12", verdict), ("F13", Verdict::NotReached)]).outcome();
        let outcomes = Verdict::ALL.map(outcome);
        let expected = [
            Outcome::Kept,
            Outcome::Kept,
            Outcome::Broken,
            Outcome::Broken,
            Outcome::Kept,
            Outcome::NothingReached,
            Outcome::Kept,
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(report(&[]).outcome(), Outcome::NothingReached);
    }
}
