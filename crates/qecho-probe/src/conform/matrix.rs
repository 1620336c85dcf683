//! Verdicts on several peers side by side.

use super::{Outcome, Report, Requirement, Row, Verdict, requirements};

/// Reports of several peers.
#[derive(Clone, Debug)]
pub struct Matrix {
    reports: Vec<Report>,
}

/// Verdicts of all peers on one requirement.
#[derive(Clone, Debug)]
pub struct MatrixRow<'a> {
    /// The requirement.
    pub requirement: &'static Requirement,
    /// A row for each peer in its order; `None` where it was not tried.
    pub rows: Vec<Option<&'a Row>>,
}

impl Matrix {
    /// Lays reports side by side.
    pub fn new(reports: Vec<Report>) -> Self {
        Self { reports }
    }

    /// Returns the reports, in their order.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// Returns a row for each requirement that was tried anywhere.
    pub fn rows(&self) -> impl Iterator<Item = MatrixRow<'_>> {
        requirements::all().filter_map(|requirement| {
            let rows = self.reports.iter().map(|report| report.row(requirement.id));
            let rows: Vec<_> = rows.collect();
            let is_tried = rows.iter().any(Option::is_some);
            is_tried.then_some(MatrixRow { requirement, rows })
        })
    }

    /// Returns the rows in which peers differ.
    pub fn differences(&self) -> impl Iterator<Item = MatrixRow<'_>> {
        self.rows().filter(MatrixRow::differs)
    }

    /// Tells what all reports together say: one that is broken breaks all, and so does a peer of
    /// which nothing was reached.
    pub fn outcome(&self) -> Outcome {
        let outcomes = self.reports.iter().map(Report::outcome);
        outcomes
            .max_by_key(|outcome| match outcome {
                Outcome::Kept => 0,
                Outcome::NothingReached => 1,
                Outcome::Broken => 2,
            })
            .unwrap_or(Outcome::NothingReached)
    }
}

impl MatrixRow<'_> {
    /// Tells whether peers differ. What was not reached or was unsteady differs from nothing, for
    /// it may be either.
    pub fn differs(&self) -> bool {
        let rows = self.rows.iter().flatten();
        let mut verdicts = rows.map(|row| row.verdict()).filter(is_known);
        verdicts
            .next()
            .is_some_and(|first| verdicts.any(|verdict| verdict != first))
    }

    /// Tells whether there is a verdict on every peer that says something.
    pub fn is_judged(&self) -> bool {
        let mut rows = self.rows.iter();
        rows.all(|row| row.is_some_and(|row| is_known(&row.verdict())))
    }
}

fn is_known(verdict: &Verdict) -> bool {
    !matches!(verdict, Verdict::NotReached | Verdict::Unsteady)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conform::testing::report;

    #[test]
    fn differences_are_only_where_verdicts_are_known_and_differ() {
        let matrix = Matrix::new(vec![
            report(&[
                ("F12", Verdict::Pass),
                ("F13", Verdict::Fail),
                ("F14", Verdict::Pass),
                ("F48", Verdict::NotApplicable),
            ]),
            report(&[
                ("F12", Verdict::Pass),
                ("F13", Verdict::Pass),
                ("F14", Verdict::Unsteady),
                ("F48", Verdict::Pass),
                ("F15", Verdict::Fail),
            ]),
        ]);
        let differences = matrix.differences().map(|row| row.requirement.id);
        assert_eq!(differences.collect::<Vec<_>>(), ["F13", "F48"]);
        assert_eq!(matrix.rows().count(), 5);
        let alone = matrix.rows().find(|row| row.requirement.id == "F15");
        assert!(alone.unwrap().rows[0].is_none());
    }

    #[test]
    fn one_peer_that_is_broken_or_silent_shows_in_the_outcome() {
        let outcome = |verdicts: &[Verdict]| {
            let reports = verdicts.iter().map(|verdict| report(&[("F12", *verdict)]));
            Matrix::new(reports.collect()).outcome()
        };
        assert_eq!(outcome(&[Verdict::Pass, Verdict::Note]), Outcome::Kept);
        let silent = [Verdict::Pass, Verdict::NotReached];
        assert_eq!(outcome(&silent), Outcome::NothingReached);
        let broken = [Verdict::NotReached, Verdict::Fail];
        assert_eq!(outcome(&broken), Outcome::Broken);
    }
}
