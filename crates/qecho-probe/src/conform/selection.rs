//! Which requirements are tried.

use super::{Need, Requirement, Rfc, Side, requirements};

/// Choice among the requirements of one side, all of them unless it is narrowed.
#[derive(Clone, Debug)]
pub struct Selection {
    side: Side,
    only: Vec<Term>,
    except: Vec<Term>,
    has_crashing: bool,
}

/// What a word of a selection names.
#[derive(Clone, Debug)]
enum Term {
    Id(&'static str),
    Rfc(Rfc),
    /// Section with all that is within it.
    Section(Rfc, String),
}

/// Why there is no such selection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// There is no such word.
    #[error(
        "`{word}` names no requirement of a {side}: there are {known}; an RFC (9000) and a section \
         of it (9000/19.3) name all that is in it"
    )]
    Unknown {
        /// The word.
        word: String,
        /// Who is tested.
        side: Side,
        /// Identifiers that there are.
        known: String,
    },
    /// The requirement is one of the other side.
    #[error("{id} is demanded of a {of}, but a {side} is tested")]
    OtherSide {
        /// The requirement.
        id: &'static str,
        /// Whom it is demanded of.
        of: Side,
        /// Who is tested.
        side: Side,
    },
    /// None is in this RFC.
    #[error("no requirement of a {side} is in {rfc}: there are RFC {known}")]
    UnknownRfc {
        /// The RFC.
        rfc: Rfc,
        /// Who is tested.
        side: Side,
        /// Numbers of the RFCs that there are.
        known: String,
    },
    /// None is in this section.
    #[error("no requirement of a {side} is in section {section} of {rfc}: there are {known}")]
    UnknownSection {
        /// The section.
        section: String,
        /// The RFC.
        rfc: Rfc,
        /// Who is tested.
        side: Side,
        /// Numbers of the sections that there are.
        known: String,
    },
    /// All that is left has crashed peers.
    #[error("{ids} crashed peers of others: nothing is left to try unless that is included")]
    Crashing {
        /// The requirements.
        ids: String,
    },
    /// What is left out leaves nothing.
    #[error("nothing is left to try: all that is selected is excepted, too")]
    Nothing,
}

impl Selection {
    /// Selects all requirements of a side, but those that have crashed peers.
    pub fn new(side: Side) -> Self {
        Self {
            side,
            only: Vec::new(),
            except: Vec::new(),
            has_crashing: false,
        }
    }

    /// Leaves only what one of these words names: an identifier (`F12`), an RFC (`9000`), or a
    /// section with all that is within it (`9000/19`); commas part words, too. No word leaves all.
    ///
    /// # Errors
    /// If a word names nothing of this side.
    pub fn with_only<W: AsRef<str>>(mut self, words: &[W]) -> Result<Self, SelectionError> {
        self.only = terms(self.side, words)?;
        Ok(self)
    }

    /// Takes away what one of these words names, as [`Selection::with_only`] has them.
    ///
    /// # Errors
    /// If a word names nothing of this side.
    pub fn with_except<W: AsRef<str>>(mut self, words: &[W]) -> Result<Self, SelectionError> {
        self.except = terms(self.side, words)?;
        Ok(self)
    }

    /// Tells whether requirements that have crashed peers are tried as well.
    pub fn with_crashing(mut self, has_crashing: bool) -> Self {
        self.has_crashing = has_crashing;
        self
    }

    /// Returns what is selected, in the order in which it is tried.
    ///
    /// # Errors
    /// If that is nothing.
    pub fn rows(&self) -> Result<Vec<&'static Requirement>, SelectionError> {
        let mut rows: Vec<_> = of_side(self.side).collect();
        rows.retain(|row| self.only.is_empty() || self.only.iter().any(|term| term.names(row)));
        rows.retain(|row| !self.except.iter().any(|term| term.names(row)));
        let crashes = |row: &Requirement| row.needs.contains(&Need::CrashesOthers);
        let (crashing, harmless): (Vec<_>, Vec<_>) =
            rows.iter().copied().partition(|row| crashes(row));
        match (self.has_crashing, harmless.is_empty()) {
            _ if rows.is_empty() => Err(SelectionError::Nothing),
            (true, _) => Ok(rows),
            (false, false) => Ok(harmless),
            (false, true) => Err(SelectionError::Crashing {
                ids: joined(crashing.iter().map(|row| row.id)),
            }),
        }
    }
}

impl Term {
    fn parse(side: Side, word: &str) -> Result<Self, SelectionError> {
        let (rfc, section) = word.split_once('/').unwrap_or((word, ""));
        if let Ok(rfc) = rfc.parse().map(Rfc) {
            return Self::within(side, rfc, section);
        }
        let mut all = requirements::all();
        match all.find(|row| row.id.eq_ignore_ascii_case(word)) {
            Some(row) if row.side == side => Ok(Self::Id(row.id)),
            Some(row) => Err(SelectionError::OtherSide {
                id: row.id,
                of: row.side,
                side,
            }),
            None => Err(SelectionError::Unknown {
                word: word.into(),
                side,
                known: ids(side),
            }),
        }
    }

