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
    /// The word names nothing.
    #[error("`{word}` names no requirement of a {side}: there are {known}")]
    Unknown {
        /// The word.
        word: String,
        /// Who is tested.
        side: Side,
        /// What there is in its place, in words.
        known: String,
    },
    /// The requirement is one of the other side.
    #[error("{id} is not demanded of a {side}, which is tested, but of the other end")]
    OtherSide {
        /// The requirement.
        id: &'static str,
        /// Who is tested.
        side: Side,
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
        let term = match (rfc.parse().map(Rfc), section.trim_start_matches('§')) {
            (Ok(rfc), "") => Some(Self::Rfc(rfc)),
            (Ok(rfc), section) => Some(Self::Section(rfc, section.into())),
            (Err(_), _) => requirements::all()
                .find(|row| row.id.eq_ignore_ascii_case(word))
                .map(|row| Self::Id(row.id)),
        };
        match term {
            Some(term) if of_side(side).any(|row| term.names(row)) => Ok(term),
            Some(Self::Id(id)) => Err(SelectionError::OtherSide { id, side }),
            term => Err(SelectionError::Unknown {
                word: word.into(),
                side,
                known: known(side, term.as_ref()),
            }),
        }
    }

    fn names(&self, row: &Requirement) -> bool {
        let mut sections = row.sections();
        match self {
            Self::Id(id) => row.id == *id,
            Self::Rfc(rfc) => sections.any(|section| section.rfc == *rfc),
            Self::Section(rfc, number) => {
                sections.any(|section| section.rfc == *rfc && section.is_within(number))
            }
        }
    }
}

/// Returns what there is in place of an unknown word: sections of its RFC, RFCs, or identifiers.
fn known(side: Side, unknown: Option<&Term>) -> String {
    let sections = || of_side(side).flat_map(Requirement::sections);
    let is_rfc = |rfc: &Rfc| sections().any(|section| section.rfc == *rfc);
    match unknown {
        Some(Term::Section(rfc, _)) if is_rfc(rfc) => {
            let sections = sections().filter(|section| section.rfc == *rfc);
            let mut numbers: Vec<_> = sections.map(|section| section.number).collect();
            numbers.sort_by_key(|number| sortable(number));
            numbers.dedup();
            format!("sections {} of {rfc}", joined(numbers))
        }
        Some(_) => {
            let mut rfcs: Vec<_> = sections().map(|section| section.rfc.0).collect();
            rfcs.sort_unstable();
            rfcs.dedup();
            format!("RFC {}", joined(rfcs))
        }
        None => format!(
            "{}, and RFCs (9000) and sections of them (9000/19.3), which name all that is in them",
            ids(side)
        ),
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
    ids.sort_by_key(|id| (&id[..1], id.len(), *id));
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
        assert_eq!(of_9287, ["V23", "P18", "V18"]);
        // Section 1 is not 19.
        assert!(servers().with_only(&["9000/1"]).is_err());
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
        assert!(error("F99").contains("there are F01 to F66, K01 to K26, L01 to L10"));
        let of_clients = Selection::new(Side::Client).with_only(&["C999"]);
        let told = of_clients.unwrap_err().to_string();
        assert!(told.contains("there are C01 to C148"), "{told}");
        assert!(error("9114").contains("RFC 8446, 8999, 9000, 9001, 9002, 9221, 9287, 9368, 9369"));
        assert!(
            error("9001/2")
                .contains("`9001/2` names no requirement of a server: there are sections 4.")
        );
        assert_eq!(
            error("C01"),
            "C01 is not demanded of a server, which is tested, but of the other end"
        );
        assert!(error("9000/x").contains("3.5, 4.1, 4.2, 4.5, 4.6,"));
    }

    #[test]
    fn no_word_leaves_all_of_one_side() {
        let servers = ids_of(servers().with_crashing(true).with_only::<&str>(&[]));
        let clients = ids_of(Ok(Selection::new(Side::Client).with_crashing(true)));
        assert_eq!(servers.len() + clients.len(), requirements::all().count());
        assert!(servers.contains(&"F01") && clients.contains(&"C01"));
    }

    #[test]
    fn what_has_crashed_servers_is_tried_only_if_that_is_wanted() {
        let has = |selection, id| ids_of(Ok(selection)).contains(&id);
        assert!(!has(servers(), "F39"));
        assert!(has(servers().with_crashing(true), "F39"));
    }
}
