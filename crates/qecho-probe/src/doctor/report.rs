//! What was seen on each rung, and what follows from it.

use serde_json::{Map, Value};

use super::{Cause, Finding};

/// A rung of the ladder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Rung {
    /// This machine: routes, buffers, what its kernel can do.
    Machine,
    /// The name and its addresses, and what the web server announces.
    Names,
    /// UDP to the server and back.
    Udp,
    /// The handshake.
    Handshake,
    /// Sizes, marks, loss and bursts.
    Path,
    /// A connection that stays when its client moves or is silent.
    Staying,
}

impl Rung {
    /// Rungs from the lowest to the highest.
    pub const ALL: [Self; 6] = [
        Self::Machine,
        Self::Names,
        Self::Udp,
        Self::Handshake,
        Self::Path,
        Self::Staying,
    ];

    /// Returns the name by which programs know it, which never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Names => "names",
            Self::Udp => "udp",
            Self::Handshake => "handshake",
            Self::Path => "path",
            Self::Staying => "staying",
        }
    }
}

/// Result of a rung.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RungResult {
    /// All that was tried is well.
    Passed,
    /// A cause was found.
    Failed,
    /// It was not tried, or nothing can be said.
    Untold,
}

impl RungResult {
    /// Returns the name by which programs know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Untold => "untold",
        }
    }
}

/// What was seen on a rung.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RungReport {
    /// The rung.
    pub rung: Rung,
    /// Whether it holds.
    pub result: RungResult,
    /// What was seen, for people: the first line is the most important. Without a dot at the end.
    pub lines: Vec<String>,
    /// The same for programs; keys end in their unit.
    pub facts: Map<String, Value>,
}

impl RungReport {
    /// Begins the report of a rung on which nothing is wrong so far.
    pub fn new(rung: Rung, result: RungResult) -> Self {
        Self {
            rung,
            result,
            lines: Vec::new(),
            facts: Map::new(),
        }
    }

    /// Adds a line for people.
    pub fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Adds a fact for programs.
    pub fn fact(&mut self, key: &str, value: impl Into<Value>) {
        self.facts.insert(key.into(), value.into());
    }
}

/// All that was seen, and what follows from it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The rungs in the order in which they were climbed; one that was not reached is
    /// [`RungResult::Untold`].
    pub rungs: Vec<RungReport>,
    /// The causes that were found.
    pub findings: Vec<Finding>,
    /// Things that nobody tried, for people: the doctor never says "well" of them.
    pub untried: Vec<String>,
}

impl Report {
    /// Returns the finding to begin with, if there is one: the lowest on the ladder.
    pub fn verdict(&self) -> Option<&Finding> {
        self.findings.iter().min_by_key(|finding| finding.cause)
    }

    /// Returns its cause.
    pub fn cause(&self) -> Option<Cause> {
        self.verdict().map(|finding| finding.cause)
    }
}