    fn within(side: Side, rfc: Rfc, section: &str) -> Result<Self, SelectionError> {
        let term = match section.trim_start_matches('§') {
            "" => Self::Rfc(rfc),
            section => Self::Section(rfc, section.into()),
        };
        if of_side(side).any(|row| term.names(row)) {
            return Ok(term);
        }
        let sections = || of_side(side).flat_map(Requirement::sections);
        let mut numbers: Vec<_> = sections()
            .filter(|section| section.rfc == rfc)
            .map(|section| section.number)
            .collect();
        if let (Self::Section(_, section), false) = (term, numbers.is_empty()) {
            numbers.sort_by_key(|number| sortable(number));
            numbers.dedup();
            let known = joined(numbers);
            return Err(SelectionError::UnknownSection {
                section,
                rfc,
                side,
                known,
            });
        }
        let mut rfcs: Vec<_> = sections().map(|section| section.rfc.0).collect();
        rfcs.sort_unstable();
        rfcs.dedup();
        let known = joined(rfcs);
        Err(SelectionError::UnknownRfc { rfc, side, known })
    }

    fn names(&self, row: &Requirement) -> bool {
        match self {
            Self::Id(id) => row.id == *id,
            Self::Rfc(rfc) => row.sections().any(|section| section.rfc == *rfc),
            Self::Section(rfc, number) => row
                .sections()
                .any(|section| section.rfc == *rfc && section.is_within(number)),
        }
    }
}

fn terms<W: AsRef<str>>(side: Side, words: &[W]) -> Result<Vec<Term>, SelectionError> {
    let words = words.iter().flat_map(|word| word.as_ref().split(','));
    let words = words.map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| Term::parse(side, word)).collect()
}

fn of_side(side: Side) -> impl Iterator<Item = &'static Requirement> {
    requirements::all().filter(move |row| row.side == side)
}

/// Returns the first and last identifier of each letter.
fn ids(side: Side) -> String {
    let mut ids: Vec<_> = of_side(side).map(|row| row.id).collect();
    ids.sort_unstable();
    let groups = ids.chunk_by(|one, other| one[..1] == other[..1]);
    joined(groups.map(|group| match group {
        [first, .., last] => format!("{first} to {last}"),
        group => group.concat(),
    }))
}

/// Returns what sorts a section after 9.1 and before 20 if it is 19.5.
fn sortable(number: &str) -> Vec<u32> {
    let parts = number.split('.');
    parts.map(|part| part.parse().unwrap_or(u32::MAX)).collect()
}

fn joined(words: impl IntoIterator<Item = impl ToString>) -> String {
    let words = words.into_iter().map(|word| word.to_string());
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids_of(selection: Result<Selection, SelectionError>) -> Vec<&'static str> {
        let rows = selection.unwrap().rows().unwrap();
        rows.iter().map(|row| row.id).collect()
    }

    fn servers() -> Selection {
        Selection::new(Side::Server)
    }

    #[test]
    fn words_name_rows_rfcs_and_sections() {
        assert_eq!(ids_of(servers().with_only(&["f12,F13"])), ["F12", "F13"]);
        assert_eq!(ids_of(servers().with_only(&["9000/19.5"])), ["F11", "F12"]);
        let of_9287 = ids_of(servers().with_only(&["9287"]));
        assert_eq!(of_9287, ["P18"]);
        // Section 1 is not 19.
        let one = servers().with_only(&["9000/1"]).unwrap_err();
        assert!(matches!(one, SelectionError::UnknownSection { .. }));
        let within = ids_of(servers().with_only(&["9000/19"]));
        assert!(within.contains(&"F30") && !within.contains(&"F02"));
        assert!(within.contains(&"F04"), "a second section counts");
    }

    #[test]
    fn what_is_excepted_is_not_tried() {
        let selection = servers().with_only(&["9000/19.5"]).unwrap();
        assert_eq!(ids_of(selection.with_except(&["F11"])), ["F12"]);
        let nothing = servers().with_only(&["F12"]).unwrap();
        let nothing = nothing.with_except(&["9000"]).unwrap().rows();
        assert_eq!(nothing.unwrap_err(), SelectionError::Nothing);
    }

    #[test]
    fn an_unknown_word_is_told_what_there_is() {
        let error = |word| servers().with_only(&[word]).unwrap_err().to_string();
        assert!(error("F99").contains("there are F01 to F50, K01 to K06, L01 to L09"));
        assert!(error("9114").contains("RFC 8446, 8999, 9000, 9001, 9221, 9287, 9368"));
        assert!(error("9001/2").contains("section 2 of RFC 9001: there are 4."));
        assert_eq!(
            error("C01"),
            "C01 is demanded of a client, but a server is tested"
        );
        assert!(error("9000/x").contains("3.5, 4.1, 4.5, 4.6,"));
    }

    #[test]
    fn no_word_leaves_all_of_one_side() {
        let all = ids_of(servers().with_only::<&str>(&[]));
        assert_eq!(all.len(), 108);
        assert_eq!(ids_of(Ok(Selection::new(Side::Client))).len(), 37);
    }
}
