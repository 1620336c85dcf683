//! What is thought of a peer's reaction.

use std::fmt;

/// Judgement on one requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is kept.
    Pass,
    /// It is kept, but not as would be best: with another error code than the one that fits best
    /// (RFC 9000 §11 allows that), without a word, or a SHOULD is not kept.
    Note,
    /// It is broken.
    Fail,
    /// The peer takes no further handshakes.
    Crashed,
    /// The peer lacks what it is about.
    NotApplicable,
    /// What had to come before did not come about.
    NotReached,
    /// Two fresh runs came to different verdicts.
    Unsteady,
}

impl Verdict {
    /// Every verdict, in the order in which they are counted.
    pub const ALL: [Self; 7] = [
        Self::Pass,
        Self::Note,
        Self::Fail,
        Self::Crashed,
        Self::NotApplicable,
        Self::NotReached,
        Self::Unsteady,
    ];

    /// Returns the word for programs, without spaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Note => "note",
            Self::Fail => "fail",
            Self::Crashed => "crashed",
            Self::NotApplicable => "not_applicable",
            Self::NotReached => "not_reached",
            Self::Unsteady => "unsteady",
        }
    }

    /// Returns the verdict that has this word for programs.
    pub fn from_word(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|verdict| verdict.as_str() == word)
    }

    /// Tells whether the requirement is broken.
    pub fn is_broken(self) -> bool {
        matches!(self, Self::Fail | Self::Crashed)
    }

    /// Tells whether it says anything against the peer.
    pub(super) fn speaks_against(self) -> bool {
        matches!(self, Self::Note | Self::Fail | Self::Crashed)
    }

    /// Tells whether the peer was seen to react to what the requirement is about.
    pub fn is_decided(self) -> bool {
        self.badness().is_some()
    }

    /// Tells whether this is worse than another verdict: pass, note, fail, crashed. The others are
    /// never worse than anything, and none but a broken requirement is worse than they are.
    pub fn is_worse_than(self, other: Self) -> bool {
        match (self.badness(), other.badness()) {
            (Some(this), Some(other)) => this > other,
            (Some(_), None) => self.is_broken(),
            (None, _) => false,
        }
    }

    fn badness(self) -> Option<u8> {
        match self {
            Self::Pass => Some(0),
            Self::Note => Some(1),
            Self::Fail => Some(2),
            Self::Crashed => Some(3),
            Self::NotApplicable | Self::NotReached | Self::Unsteady => None,
        }
    }
}

/// In words for people.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotApplicable => "not applicable",
            Self::NotReached => "not reached",
            verdict => verdict.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_decided_is_never_worse() {
        for undecided in [
            Verdict::NotApplicable,
            Verdict::NotReached,
            Verdict::Unsteady,
        ] {
            for other in Verdict::ALL {
                assert!(!undecided.is_worse_than(other), "{undecided} {other}");
            }
            let worse = Verdict::ALL.map(|verdict| verdict.is_worse_than(undecided));
            assert_eq!(worse, [false, false, true, true, false, false, false]);
        }
    }

    #[test]
    fn a_crash_is_worse_than_a_fail_and_a_note_than_a_pass() {
        let order = [
            Verdict::Pass,
            Verdict::Note,
            Verdict::Fail,
            Verdict::Crashed,
        ];
        for (place, verdict) in order.into_iter().enumerate() {
            let worse = order.map(|other| verdict.is_worse_than(other));
            let expected = std::array::from_fn(|other| place > other);
            assert_eq!(worse, expected);
        }
    }

    #[test]
    fn the_word_of_each_verdict_means_it() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_word(verdict.as_str()), Some(verdict));
        }
        assert_eq!(Verdict::from_word("passed"), None);
    }
}
