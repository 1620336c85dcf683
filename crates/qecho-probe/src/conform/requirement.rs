//! One requirement of the RFCs, as a value.

use std::fmt;

use super::{Judged, Run};

/// What an RFC demands of an endpoint, how that is tried, and what has to be seen.
///
/// All that there are stand in [`requirements`](super::requirements).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Requirement {
    /// Names it in reports and files for ever: never given to another one.
    pub id: &'static str,
    /// How strongly the RFC demands it.
    pub level: Level,
    /// Whom it is demanded of.
    pub side: Side,
    /// The section that demands it.
    pub section: Section,
    /// Other sections that speak of it.
    pub also: &'static [Section],
    /// What it takes to try it.
    pub needs: &'static [Need],
    /// What is demanded, in our own words.
    pub text: &'static str,
    /// What is done to the peer.
    pub stimulus: &'static str,
    /// Reactions that keep the requirement.
    pub expected: &'static str,
    /// How it is tried, once somebody has written that.
    pub script: Option<Script>,
    /// Names the same requirement of clients, which the same script tries.
    of_clients: Option<&'static str>,
    /// Whether its notes tell of times, which a busy host makes longer.
    notes_times: bool,
}

/// One run of a requirement: what it came to, or what kept it from coming to anything.
pub type Script = fn(&mut Run<'_>) -> Judged;

/// Number of an RFC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rfc(pub u16);

/// Section of an RFC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Section {
    /// The RFC.
    pub rfc: Rfc,
    /// Number of the section, as `19.5`.
    pub number: &'static str,
}

/// How strongly an RFC demands something (RFC 2119), the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It is demanded.
    Must,
    /// There may be good reasons for something else.
    Should,
    /// It is allowed; nothing is broken without it.
    May,
}

/// Role of the endpoint that is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// It accepts connections.
    Server,
    /// It makes them.
    Client,
}

/// What it takes to try a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// The peer sends back what streams bring.
    Echo,
    /// The peer takes DATAGRAM frames (RFC 9221).
    Datagram,
    /// The peer takes 0-RTT.
    EarlyData,
    /// The peer resumes sessions.
    Resumption,
    /// This host has a second address from which the peer can be reached.
    SecondAddress,
    /// Privileges of the administrator.
    Root,
    /// It has crashed peers: it is not tried unless that is wanted.
    CrashesOthers,
}

impl Requirement {
    const fn new(id: &'static str, level: Level, side: Side, section: Section) -> Self {
        Self {
            id,
            level,
            side,
            section,
            also: &[],
            needs: &[],
            text: "",
            stimulus: "",
            expected: "",
            script: None,
            of_clients: None,
            notes_times: false,
        }
    }

    /// Demands the same of clients, under this identifier.
    pub(super) const fn of_clients(mut self, id: &'static str) -> Self {
        self.of_clients = Some(id);
        self
    }

    /// Returns the same requirement of clients, if it is one of both sides.
    pub(super) fn twin(self) -> Option<Self> {
        Some(Self {
            id: self.of_clients?,
            side: Side::Client,
            ..self
        })
    }

    /// Notes what takes long, for which a busy host may be the reason: compared with what was
    /// expected, such a note is no worse than a pass.
    pub(super) const fn notes_times(mut self) -> Self {
        self.notes_times = true;
        self
    }

    /// Tells whether a note may say no more than that a host was busy.
    pub(super) fn may_note_a_busy_host(&self) -> bool {
        self.notes_times
    }

    pub(super) const fn also(mut self, also: &'static [Section]) -> Self {
        self.also = also;
        self
    }

    pub(super) const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    pub(super) const fn text(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    pub(super) const fn stimulus(mut self, stimulus: &'static str) -> Self {
        self.stimulus = stimulus;
        self
    }

    pub(super) const fn expected(mut self, expected: &'static str) -> Self {
        self.expected = expected;
        self
    }

    pub(super) const fn script(mut self, script: Script) -> Self {
        self.script = Some(script);
        self
    }

    /// Returns every section that speaks of it, the one that demands it first.
    pub fn sections(&self) -> impl Iterator<Item = Section> {
        std::iter::once(self.section).chain(self.also.iter().copied())
    }
}

/// Begins a requirement that an RFC calls MUST.
pub(super) const fn must(id: &'static str, side: Side, section: Section) -> Requirement {
    Requirement::new(id, Level::Must, side, section)
}

/// Begins a requirement that an RFC calls SHOULD.
pub(super) const fn should(id: &'static str, side: Side, section: Section) -> Requirement {
    Requirement::new(id, Level::Should, side, section)
}

/// Begins a requirement of which an RFC says MAY.
pub(super) const fn may(id: &'static str, side: Side, section: Section) -> Requirement {
    Requirement::new(id, Level::May, side, section)
}

/// Names a section.
pub(super) const fn rfc(rfc: u16, number: &'static str) -> Section {
    let rfc = Rfc(rfc);
    Section { rfc, number }
}

impl Section {
    /// Returns the address of the section in the RFC Editor's edition.
    pub fn link(&self) -> String {
        let Self { rfc, number } = self;
        format!(
            "https://www.rfc-editor.org/rfc/rfc{}.html#section-{number}",
            rfc.0
        )
    }

    /// Tells whether this section is another one, or within it: 19.3.1 is within 19.3 and 19.
    pub(super) fn is_within(&self, number: &str) -> bool {
        let rest = self.number.strip_prefix(number);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl Level {
    /// Returns the word of RFC 2119.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

impl fmt::Display for Rfc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RFC {}", self.0)
    }
}

/// As reports have it: `9000 §19.5`.
impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} §{}", self.rfc.0, self.number)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_within_those_above_it_and_in_no_other() {
        let section = rfc(9000, "19.15.1");
        let within = ["19", "19.15", "19.15.1"].map(|number| section.is_within(number));
        assert_eq!(within, [true; 3]);
        let without = ["1", "19.1", "19.15.2", "9"].map(|number| section.is_within(number));
        assert_eq!(without, [false; 4]);
    }

    #[test]
    fn a_section_links_to_where_it_stands() {
        let link = rfc(9000, "19.5").link();
        assert_eq!(
            link,
            "https://www.rfc-editor.org/rfc/rfc9000.html#section-19.5"
        );
        assert_eq!(rfc(9000, "19.5").to_string(), "9000 §19.5");
    }
}
